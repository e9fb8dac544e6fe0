//! An SAE and its place in a model.

use burn::tensor::Tensor;
use llama_hooked::{HookPoint, LlamaConfig};
use sae_core::Sae;
use sae_llama::{Place, SplitError};

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
    pub fn new(model: &LlamaConfig, sae: &Sae) -> Result<Self, SplitError> {
        let place = Place::new(model, sae.cfg())?;
        place.check(model, sae.cfg())?;
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
