//! The points an SAE reads and writes at, and what it makes of their axis of heads.

use super::SplitError;
use burn::tensor::Tensor;
use llama_hooked::{Activation, HookPoint, Llama, LlamaConfig};
use sae_core::{ReshapeActivations, SaeConfig, flatten_heads, unflatten_heads};

/// Where an SAE sits in a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    read: HookPoint,
    write: HookPoint,
    heads: Heads,
}

/// How the head axis of a hook is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heads {
    /// The hook has none.
    None,
    /// Joined, `[b, p, heads·d_head]`.
    Flat,
    /// Only this one, `[b, p, d_head]`.
    One(usize),
}

impl Place {
    /// Where the configuration's SAE reads and writes.
    ///
    /// # Errors
    /// If the configuration names no hook, one that the model does not have, or one whose shape no SAE can work on.
    pub fn new(model: &LlamaConfig, cfg: &SaeConfig) -> Result<Self, SplitError> {
        let metadata = &cfg.metadata;
        let read = metadata.hook_name.as_deref().ok_or(SplitError::NoHook)?;
        let write = metadata.write_hook().ok_or(SplitError::NoHook)?;
        let (read, write): (HookPoint, HookPoint) = (read.parse()?, write.parse()?);
        let place = Self::at(model, read, write)?;
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
        Ok(Self { heads, ..place })
    }

