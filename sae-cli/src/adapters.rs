//! A Llama and an SAE as the protocols of `sae_metrics` want them.
//!
//! [`SplitLlama`] cuts a model at an SAE's hook, so that what lies below runs once; [`Spliced`] puts an SAE's output in its place.

use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{Device, Int, Tensor};
use llama_hooked::{Activation, ActivationCache, Capture, Edit, HookPoint, Llama, NoHooks};
use sae_core::{ReshapeActivations, Sae, SaeConfig, SaeMetadata, flatten_heads, unflatten_heads};
use sae_metrics::{Autoencoder, Features, Prefix, Reconstruction, SparseRows, SplitModel};

/// A Llama cut at the point an SAE writes to.
#[derive(Debug, Clone)]
pub struct SplitLlama<'a> {
    model: &'a Llama,
    read: HookPoint,
    write: HookPoint,
    heads: Heads,
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

/// Where a cut leaves the rest of the network.
#[derive(Debug, Clone)]
pub enum Resume {
    /// Between blocks: the residual entering this block.
    Between(usize, Tensor<3>),
    /// Within a block: the residual entering it and the one leaving it.
    Within {
        /// The block.
        layer: usize,
        /// `[b, p, d_model]`, entering.
        before: Tensor<3>,
        /// `[b, p, d_model]`, leaving, with nothing edited.
        after: Tensor<3>,
    },
    /// After the last block: what enters the final norm.
    Final(Tensor<3>),
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
        })
    }

    /// The point the SAE reads at.
    pub fn read(&self) -> HookPoint {
        self.read
    }

    /// The point its output goes to.
    pub fn write(&self) -> HookPoint {
        self.write
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

    /// An edit that puts the SAE's output in place.
    fn replace(&self, output: Tensor<3>) -> Edit<impl FnMut(HookPoint, Activation) -> Activation> {
        let heads = self.heads;
        Edit::new(self.write, move |_, x| match x {
            Activation::R3(_) => output.clone().into(),
            Activation::R4(x) => {
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

fn point(model: &Llama, name: &str) -> Result<HookPoint> {
    let point: HookPoint = name.parse()?;
    point.validate(model.config().n_layers)?;
    Ok(point)
}

impl SplitModel for SplitLlama<'_> {
    type Resume = Resume;

    fn prefix(&self, tokens: Tensor<2, Int>) -> Prefix<Resume> {
        let n_layers = self.model.config().n_layers;
        let mut points = vec![self.read];
        points.extend((self.write != self.read).then_some(self.write));
        let mut capture = Capture::new(points);
        let hooks = &mut capture;
        let embedded = self.model.embed(tokens, hooks);
        let resume = match self.cut() {
            Cut::Between(layer) => {
                // A point between two blocks is fired by the block below or above: the value is the residual itself.
                let resid = self.model.blocks(embedded, 0..layer, hooks);
                let mut cache = capture.into_cache();
                cache.insert(self.write, resid.clone().into());
                return self.split(cache, Resume::Between(layer, resid));
            }
            Cut::Within(layer) => {
                let before = self.model.blocks(embedded, 0..layer, hooks);
                let after = self.model.blocks(before.clone(), layer..layer + 1, hooks);
                Resume::Within {
                    layer,
                    before,
                    after,
                }
            }
            Cut::Final => {
                let resid = self.model.blocks(embedded, 0..n_layers, hooks);
                self.model.ln_final(resid.clone(), hooks);
                Resume::Final(resid)
            }
        };
        self.split(capture.into_cache(), resume)
    }

    fn suffix(&self, resume: &Resume, edit: Option<Tensor<3>>) -> Tensor<3> {
        let (model, n_layers) = (self.model, self.model.config().n_layers);
        let dtype = model.dtype();
        let resid = match (resume, edit) {
            (Resume::Between(layer, resid), edit) => {
                let resid = edit.unwrap_or_else(|| resid.clone()).cast(dtype);
                model.blocks(resid, *layer..n_layers, &mut NoHooks)
            }
            (Resume::Within { layer, after, .. }, None) => {
                model.blocks(after.clone(), layer + 1..n_layers, &mut NoHooks)
            }
            (Resume::Within { layer, before, .. }, Some(edit)) => {
                model.blocks(before.clone(), *layer..n_layers, &mut self.replace(edit))
            }
            (Resume::Final(resid), None) => resid.clone(),
            (Resume::Final(resid), Some(edit)) => {
                return model.ln_final(resid.clone(), &mut self.replace(edit));
            }
        };
        model.ln_final(resid, &mut NoHooks)
    }

    fn logits(&self, normed: Tensor<2>) -> Tensor<2> {
        self.model.unembed(normed)
    }

    fn vocab_size(&self) -> usize {
        self.model.config().vocab_size
    }

    fn device(&self) -> Device {
        self.model.device()
    }
}

impl SplitLlama<'_> {
    fn split(&self, mut cache: ActivationCache, resume: Resume) -> Prefix<Resume> {
        let target = (self.write != self.read).then(|| self.take(&mut cache, self.write));
        Prefix {
            resume,
            input: self.take(&mut cache, self.read),
            target,
        }
    }
}

/// Which reconstruction stands in for the activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// `decode(encode(x))`, as SAELens evaluates: without a skip connection or temporal prediction.
    DecodeEncode,
    /// The full forward pass, as the notebook splices it in.
    Forward,
}

/// An SAE, by one of its two reconstructions.
#[derive(Debug, Clone, Copy)]
pub struct Spliced<'a> {
    sae: &'a Sae,
    path: Path,
}

impl<'a> Spliced<'a> {
    /// Chooses the reconstruction.
    pub fn new(sae: &'a Sae, path: Path) -> Self {
        Self { sae, path }
    }
}

impl Autoencoder for Spliced<'_> {
    fn d_in(&self) -> usize {
        self.sae.cfg().d_in
    }

    fn d_sae(&self) -> usize {
        self.sae.cfg().d_sae
    }

    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction {
        let encoded = self.sae.encode(x);
        let decoded = match self.path {
            Path::DecodeEncode => self.sae.decode(&encoded),
            Path::Forward => self.sae.forward_encoded(&encoded),
        };
        let features = if on_host(&self.sae.device()) {
            let sparse = encoded.to_sparse();
            Features::Sparse(SparseRows {
                indptr: sparse.indptr,
                indices: sparse.indices,
                values: sparse.values,
            })
        } else {
            Features::Dense(encoded.features)
        };
        Reconstruction { features, decoded }
    }
}

/// Whether features are at hand without a transfer.
fn on_host(device: &Device) -> bool {
    #[cfg(feature = "cpu")]
    {
        *device == Device::flex()
    }
    #[cfg(not(feature = "cpu"))]
    {
        let _ = device;
        false
    }
}
