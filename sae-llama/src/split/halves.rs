//! The two halves of a cut model: once below the SAE, and above it once per edit.

use super::{Cut, SplitLlama};
use burn::tensor::{Device, Int, Tensor};
use llama_hooked::{ActivationCache, Capture, Hook, HookPoint, NoHooks, Pass};
use sae_traits::{Prefix, Splice, SplitModel};
use std::ops::Range;

/// Where a cut leaves the rest of the network, for some rows of a batch.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    /// After the last block: the input of the final norm.
    Final(Tensor<3>),
}

impl Resume {
    fn n_rows(&self) -> usize {
        match self {
            Self::Between(_, x) | Self::Within { before: x, .. } | Self::Final(x) => x.dims()[0],
        }
    }
}

/// A residual on its way up, and the hook that edits it.
pub(super) struct Run {
    pub(super) resid: Tensor<3>,
    pub(super) layers: Range<usize>,
    pub(super) hook: Box<dyn Hook>,
}

impl SplitModel for SplitLlama {
    /// One for each group of rows that go through a block at once.
    type Resume = Vec<Resume>;

    fn prefix(&self, tokens: Tensor<2, Int>) -> Prefix<Vec<Resume>> {
        let n_layers = self.model.config().n_layers;
        let mut points = vec![self.read(), self.write()];
        let end = match self.cut() {
            Cut::Between(layer) => layer,
            Cut::Within(layer) => {
                points.push(HookPoint::ResidPre(layer));
                layer + 1
            }
            Cut::Final => n_layers,
        };
        let groups = tokens.split(self.rows_at_once.min(isize::MAX as usize), 0);
        let mut captures: Vec<Capture> = groups
            .iter()
            .map(|_| Capture::new(points.clone()))
            .collect();
        let passes = groups
            .into_iter()
            .zip(&mut captures)
            .map(|(tokens, hooks)| Pass {
                resid: self.model.embed(tokens, hooks),
                layers: 0..end,
                hooks,
            })
            .collect();
        let resids = self.model.passes(passes);
        let prefixes = resids
            .into_iter()
            .zip(captures)
            .map(|(resid, capture)| self.cut_off(resid, capture))
            .collect();
        join(prefixes)
    }

    fn suffix(&self, resume: &Vec<Resume>, edits: Vec<Splice>) -> Vec<Tensor<3>> {
        // All edits of all groups of rows go up together, so that each block is brought in once.
        let (mut runs, mut edit_of_run) = (Vec::new(), Vec::new());
        let n_edits = edits.len();
        for (index, edit) in edits.into_iter().enumerate() {
            let more = self.runs(resume, &edit);
            edit_of_run.extend(more.iter().map(|_| index));
            runs.extend(more);
        }
        let mut results = vec![Vec::new(); n_edits];
        for (normed, index) in self.finish(runs).into_iter().zip(edit_of_run) {
            results[index].push(normed);
        }
        results.into_iter().map(cat).collect()
    }

    fn logits(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        self.model.unembed_entries(normed, entries)
    }

    fn vocab_size(&self) -> usize {
        self.model.config().vocab_size
    }

    fn device(&self) -> Device {
        self.model.device()
    }
}

impl SplitLlama {
    /// The SAE's input for a group of rows, and the state to resume from.
    fn cut_off(&self, resid: Tensor<3>, mut capture: Capture) -> Prefix<Resume> {
        let cache = match self.cut() {
            Cut::Between(_) => {
                // A point between two blocks is fired by the block below or above: the value is the residual itself.
                let mut cache = capture.into_cache();
                cache.insert(self.write(), resid.clone().into());
                cache
            }
            Cut::Within(_) => capture.into_cache(),
            Cut::Final => {
                self.model.ln_final(resid.clone(), &mut capture);
                capture.into_cache()
            }
        };
        let resume = match self.cut() {
            Cut::Between(layer) => Resume::Between(layer, resid),
            Cut::Within(layer) => Resume::Within {
                layer,
                before: cache.r3(HookPoint::ResidPre(layer)).clone(),
                after: resid,
            },
            Cut::Final => Resume::Final(resid),
        };
        self.prefix_of(&cache, resume)
    }

