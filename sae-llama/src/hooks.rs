//! Hooks that several SAEs read at in one pass of the model.

use burn::tensor::Tensor;
use llama_hooked::{Activation, HookPoint, LlamaConfig, UnknownHook};
#[cfg(feature = "train")]
use llama_hooked::{ActivationCache, Capture, Llama};

/// A hook, and which of its heads is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HookRead {
    /// The hook.
    pub point: HookPoint,
    /// The one head that is taken; all of them, joined, where there are some and none is given.
    pub head: Option<usize>,
}

impl HookRead {
    /// All of a hook.
    pub fn new(point: HookPoint) -> Self {
        Self { point, head: None }
    }

    /// One head of it.
    #[must_use]
    pub fn with_head(self, head: Option<usize>) -> Self {
        Self { head, ..self }
    }

    /// What is read of an activation, `[b, p, width]`.
    pub(crate) fn taken(self, x: Activation) -> Tensor<3> {
        match (x, self.head) {
            (Activation::R3(x), _) => x,
            (Activation::R4(x), Some(head)) => x.narrow(2, head, 1).squeeze_dim(2),
            (Activation::R4(x), None) => x.flatten(2, 3),
        }
    }
}

/// Hooks that no SAE can be trained at.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HooksError {
    /// There is no hook of that name.
    #[error(transparent)]
    Unknown(#[from] UnknownHook),
    /// The model has fewer layers.
    #[error(transparent)]
    Layer(#[from] llama_hooked::LayerOutOfRange),
    /// It grows with the square of a row, or is as wide as the vocabulary.
    #[error("{0}: no SAE can be trained on it")]
    Shape(HookPoint),
    /// A head of a hook without heads, or one too many.
    #[error("hook_head_index {head}: {point} has {n_heads} heads")]
    Head {
        /// The head.
        head: usize,
        /// The hook.
        point: HookPoint,
        /// How many there are.
        n_heads: usize,
    },
}

/// Hooks to read in one pass, and how much of the model it takes.
#[derive(Debug, Clone)]
pub struct TrainHooks {
    pub(crate) reads: Vec<HookRead>,
    pub(crate) widths: Vec<usize>,
    /// How many heads each hook has, of those that have heads.
    #[cfg(feature = "train")]
    pub(crate) heads: Vec<Option<usize>>,
    layers: usize,
    whole: bool,
}

impl TrainHooks {
    /// Makes sure that the model has the hooks and that an SAE can be trained on each.
    ///
    /// # Errors
    /// If it has not, or none can.
    pub fn new(config: &LlamaConfig, reads: &[HookRead]) -> Result<Self, HooksError> {
        let mut widths = Vec::new();
        #[cfg(feature = "train")]
        let mut all_heads = Vec::new();
        let (mut layers, mut whole) = (0, false);
        for &HookRead { point, head } in reads {
            point.validate(config.n_layers)?;
            if matches!(
                point,
                HookPoint::AttnScores(_) | HookPoint::Pattern(_) | HookPoint::UnembedOut
            ) {
                return Err(HooksError::Shape(point));
            }
            let width = config.values_at(point, 1) as usize;
            let heads = (point.rank() == 4).then(|| heads_of(config, point));
            #[cfg(feature = "train")]
            all_heads.push(heads);
            widths.push(match head {
                None => width,
                Some(head) => {
                    let n_heads = heads.unwrap_or(0);
                    if head >= n_heads {
                        return Err(HooksError::Head {
                            head,
                            point,
                            n_heads,
                        });
                    }
                    width / n_heads
                }
            });
            match point {
                HookPoint::Embed => {}
                HookPoint::ResidPre(layer) => layers = layers.max(layer),
                other => match other.layer() {
                    Some(layer) => layers = layers.max(layer + 1),
                    None => whole = true,
                },
            }
        }
        if whole {
            layers = config.n_layers;
        }
        Ok(Self {
            reads: reads.to_vec(),
            widths,
            #[cfg(feature = "train")]
            heads: all_heads,
            layers,
            whole,
        })
    }

    /// Width of the activations at each hook.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// Blocks that must run.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Whether the final norm has to run as well.
    #[cfg(feature = "contrast")]
    pub(crate) fn whole(&self) -> bool {
        self.whole
    }

    /// Runs the model as far as need be and appends the rows of all positions that are kept: the activations of a token at all hooks, one
    /// hook after the other. `keep` says which of the `b·p` positions.
    #[cfg(feature = "train")]
    pub(crate) fn read(
        &self,
        model: &Llama,
        tokens: Tensor<2, burn::tensor::Int>,
        keep: &[bool],
        rows: &mut Vec<f32>,
    ) {
        let points = self.reads.iter().map(|read| read.point);
        let mut capture = Capture::new(points.collect::<Vec<_>>());
        let resid = model.embed(tokens, &mut capture);
        let resid = model.blocks(resid, 0..self.layers, &mut capture);
        if self.whole {
            model.ln_final(resid.clone(), &mut capture);
        }
        let mut cache = capture.into_cache();
        let parts: Vec<Vec<f32>> = self
            .reads
            .iter()
            .map(|read| self.part(*read, &mut cache, &resid))
            .collect();
        rows.reserve(keep.len() * self.widths.iter().sum::<usize>());
        for (at, _) in keep.iter().enumerate().filter(|(_, keep)| **keep) {
            for (part, &width) in parts.iter().zip(&self.widths) {
                rows.extend_from_slice(&part[at * width..][..width]);
            }
        }
    }

    #[cfg(feature = "train")]
    fn part(&self, read: HookRead, cache: &mut ActivationCache, resid: &Tensor<3>) -> Vec<f32> {
        // What enters a block that is not there is what left the one below.
        let x = match read.point {
            HookPoint::ResidPre(layer) if layer == self.layers => resid.clone().into(),
            point => cache
                .get(point)
                .cloned()
                .expect("the blocks that fire it were run"),
        };
        let data = read.taken(x).cast(burn::tensor::DType::F32).into_data();
        data.try_into_vec().expect("was cast to f32")
    }
}

fn heads_of(config: &LlamaConfig, point: HookPoint) -> usize {
    match point {
        HookPoint::K(_)
        | HookPoint::V(_)
        | HookPoint::RotK(_)
        | HookPoint::KInput(_)
        | HookPoint::VInput(_) => config.n_kv_heads,
        _ => config.n_heads,
    }
}
