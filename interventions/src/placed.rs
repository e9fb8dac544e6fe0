//! An SAE and its place in a model.

use burn::tensor::Tensor;
use llama_hooked::{HookPoint, LlamaConfig};
use sae_core::Sae;
use sae_llama::{Place, SplitError};

/// An SAE that does not belong to a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The hook is wrong.
    #[error(transparent)]
    Split(#[from] SplitError),
    /// The SAE is of other widths.
    #[error(
        "the SAE goes from width {d_in} to {d_out}, the model has {read_width} at {read} and {write_width} at {write}; does this SAE belong to this model and hook?"
    )]
    Widths {
        /// The SAE's input.
        d_in: usize,
        /// The SAE's output.
        d_out: usize,
        /// Where it reads.
        read: HookPoint,
        /// How wide that is.
        read_width: usize,
        /// Where it writes.
        write: HookPoint,
        /// How wide that is.
        write_width: usize,
    },
}

/// An SAE where it reads and writes. It shares the weights of the SAE that it was made from.
#[derive(Debug, Clone)]
pub struct PlacedSae {
    pub(crate) place: Place,
    pub(crate) sae: Sae,
}

impl PlacedSae {
    /// An SAE where its configuration says.
    ///
    /// # Errors
    /// If it does not fit the model.
    pub fn new(model: &LlamaConfig, sae: &Sae) -> Result<Self, PlaceError> {
        let cfg = sae.cfg();
        let place = Place::new(model, cfg)?;
        let (read_width, write_width) = place.widths(model);
        if (cfg.d_in, cfg.d_out) != (read_width, write_width) {
            return Err(PlaceError::Widths {
                d_in: cfg.d_in,
                d_out: cfg.d_out,
                read: place.read(),
                read_width,
                write: place.write(),
                write_width,
            });
        }
        Ok(Self {
            place,
            sae: sae.clone(),
        })
    }

    /// The point it reads at.
    pub fn read(&self) -> HookPoint {
        self.place.read()
    }

    /// The point it writes to.
    pub fn write(&self) -> HookPoint {
        self.place.write()
    }

    /// The SAE.
    pub fn sae(&self) -> &Sae {
        &self.sae
    }
}

/// The rows of `[b, p, d]` as one matrix.
pub(crate) fn flat(x: Tensor<3>) -> Tensor<2> {
    let [b, p, d] = x.dims();
    x.reshape([b * p, d])
}