    /// The same from a run of the whole network: what it fired at the points of the cut, and what left its last block.
    pub(super) fn left_in(&self, cache: &ActivationCache, last: &Tensor<3>) -> Prefix<Resume> {
        let n_layers = self.model.config().n_layers;
        let resume = match self.cut() {
            Cut::Between(layer) if layer == n_layers => Resume::Between(layer, last.clone()),
            Cut::Between(layer) => {
                Resume::Between(layer, cache.r3(HookPoint::ResidPre(layer)).clone())
            }
            Cut::Within(layer) => Resume::Within {
                layer,
                before: cache.r3(HookPoint::ResidPre(layer)).clone(),
                after: cache.r3(HookPoint::ResidPost(layer)).clone(),
            },
            Cut::Final => Resume::Final(last.clone()),
        };
        self.prefix_of(cache, resume)
    }

    fn prefix_of(&self, cache: &ActivationCache, resume: Resume) -> Prefix<Resume> {
        let target = (self.write() != self.read()).then(|| self.take(cache, self.write()));
        Prefix::new(resume, self.take(cache, self.read())).with_target(target)
    }

    /// Whether an edit leaves all positions alike, so that one is enough.
    pub(super) fn alike(resume: &[Resume], edit: &Splice) -> bool {
        matches!(
            (resume.first(), edit),
            (Some(Resume::Between(..)), Splice::Zero)
        )
    }

    /// The runs above the cut for one edit: one for each group of rows, or one for all where all positions are alike.
    pub(super) fn runs(&self, resume: &[Resume], edit: &Splice) -> Vec<Run> {
        let (mut runs, mut start) = (Vec::new(), 0);
        for group in resume {
            let rows = group.n_rows();
            let edit = match edit {
                Splice::Replace(x) => Splice::Replace(x.clone().narrow(0, start, rows)),
                other => other.clone(),
            };
            start += rows;
            runs.push(self.run(group, edit));
        }
        runs.truncate(if Self::alike(resume, edit) {
            1
        } else {
            runs.len()
        });
        runs
    }

    /// The run above the cut, for one edit of one group of rows.
    fn run(&self, resume: &Resume, edit: Splice) -> Run {
        let n_layers = self.model.config().n_layers;
        let unedited = |resid, layers| Run {
            resid,
            layers,
            hook: Box::new(NoHooks),
        };
        match (resume, edit) {
            (Resume::Between(layer, resid), edit) => {
                let resid = match edit {
                    Splice::Keep => resid.clone(),
                    Splice::Replace(resid) => resid.cast(self.model.dtype()),
                    // Where all positions have the same residual, attention finds the same value everywhere, and they stay the
                    // same to the end: one position is enough for all.
                    Splice::Zero => resid.clone().slice([0..1, 0..1]).zeros_like(),
                };
                unedited(resid, *layer..n_layers)
            }
            (Resume::Within { layer, after, .. }, Splice::Keep) => {
                unedited(after.clone(), layer + 1..n_layers)
            }
            (Resume::Within { layer, before, .. }, edit) => Run {
                resid: before.clone(),
                layers: *layer..n_layers,
                hook: Box::new(self.replace(edit)),
            },
            (Resume::Final(resid), edit) => Run {
                resid: resid.clone(),
                layers: n_layers..n_layers,
                hook: Box::new(self.replace(edit)),
            },
        }
    }

    /// The runs through their blocks, and the final norm.
    pub(super) fn finish(&self, runs: Vec<Run>) -> Vec<Tensor<3>> {
        let (mut passes, mut hooks) = (Vec::new(), Vec::new());
        for Run {
            resid,
            layers,
            hook,
        } in runs
        {
            passes.push((resid, layers));
            hooks.push(hook);
        }
        let passes = passes
            .into_iter()
            .zip(&mut hooks)
            .map(|((resid, layers), hooks)| Pass {
                resid,
                layers,
                hooks,
            })
            .collect();
        let resids = self.model.passes(passes);
        resids
            .into_iter()
            .zip(&mut hooks)
            .map(|(resid, hook)| self.model.ln_final(resid, hook))
            .collect()
    }
}

/// The prefixes of groups of rows as one of all rows.
fn join(prefixes: Vec<Prefix<Resume>>) -> Prefix<Vec<Resume>> {
    let (mut resume, mut input, mut target) = (Vec::new(), Vec::new(), Vec::new());
    for prefix in prefixes {
        resume.push(prefix.resume);
        input.push(prefix.input);
        target.extend(prefix.target);
    }
    let target = (!target.is_empty()).then(|| cat(target));
    Prefix::new(resume, cat(input)).with_target(target)
}

/// Rows one after the other; a single group is not copied.
pub(super) fn cat(mut groups: Vec<Tensor<3>>) -> Tensor<3> {
    match groups.len() {
        1 => groups.remove(0),
        _ => Tensor::cat(groups, 0),
    }
}
