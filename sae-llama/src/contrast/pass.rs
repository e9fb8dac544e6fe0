//! Prompts through the model, once, and every SAE at its hook.

use super::batches::Group;
use super::reduce::Reducer;
use super::{ContrastError, PromptTokens, Reduce};
use crate::hooks::TrainHooks;
use burn::tensor::{DType, Int, Tensor, TensorData};
use llama_hooked::{Activation, Hook, HookPoint, Llama, Pass};
use sae_contrast::Active;
use sae_core::{Architecture, ReshapeActivations, Sae};
use sae_progress::{Observer, Stopped};
use sae_traits::SparseRows;
use std::cell::RefCell;
use std::ops::Range;

/// A model, SAEs, and where each of them reads.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Contrasting<'a> {
    model: &'a Llama,
    hooks: &'a TrainHooks,
    saes: &'a [Sae],
    /// Tokens that go through a block at once; a prompt that is longer goes alone.
    pub tokens_at_once: usize,
    /// How many times as many are in the model together, where each block is brought in from its file.
    pub groups_at_once: usize,
    /// Whether to keep the features of all tokens for [`examples`](Self::examples), which then runs nothing again.
    pub keep_rows: bool,
    /// Whether to take the mean of the activation over the tokens that count, for [`pooled`](Self::pooled).
    pub(super) keep_means: bool,
}

/// The features of prompts.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Reduced {
    /// One value a feature: `[sae][prompt]`, the features that are not zero.
    pub values: Vec<Vec<Vec<Active>>>,
    /// The features of each token that counts, where they were kept: `[sae][prompt]`.
    pub(super) rows: Vec<Vec<SparseRows>>,
}

/// How far the prompts have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptProgress {
    /// Prompts done.
    pub prompts: u64,
    /// Of this many.
    pub of: u64,
}

/// A prompt's tokens that count, as rows of features.
pub(super) struct Rows<'a> {
    pub(super) sae: usize,
    pub(super) prompt: usize,
    pub(super) features: &'a SparseRows,
    pub(super) range: Range<usize>,
    /// Where in the prompt each row is.
    pub(super) positions: &'a [u32],
    /// The mean of the activation over them, where it was asked for.
    pub(super) mean: &'a [f32],
}

impl<'a> Contrasting<'a> {
    /// An SAE for each hook. The model may be loaded as far as [`TrainHooks::layers`].
    ///
    /// # Errors
    /// If an SAE does not fit its hook.
    pub fn new(
        model: &'a Llama,
        hooks: &'a TrainHooks,
        saes: &'a [Sae],
    ) -> Result<Self, ContrastError> {
        if saes.len() != hooks.reads.len() {
            return Err(ContrastError::Number {
                saes: saes.len(),
                hooks: hooks.reads.len(),
            });
        }
        for ((sae, read), &width) in saes.iter().zip(&hooks.reads).zip(&hooks.widths) {
            let (d_in, point) = (sae.cfg().d_in, read.point);
            if point.rank() == 4
                && read.head.is_none()
                && sae.cfg().reshape_activations != ReshapeActivations::HookZ
            {
                return Err(ContrastError::HeadAxis(point));
            }
            if d_in != width {
                return Err(ContrastError::Width { d_in, point, width });
            }
        }
        Ok(Self {
            model,
            hooks,
            saes,
            tokens_at_once: 4096,
            groups_at_once: 1,
            keep_rows: false,
            keep_means: false,
        })
    }

    /// The features of each prompt for each SAE, reduced to one value a feature.
    ///
    /// # Errors
    /// If the observer stops the work.
    pub fn reduce(
        &self,
        prompts: &[PromptTokens],
        how: Reduce,
        observer: &mut impl Observer<PromptProgress>,
    ) -> Result<Reduced, ContrastError> {
        let all: Vec<_> = prompts.iter().enumerate().collect();
        let mut reducers: Vec<_> = self
            .saes
            .iter()
            .map(|sae| Reducer::new(sae.cfg().d_sae))
            .collect();
        let mut reduced = Reduced {
            values: vec![vec![Vec::new(); prompts.len()]; self.saes.len()],
            rows: Vec::new(),
        };
        if self.keep_rows {
            reduced.rows = vec![vec![SparseRows::default(); prompts.len()]; self.saes.len()];
        }
        let mut sink = |rows: Rows<'_>| {
            let (sae, prompt) = (rows.sae, rows.prompt);
            if self.keep_rows {
                let each = rows.range.clone().map(|row| {
                    let entries = rows.features.entries(row);
                    entries.map(|(feature, value)| (feature as u32, value))
                });
                reduced.rows[sae][prompt] = SparseRows::from_rows(each, rows.features.d_sae);
            }
            reduced.values[sae][prompt] =
                reducers[sae].reduce(how, rows.features, rows.range, rows.positions);
        };
        self.run(&all, &mut sink, observer)?;
        Ok(reduced)
    }

    /// How many features an SAE has.
    pub(super) fn d_sae(&self, sae: usize) -> usize {
        self.saes[sae].cfg().d_sae
    }

    /// Runs the model on prompts and hands on what each SAE finds in each.
    pub(super) fn run(
        &self,
        prompts: &[(usize, &PromptTokens)],
        sink: &mut dyn FnMut(Rows<'_>),
        observer: &mut impl Observer<PromptProgress>,
    ) -> Result<(), ContrastError> {
        let sink = RefCell::new(sink);
        let groups = Group::all(prompts, self.tokens_at_once);
        let of = prompts.len() as u64;
        let mut done = 0;
        for groups in groups.chunks(self.groups_at_once.max(1)) {
            self.forward(groups, &sink);
            done += groups.iter().map(|g| g.prompts.len() as u64).sum::<u64>();
            Stopped::check(observer.observe(&PromptProgress { prompts: done, of }))?;
        }
        Ok(())
    }

    fn forward(&self, groups: &[Group<'_>], sink: &RefCell<&mut dyn FnMut(Rows<'_>)>) {
        let layers = self.hooks.layers();
        let mut watches: Vec<_> = groups.iter().map(|g| Watch::new(self, g, sink)).collect();
        let passes = groups
            .iter()
            .zip(&mut watches)
            .map(|(group, hooks)| Pass {
                resid: self.model.embed(group.tensor(&self.model.device()), hooks),
                layers: 0..layers,
                hooks,
            })
            .collect();
        let resids = self.model.passes(passes);
        for (resid, watch) in resids.into_iter().zip(&mut watches) {
            // What enters a block that is not there is what left the one below.
            let top = HookPoint::ResidPre(layers);
            if watch.wants(top) {
                watch.at(top, resid.clone().into());
            }
            if self.hooks.whole() {
                self.model.ln_final(resid, watch);
            }
        }
    }
}

