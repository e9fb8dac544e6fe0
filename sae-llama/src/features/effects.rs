//! The effect of each feature on the loss of the next token.

use crate::{Resume, SplitLlama};
use burn::tensor::{Int, Tensor};
use llama_hooked::NoHooks;
use sae_core::{Active, DecodeState, Sae};
use sae_traits::{Prefix, Splice, SplitModel};

/// Altered residuals that go through the unembedding at a time; between two pieces the caller may stop the work.
const ROWS_AT_ONCE: usize = 512;
/// Tokens that go through the layers above the SAE at a time, for the same reason.
const TOKENS_AT_ONCE: usize = 1024;

/// A text that has been run.
pub(super) struct Effects<'a> {
    pub(super) split: &'a SplitLlama,
    pub(super) sae: &'a Sae,
    pub(super) ids: &'a [u32],
    /// Of the SAE's encoding of the text.
    pub(super) state: &'a DecodeState,
}

impl Effects<'_> {
    /// The change in the loss of the next token when a feature's own write is taken away from the final residual, for each feature. None for
    /// features of the last token, for results that are no number, and where the SAE does not write into the residual stream linearly.
    /// Nothing when `stop` says so.
    ///
    /// # Shapes
    /// `resid`: `[1, p, d_model]`, the input of the final norm.
    pub(super) fn direct(
        &self,
        resid: &Tensor<3>,
        active: &[Active],
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<Option<f32>>> {
        let [_, p, d] = resid.dims();
        let mut effects = vec![None; active.len()];
        if p == 1 {
            return Some(effects);
        }
        let resid = resid.clone().reshape([p, d]);
        let rows: Vec<usize> = (0..p - 1).collect();
        let plain = self.losses(resid.clone().narrow(0, 0, p - 1), &rows);
        // The last token has none after it, and its features come last.
        let measured = active.partition_point(|a| a.row + 1 < p);
        for (active, effects) in active[..measured]
            .chunks(ROWS_AT_ONCE)
            .zip(effects.chunks_mut(ROWS_AT_ONCE))
        {
            if stop() {
                return None;
            }
            let written = self.sae.contributions(active, self.state);
            let Some(written) = self.split.directions(written) else {
                break;
            };
            let rows: Vec<usize> = active.iter().map(|a| a.row).collect();
            let without = resid
                .clone()
                .select(0, indices(rows.iter().copied(), &resid));
            let without = without.clone() - written.cast(without.dtype());
            let losses = self.losses(without, &rows);
            for ((effect, loss), row) in effects.iter_mut().zip(losses).zip(rows) {
                *effect = gained(loss, plain[row]);
            }
        }
        Some(effects)
    }

    /// The change in the loss of the next token when each of the features of a token is removed from the activation and the layers above run
    /// again. The part of the activation that the SAE does not reconstruct stays in it. As for [`direct`](Self::direct) otherwise.
    pub(super) fn exact(
        &self,
        prefix: &Prefix<Vec<Resume>>,
        place: usize,
        active: &[Active],
        stop: &dyn Fn() -> bool,
    ) -> Option<Vec<Option<f32>>> {
        let p = self.ids.len();
        let mut effects = vec![None; active.len()];
        if place + 1 >= p || active.is_empty() {
            return Some(effects);
        }
        let loss = |normed: Tensor<3>| {
            let [_, _, d] = normed.dims();
            let row = normed.narrow(1, place, 1).reshape([1, d]);
            self.losses_of_normed(&row, &[place])[0]
        };
        let suffix = |edits| self.split.suffix(&prefix.resume, edits);
        let plain = loss(suffix(vec![Splice::Keep]).remove(0));
        let target = prefix.target();
        let [_, _, d] = target.dims();
        let at_once = (TOKENS_AT_ONCE / p).max(1);
        for (active, effects) in active.chunks(at_once).zip(effects.chunks_mut(at_once)) {
            if stop() {
                return None;
            }
            let written = self.sae.contributions(active, self.state);
            let without = (0..active.len()).map(|i| {
                let written = written.clone().narrow(0, i, 1).reshape([1, 1, d]);
                let at = target.clone().narrow(1, place, 1);
                let at = at.clone() - written.cast(at.dtype());
                let edited = target
                    .clone()
                    .slice_assign([0..1, place..place + 1, 0..d], at);
                Splice::Replace(edited)
            });
            for (effect, normed) in effects.iter_mut().zip(suffix(without.collect())) {
                *effect = gained(loss(normed), plain);
            }
        }
        Some(effects)
    }

    /// The losses of the tokens after these positions, of rows that enter the final norm.
    fn losses(&self, resid: Tensor<2>, positions: &[usize]) -> Vec<f32> {
        let [n, d] = resid.dims();
        let normed = self
            .split
            .model()
            .ln_final(resid.reshape([1, n, d]), &mut NoHooks);
        self.losses_of_normed(&normed.reshape([n, d]), positions)
    }

    fn losses_of_normed(&self, normed: &Tensor<2>, positions: &[usize]) -> Vec<f32> {
        let next = positions
            .iter()
            .map(|&position| self.ids[position + 1] as usize);
        let losses = self.split.model().losses(normed, indices(next, normed));
        losses.into_data().iter::<f32>().collect()
    }
}

/// A difference of losses; none where one is not a number.
fn gained(without: f32, plain: f32) -> Option<f32> {
    let gained = without - plain;
    gained.is_finite().then_some(gained)
}

fn indices(of: impl Iterator<Item = usize>, beside: &Tensor<2>) -> Tensor<1, Int> {
    let numbers: Vec<i32> = of.map(|i| i as i32).collect();
    Tensor::from_ints(numbers.as_slice(), &beside.device())
}
