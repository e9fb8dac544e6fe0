//! Where an SAE sits in a model, and what it reads and writes there.

mod error;
mod halves;
mod place;
mod places;

pub use error::SplitError;
pub use halves::Resume;
pub use place::Place;
pub use places::{LlamaPlaces, PlacesResume};

use burn::tensor::Tensor;
use llama_hooked::{Activation, ActivationCache, Edit, HookPoint, Llama};
use sae_core::SaeConfig;
use sae_traits::Splice;

/// A Llama cut at the point an SAE writes to: the layers below run once, those above once per edit.
///
/// It shares the weights of the model it was made from.
#[derive(Debug, Clone)]
pub struct SplitLlama {
    model: Llama,
    place: Place,
    rows_at_once: usize,
}

impl SplitLlama {
    /// Cuts the model where the configuration's SAE reads and writes.
    ///
    /// # Errors
    /// If the configuration names no hook, one that the model does not have, or one whose shape no SAE can work on.
    pub fn new(model: &Llama, cfg: &SaeConfig) -> Result<Self, SplitError> {
        Ok(Self::of(model, Place::new(model.config(), cfg)?))
    }

    /// Cuts the model at two points, without an SAE. Heads are joined where the points have any.
    ///
    /// # Errors
    /// If the model does not have the points, the second comes before the first, or no SAE could work on them.
    pub fn at(model: &Llama, read: HookPoint, write: HookPoint) -> Result<Self, SplitError> {
        Ok(Self::of(model, Place::at(model.config(), read, write)?))
    }

    /// Cuts the model where every model can be cut, for runs that edit nothing.
    pub(crate) fn anywhere(model: &Llama) -> Self {
        Self::of(model, Place::anywhere())
    }

    fn of(model: &Llama, place: Place) -> Self {
        Self {
            model: model.clone(),
            place,
            rows_at_once: usize::MAX,
        }
    }

    /// The model that is cut.
    pub fn model(&self) -> &Llama {
        &self.model
    }

    /// Lets at most this many rows of a batch go through a block at once. When weights are streamed, large batches are best, and this
    /// bounds the memory of the work within a block.
    #[must_use]
    pub fn rows_at_once(self, rows: usize) -> Self {
        Self {
            rows_at_once: rows.max(1),
            ..self
        }
    }

    /// The point the SAE reads at.
    pub fn read(&self) -> HookPoint {
        self.place.read()
    }

    /// The point its output goes to.
    pub fn write(&self) -> HookPoint {
        self.place.write()
    }

    /// Where the SAE sits.
    pub fn place(&self) -> Place {
        self.place
    }

    /// Maps directions of the SAE's output into the residual stream; `None` where the write point is not mapped into it linearly.
    ///
    /// # Shapes
    /// `[n, d_out]` → `[n, d_model]`.
    pub fn directions(&self, directions: Tensor<2>) -> Option<Tensor<2>> {
        self.place.directions(&self.model, directions)
    }

    /// Where the network is cut, for a write point between blocks; the block for one within.
    fn cut(&self) -> Cut {
        match self.write() {
            HookPoint::Embed => Cut::Between(0),
            HookPoint::ResidPre(layer) => Cut::Between(layer),
            HookPoint::ResidPost(layer) => Cut::Between(layer + 1),
            other => other.layer().map_or(Cut::Final, Cut::Within),
        }
    }

    /// The activation at a point as the SAE sees it.
    fn take(&self, cache: &ActivationCache, point: HookPoint) -> Tensor<3> {
        let x = cache.get(point).expect("the hook was run through");
        self.place.take(x.clone())
    }

    /// A hook that puts the SAE's output, or zeros, in place.
    fn replace(
        &self,
        edit: Splice,
    ) -> Edit<impl FnMut(HookPoint, Activation) -> Activation + use<>> {
        let place = self.place;
        Edit::new(place.write(), move |_, x| match &edit {
            Splice::Keep => x,
            Splice::Zero => place.zero(x),
            Splice::Replace(output) => place.put(x, output.clone()),
        })
    }
}

/// Where the network is cut.
enum Cut {
    Between(usize),
    Within(usize),
    Final,
}

#[cfg(test)]
mod tests {
    use super::SplitLlama;
    use burn::tensor::{Device, FloatDType};
    use llama_hooked::{HookPoint, Llama, LlamaConfig};

    #[test]
    fn no_sae_sits_at_the_logits() {
        let config = LlamaConfig::from_json(
            r#"{"vocab_size": 10, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 2}"#,
        );
        let model = Llama::random(config.unwrap(), 0, &Device::flex(), FloatDType::F32);
        let at = |point| SplitLlama::at(&model, point, point).map(|_| ());
        let message = at(HookPoint::UnembedOut).unwrap_err().to_string();
        assert_eq!(
            message,
            "unembed.hook_out is the logits: no SAE can work on it; unembed.hook_in is the last point that one can sit at"
        );
        at(HookPoint::UnembedIn).unwrap();
    }
}