    /// Two points, without an SAE. Heads are joined where the points have any.
    ///
    /// # Errors
    /// If the model does not have the points, the second comes before the first, or no SAE could work on them.
    pub fn at(model: &LlamaConfig, read: HookPoint, write: HookPoint) -> Result<Self, SplitError> {
        for point in [read, write] {
            point.validate(model.n_layers)?;
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
            read,
            write,
            heads: if read.rank() == 3 {
                Heads::None
            } else {
                Heads::Flat
            },
        })
    }

    /// Where every model can be cut.
    pub(super) fn anywhere() -> Self {
        Self {
            read: HookPoint::Embed,
            write: HookPoint::Embed,
            heads: Heads::None,
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

    /// The one head that the SAE works on, if it works on one.
    pub fn head(&self) -> Option<usize> {
        match self.heads {
            Heads::One(head) => Some(head),
            _ => None,
        }
    }

    /// How wide the activations are that an SAE in this place reads and writes.
    pub fn widths(&self, model: &LlamaConfig) -> (usize, usize) {
        let width = |point| {
            let each = width(model, point);
            match self.heads {
                Heads::Flat => each * n_heads(model, point),
                _ => each,
            }
        };
        (width(self.read), width(self.write))
    }

    /// Whether an SAE of this configuration is as wide as the activations.
    ///
    /// # Errors
    /// [`SplitError::Widths`] if it is not.
    pub fn check(&self, model: &LlamaConfig, cfg: &SaeConfig) -> Result<(), SplitError> {
        let (read_width, write_width) = self.widths(model);
        if (cfg.d_in, cfg.d_out) == (read_width, write_width) {
            return Ok(());
        }
        Err(SplitError::Widths {
            d_in: cfg.d_in,
            d_out: cfg.d_out,
            read: self.read,
            read_width,
            write: self.write,
            write_width,
        })
    }

    /// The activation at either point as the SAE sees it: heads joined, or one of them taken out.
    ///
    /// # Shapes
    /// → `[b, p, d]`.
    pub fn take(&self, x: Activation) -> Tensor<3> {
        match (x, self.heads) {
            (Activation::R3(x), _) => x,
            (Activation::R4(x), Heads::One(head)) => x.narrow(2, head, 1).squeeze_dim(2),
            (Activation::R4(x), _) => flatten_heads(x),
        }
    }

    /// Undoes [`take`](Self::take): puts `output` in place of what the SAE sees of `x`; other heads stay.
    ///
    /// # Shapes
    /// `output`: `[b, p, d]`, cast to the dtype of `x` where only a part of it is replaced.
    pub fn put(&self, x: Activation, output: Tensor<3>) -> Activation {
        match x {
            Activation::R3(_) => output.into(),
            Activation::R4(x) => {
                let [b, p, _, d_head] = x.dims();
                match self.heads {
                    Heads::One(head) => {
                        let one = output.cast(x.dtype()).reshape([b, p, 1, d_head]);
                        x.slice_assign([0..b, 0..p, head..head + 1, 0..d_head], one)
                    }
                    _ => unflatten_heads(output, d_head),
                }
                .into()
            }
        }
    }

    /// Maps directions of the SAE's output into the residual stream; `None` where the write point is not mapped into it linearly.
    ///
    /// # Shapes
    /// `[n, d_out]` → `[n, d_model]`.
    pub fn directions(&self, model: &Llama, directions: Tensor<2>) -> Option<Tensor<2>> {
        let directions = match self.head() {
            None => directions,
            Some(head) => {
                let [n, d_head] = directions.dims();
                let width = n_heads(model.config(), self.write) * d_head;
                let place = head * d_head..(head + 1) * d_head;
                Tensor::zeros([n, width], (&directions.device(), directions.dtype()))
                    .slice_assign([0..n, place], directions)
            }
        };
        model.directions(self.write, directions)
    }

    /// Zeros in place of what the SAE sees of `x`; other heads stay.
    pub(super) fn zero(&self, x: Activation) -> Activation {
        match x {
            Activation::R3(x) => x.zeros_like().into(),
            Activation::R4(x) => match self.heads {
                Heads::One(head) => {
                    let [b, p, _, d_head] = x.dims();
                    let one = Tensor::zeros([b, p, 1, d_head], (&x.device(), x.dtype()));
                    x.slice_assign([0..b, 0..p, head..head + 1, 0..d_head], one)
                        .into()
                }
                _ => x.zeros_like().into(),
            },
        }
    }
}

/// Heads of a point that has some: queries', or the fewer keys' and values'.
fn n_heads(model: &LlamaConfig, point: HookPoint) -> usize {
    match point {
        HookPoint::K(_)
        | HookPoint::V(_)
        | HookPoint::RotK(_)
        | HookPoint::KInput(_)
        | HookPoint::VInput(_) => model.n_kv_heads,
        _ => model.n_heads,
    }
}

/// The length of the last axis of an activation.
fn width(model: &LlamaConfig, point: HookPoint) -> usize {
    match point {
        HookPoint::Ln1Scale(_) | HookPoint::Ln2Scale(_) | HookPoint::LnFinalScale => 1,
        HookPoint::Q(_)
        | HookPoint::K(_)
        | HookPoint::V(_)
        | HookPoint::RotQ(_)
        | HookPoint::RotK(_)
        | HookPoint::Z(_) => model.d_head,
        HookPoint::MlpPre(_) | HookPoint::MlpPreLinear(_) | HookPoint::MlpPost(_) => model.d_mlp,
        HookPoint::UnembedOut => model.vocab_size,
        _ => model.d_model,
    }
}

#[cfg(test)]
mod tests {
    use super::Place;
    use burn::tensor::{Device, FloatDType, Int, Tensor};
    use llama_hooked::{ForwardOptions, HookPoint, Llama, LlamaConfig, PointFilter, Positions};

    #[test]
    fn widths_are_those_of_the_activations() {
        let config = LlamaConfig::from_json(
            r#"{"vocab_size": 10, "hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1, "num_attention_heads": 4,
                "num_key_value_heads": 2, "head_dim": 6}"#,
        )
        .unwrap();
        let model = Llama::random(config.clone(), 0, &Device::flex(), FloatDType::F32);
        let tokens = Tensor::<2, Int>::from_ints([[1, 2, 3]], &Device::flex());
        let all = PointFilter::matching(|_| true);
        let options = ForwardOptions::default();
        let (_, cache) = model
            .run_with_cache(tokens, &options, all, Positions::ALL)
            .unwrap();
        let mut n = 0;
        for (point, x) in cache {
            let Ok(place) = Place::at(&config, point, point) else {
                continue;
            };
            let [_, _, width] = place.take(x).dims();
            assert_eq!(place.widths(&config), (width, width), "{point}");
            n += 1;
        }
        assert_eq!(n, HookPoint::all(1).count() - 3);
    }
}