/// Encodes what comes by: of a token at all hooks, only the features are kept.
struct Watch<'a, 'b> {
    job: &'a Contrasting<'a>,
    group: &'a Group<'a>,
    /// Rows of the activations that count, and where each is in its prompt.
    kept: Vec<i32>,
    positions: Vec<u32>,
    sink: &'a RefCell<&'b mut dyn FnMut(Rows<'_>)>,
}

impl<'a, 'b> Watch<'a, 'b> {
    fn new(
        job: &'a Contrasting<'a>,
        group: &'a Group<'a>,
        sink: &'a RefCell<&'b mut dyn FnMut(Rows<'_>)>,
    ) -> Self {
        let kept = group.kept();
        let positions = kept.iter().map(|&row| (row as usize % group.length) as u32);
        Self {
            positions: positions.collect(),
            job,
            group,
            kept,
            sink,
        }
    }

    fn encode(&self, at: usize, x: Tensor<3>) {
        let sae = &self.job.saes[at];
        let [b, p, d] = x.dims();
        // Only a temporal SAE looks at other tokens of the prompt.
        let whole = matches!(sae.cfg().architecture, Architecture::Temporal(_));
        let all = self.kept.len() == b * p;
        let counted = (!all && (!whole || self.job.keep_means)).then(|| {
            let rows = TensorData::new(self.kept.clone(), [self.kept.len()]);
            let rows = Tensor::<1, Int>::from_data(rows, (&x.device(), DType::I32));
            x.clone().reshape([b * p, d]).select(0, rows)
        });
        let means = if self.job.keep_means {
            self.means(
                counted
                    .clone()
                    .unwrap_or_else(|| x.clone().reshape([b * p, d])),
            )
        } else {
            Vec::new()
        };
        let features = match counted {
            Some(counted) if !whole => sae.encode_sparse(counted.unsqueeze()).features,
            _ => sae.encode_sparse(x).features,
        };
        let picked = if whole && self.kept.len() != b * p {
            let rows = self.kept.iter().map(|&row| {
                let (indices, values) = features.row(row as usize);
                indices.iter().copied().zip(values.iter().copied())
            });
            SparseRows::from_rows(rows, features.d_sae)
        } else {
            features
        };
        let mut start = 0;
        for (row, (prompt, tokens)) in self.group.prompts.iter().enumerate() {
            let n = tokens.kept.iter().filter(|kept| **kept).count();
            (self.sink.borrow_mut())(Rows {
                sae: at,
                prompt: *prompt,
                features: &picked,
                range: start..start + n,
                positions: &self.positions[start..start + n],
                mean: means.get(row * d..(row + 1) * d).unwrap_or_default(),
            });
            start += n;
        }
    }
}

impl Watch<'_, '_> {
    /// Of each prompt the mean of its rows, `[prompts · d]`; `x`: `[rows that count, d]`.
    fn means(&self, x: Tensor<2>) -> Vec<f32> {
        let n = self.kept.len();
        let mut shares = vec![0.0_f32; self.group.prompts.len() * n];
        let mut start = 0;
        for ((_, tokens), shares) in self.group.prompts.iter().zip(shares.chunks_exact_mut(n)) {
            let counted = tokens.kept.iter().filter(|kept| **kept).count();
            shares[start..start + counted].fill(1.0 / counted as f32);
            start += counted;
        }
        let shape = [self.group.prompts.len(), n];
        let shares =
            Tensor::<2>::from_data(TensorData::new(shares, shape), (&x.device(), DType::F32));
        let data = fused_ops::matmul(shares, x.cast(DType::F32)).into_data();
        data.try_into_vec().expect("was f32")
    }
}

impl Hook for Watch<'_, '_> {
    fn wants(&self, point: HookPoint) -> bool {
        self.job.hooks.reads.iter().any(|read| read.point == point)
    }

    fn at(&mut self, point: HookPoint, x: Activation) -> Activation {
        for (at, read) in self.job.hooks.reads.iter().enumerate() {
            if read.point == point {
                self.encode(at, read.taken(x.clone()));
            }
        }
        x
    }
}
