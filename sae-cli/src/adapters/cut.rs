//! Where an SAE sits in a model, and what it reads and writes there.

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::Tensor;
use llama_hooked::{Activation, ActivationCache, Edit, HookPoint, Llama};
use sae_core::{ReshapeActivations, SaeConfig, SaeMetadata, flatten_heads, unflatten_heads};
use sae_metrics::Edit as Splice;

/// A Llama cut at the point an SAE writes to.
#[derive(Debug, Clone)]
pub struct SplitLlama<'a> {
    pub(super) model: &'a Llama,
    pub(super) read: HookPoint,
    pub(super) write: HookPoint,
    heads: Heads,
    pub(super) rows_at_once: usize,
}

/// What becomes of the head axis of a hook that has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Heads {
    /// The hook has none.
    None,
    /// Joined, `[b, p, heads·d_head]`.
    Flat,
    /// Only this one, `[b, p, d_head]`.
    One(usize),
}

impl<'a> SplitLlama<'a> {
    /// Cuts the model where the configuration's SAE reads and writes.
    ///
    /// # Errors
    /// If the configuration names no hook, one that the model does not have, or one whose shape no SAE can work on.
    pub fn new(model: &'a Llama, cfg: &SaeConfig) -> Result<Self> {
        let SaeMetadata {
            hook_name,
            hook_head_index,
            ..
        } = &cfg.metadata;
        let missing =
            "cfg.json names no hook (metadata.hook_name); say where the SAE belongs with --hook";
        let read = point(model, hook_name.as_deref().context(missing)?)?;
        let write = point(model, cfg.metadata.write_hook().context(missing)?)?;
        ensure!(
            write >= read,
            "the SAE writes at {write}, before it reads at {read}"
        );
        // Whatever is asked of the point that is read is asked of the one that is written to as well.
        for point in [read, write] {
            let by_position = !matches!(point, HookPoint::AttnScores(_) | HookPoint::Pattern(_));
            ensure!(
                by_position,
                "{point} has one value per pair of positions: no SAE can work on it"
            );
        }
        ensure!(
            read.rank() == write.rank(),
            "the SAE reads at {read} and writes at {write}: one has an axis of heads and the other has none; both must, or neither"
        );
        let heads = match (read.rank(), hook_head_index, cfg.reshape_activations) {
            (3, None, _) => Heads::None,
            (3, Some(head), _) => bail!("hook_head_index is {head}, but {read} has no heads"),
            (_, Some(head), _) => {
                for point in [read, write] {
                    let n = n_heads(model, point);
                    ensure!(
                        *head < n,
                        "hook_head_index is {head}, but {point} has {n} heads"
                    );
                }
                Heads::One(*head)
            }
            (_, None, ReshapeActivations::HookZ) => Heads::Flat,
            (_, None, ReshapeActivations::None) => {
                bail!(
                    "{read} has an axis of heads: the SAE needs reshape_activations \"hook_z\" or a hook_head_index in cfg.json"
                )
            }
        };
        Ok(Self {
            model,
            read,
            write,
            heads,
            rows_at_once: usize::MAX,
        })
    }

    /// Lets at most so many rows of a batch be on their way through a block at once. For a model whose weights are streamed, batches are
    /// best as large as can be, and this is what then bounds the memory of the work within a block.
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

    /// What directions of the SAE's output are in the residual stream; `None` where the write point is not mapped into it linearly.
    ///
    /// # Shapes
    /// `[n, d_out]` → `[n, d_model]`.
    pub fn directions(&self, directions: Tensor<2>) -> Option<Tensor<2>> {
        let directions = match self.heads {
            Heads::None | Heads::Flat => directions,
            Heads::One(head) => {
                let [n, d_head] = directions.dims();
                let width = n_heads(self.model, self.write) * d_head;
                let place = head * d_head..(head + 1) * d_head;
                Tensor::zeros([n, width], (&directions.device(), directions.dtype()))
                    .slice_assign([0..n, place], directions)
            }
        };
        self.model.directions(self.write, directions)
    }

    /// Where the network is cut, for a write point between blocks; the block for one within.
    pub(super) fn cut(&self) -> Cut {
        match self.write {
            HookPoint::Embed => Cut::Between(0),
            HookPoint::ResidPre(layer) => Cut::Between(layer),
            HookPoint::ResidPost(layer) => Cut::Between(layer + 1),
            other => other.layer().map_or(Cut::Final, Cut::Within),
        }
    }

    /// The activation at a point as the SAE sees it.
    pub(super) fn take(&self, cache: &mut ActivationCache, point: HookPoint) -> Tensor<3> {
        let x = cache.remove(point).expect("the hook was run through");
        match (x, self.heads) {
            (Activation::R3(x), _) => x,
            (Activation::R4(x), Heads::One(head)) => x.narrow(2, head, 1).squeeze_dim(2),
            (Activation::R4(x), _) => flatten_heads(x),
        }
    }

    /// A hook that puts the SAE's output, or zeros, in place.
    pub(super) fn replace(
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
pub(super) enum Cut {
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

fn point(model: &Llama, name: &str) -> Result<HookPoint> {
    let point: HookPoint = name.parse()?;
    point.validate(model.config().n_layers)?;
    Ok(point)
}
