//! Where an SAE sits in a model, and what it reads and writes there.

mod error;
mod halves;

pub use error::SplitError;
pub use halves::Resume;

use burn::tensor::Tensor;
use llama_hooked::{Activation, ActivationCache, Edit, HookPoint, Llama};
use sae_core::{ReshapeActivations, SaeConfig, flatten_heads, unflatten_heads};
use sae_traits::Splice;

/// A Llama cut at the point an SAE writes to: the layers below run once, those above once per edit.
///
/// It shares the weights of the model it was made from.
#[derive(Debug, Clone)]
pub struct SplitLlama {
    model: Llama,
    read: HookPoint,
    write: HookPoint,
    heads: Heads,
    rows_at_once: usize,
}

/// How the head axis of a hook is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heads {
    /// The hook has none.
    None,
    /// Joined, `[b, p, heads·d_head]`.
    Flat,
    /// Only this one, `[b, p, d_head]`.
    One(usize),
}

impl SplitLlama {
    /// Cuts the model where the configuration's SAE reads and writes.
    ///
    /// # Errors
    /// If the configuration names no hook, one that the model does not have, or one whose shape no SAE can work on.
    pub fn new(model: &Llama, cfg: &SaeConfig) -> Result<Self, SplitError> {
        let metadata = &cfg.metadata;
        let read = metadata.hook_name.as_deref().ok_or(SplitError::NoHook)?;
        let write = metadata.write_hook().ok_or(SplitError::NoHook)?;
        let (read, write): (HookPoint, HookPoint) = (read.parse()?, write.parse()?);
        let split = Self::at(model, read, write)?;
        let heads = match (read.rank(), metadata.hook_head_index) {
            (3, None) => Heads::None,
            (3, Some(head)) => return Err(SplitError::NoHeads { head, point: read }),
            (_, Some(head)) => {
                for point in [read, write] {
                    let n_heads = n_heads(model, point);
                    if head >= n_heads {
                        return Err(SplitError::HeadOutOfRange {
                            head,
                            point,
                            n_heads,
                        });
                    }
                }
                Heads::One(head)
            }
            (_, None) if cfg.reshape_activations == ReshapeActivations::HookZ => Heads::Flat,
            (_, None) => return Err(SplitError::HeadAxis(read)),
        };
        Ok(Self { heads, ..split })
    }

    /// Cuts the model at two points, without an SAE. Heads are joined where the points have any.
    ///
    /// # Errors
    /// If the model does not have the points, the second comes before the first, or no SAE could work on them.
    pub fn at(model: &Llama, read: HookPoint, write: HookPoint) -> Result<Self, SplitError> {
        for point in [read, write] {
            point.validate(model.config().n_layers)?;
            // The point that is written to has to meet the same conditions as the one that is read.
            if matches!(point, HookPoint::AttnScores(_) | HookPoint::Pattern(_)) {
                return Err(SplitError::ByPairs(point));
            }
            if point == HookPoint::UnembedOut {
                return Err(SplitError::Logits(point));
            }
        }
        if write < read {
            return Err(SplitError::WriteBeforeRead { read, write });
        }
        if read.rank() != write.rank() {
            return Err(SplitError::Heads { read, write });
        }
        Ok(Self {
            model: model.clone(),
            read,
            write,
            heads: if read.rank() == 3 {
                Heads::None
            } else {
                Heads::Flat
            },
            rows_at_once: usize::MAX,
        })
    }

    /// Cuts the model where every model can be cut, for runs that edit nothing.
    pub(crate) fn anywhere(model: &Llama) -> Self {
        Self {
            model: model.clone(),
            read: HookPoint::Embed,
            write: HookPoint::Embed,
            heads: Heads::None,
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
        self.read
    }

    /// The point its output goes to.
    pub fn write(&self) -> HookPoint {
        self.write
    }

    /// Maps directions of the SAE's output into the residual stream; `None` where the write point is not mapped into it linearly.
    ///
    /// # Shapes
    /// `[n, d_out]` → `[n, d_model]`.
    pub fn directions(&self, directions: Tensor<2>) -> Option<Tensor<2>> {
        let directions = match self.heads {
            Heads::None | Heads::Flat => directions,
            Heads::One(head) => {
                let [n, d_head] = directions.dims();
                let width = n_heads(&self.model, self.write) * d_head;
                let place = head * d_head..(head + 1) * d_head;
                Tensor::zeros([n, width], (&directions.device(), directions.dtype()))
                    .slice_assign([0..n, place], directions)
            }
        };
        self.model.directions(self.write, directions)
    }

    /// Where the network is cut, for a write point between blocks; the block for one within.
    fn cut(&self) -> Cut {
        match self.write {
            HookPoint::Embed => Cut::Between(0),
            HookPoint::ResidPre(layer) => Cut::Between(layer),
            HookPoint::ResidPost(layer) => Cut::Between(layer + 1),
            other => other.layer().map_or(Cut::Final, Cut::Within),
        }
    }

    /// The activation at a point as the SAE sees it.
    fn take(&self, cache: &mut ActivationCache, point: HookPoint) -> Tensor<3> {
        let x = cache.remove(point).expect("the hook was run through");
        match (x, self.heads) {
            (Activation::R3(x), _) => x,
            (Activation::R4(x), Heads::One(head)) => x.narrow(2, head, 1).squeeze_dim(2),
            (Activation::R4(x), _) => flatten_heads(x),
        }
    }

    /// A hook that puts the SAE's output, or zeros, in place.
    fn replace(
        &self,
        edit: Splice,
    ) -> Edit<impl FnMut(HookPoint, Activation) -> Activation + use<>> {
        let heads = self.heads;
        Edit::new(self.write, move |_, x| match (&edit, x) {
            (Splice::Keep, x) => x,
            (Splice::Zero, Activation::R3(x)) => x.zeros_like().into(),
            (Splice::Zero, Activation::R4(x)) => match heads {
                Heads::One(head) => {
                    let [b, p, _, d_head] = x.dims();
                    let one = Tensor::zeros([b, p, 1, d_head], (&x.device(), x.dtype()));
                    x.slice_assign([0..b, 0..p, head..head + 1, 0..d_head], one)
                        .into()
                }
                _ => x.zeros_like().into(),
            },
            (Splice::Replace(output), Activation::R3(_)) => output.clone().into(),
            (Splice::Replace(output), Activation::R4(x)) => {
                let [b, p, _, d_head] = x.dims();
                match heads {
                    Heads::One(head) => {
                        let one = output.clone().cast(x.dtype()).reshape([b, p, 1, d_head]);
                        x.slice_assign([0..b, 0..p, head..head + 1, 0..d_head], one)
                    }
                    _ => unflatten_heads(output.clone(), d_head),
                }
                .into()
            }
        })
    }
}

/// Where the network is cut.
enum Cut {
    Between(usize),
    Within(usize),
    Final,
}

/// Heads of a point that has some: queries', or the fewer keys' and values'.
fn n_heads(model: &Llama, point: HookPoint) -> usize {
    let config = model.config();
    match point {
        HookPoint::K(_)
        | HookPoint::V(_)
        | HookPoint::RotK(_)
        | HookPoint::KInput(_)
        | HookPoint::VInput(_) => config.n_kv_heads,
        _ => config.n_heads,
    }
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
