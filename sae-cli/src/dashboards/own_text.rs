//! One's own text: which features fire on it, and what each of them does for the next token.

use crate::adapters::SplitLlama;
use anyhow::{Result, bail, ensure};
use burn::tensor::{Int, Tensor, TensorData};
use dataset_stream::Tokenizer;
use llama_hooked::{Llama, NoHooks};
use sae_core::{Sae, SparseFeatures};
use sae_dashboard::{ActivationLog, Summary, shares_below};
use sae_metrics::SplitModel;
use sae_serve::{PromptFeature, PromptResponse, PromptToken};

/// Features that are listed of a token.
const STRONGEST: usize = 20;
/// Altered residuals that go through the unembedding at a time; in between somebody may have stopped waiting.
const AT_ONCE: usize = 512;
/// Tokens of a text at most, whatever the model could read: a page that lists features of more helps nobody.
const MOST_TOKENS: usize = 2048;

/// A model with an SAE in place, and what is known of its features.
pub(crate) struct OwnText<'a> {
    pub(crate) model: &'a Llama,
    pub(crate) split: &'a SplitLlama<'a>,
    pub(crate) sae: &'a Sae,
    pub(crate) tokenizer: &'a Tokenizer,
    pub(crate) prepend_bos: bool,
    pub(crate) log: &'a ActivationLog,
    pub(crate) summary: &'a Summary,
}

impl OwnText<'_> {
    /// Of each token the strongest features; with `effects`, what the loss of the next token gains when a feature's own write to the final
    /// residual is taken away and nothing else (its direct effect). Gives up, with nothing, when `stop` says so.
    pub(crate) fn features(
        &self,
        text: &str,
        effects: bool,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<PromptResponse>> {
        let ids = self.ids(text)?;
        let numbers: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
        let tokens = TensorData::new(numbers, [1, ids.len()]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &self.model.device());
        let input = self.split.prefix(tokens.clone()).input;
        let features = self.sae.encode_sparse(input).features;
        if stop() {
            return Ok(None);
        }
        let strongest: Vec<Vec<(u32, f32)>> = (0..ids.len())
            .map(|position| strongest(&features, position))
            .collect();
        let all: Vec<(u32, f32)> = strongest.concat();
        let quantiles = shares_below(self.log, self.summary, &all);
        let layers = 0..self.model.config().n_layers;
        let resid = self
            .model
            .blocks(self.model.embed(tokens, &mut NoHooks), layers, &mut NoHooks);
        let answer = self.next_token(&resid);
        let mut measured = vec![None; all.len()];
        if effects && !self.direct_effects(&resid, &ids, &strongest, &mut measured, stop) {
            return Ok(None);
        }
        let mut rest = all.iter().zip(quantiles).zip(measured);
        let features = strongest.iter().map(|of_token| {
            let of_token = rest.by_ref().take(of_token.len());
            let feature = |((&(index, value), quantile), effect)| PromptFeature {
                index,
                value,
                quantile: quantile as f32,
                effect,
            };
            of_token.map(feature).collect()
        });
        let features = features.collect();
        let token = |&id: &u32| PromptToken {
            id,
            text: self.tokenizer.token_text(id),
        };
        Ok(Some(PromptResponse {
            tokens: ids.iter().map(token).collect(),
            features,
            answer: Some(answer),
        }))
    }

    fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        if self.prepend_bos {
            ids.extend(self.tokenizer.bos());
        }
        self.tokenizer.encode_into(text, &mut ids)?;
        let most = self.model.config().max_position_embeddings.min(MOST_TOKENS);
        if ids.len() > most {
            bail!(
                "the text has {} tokens, and {most} are what can be run here; shorten it",
                ids.len()
            );
        }
        ensure!(!ids.is_empty(), "the text has no tokens");
        let vocab_size = self.model.config().vocab_size;
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            bail!(
                "token {id} is not in the model's vocabulary of {vocab_size}: the tokenizer is another model's"
            );
        }
        Ok(ids)
    }

    /// The likeliest token after the text.
    fn next_token(&self, resid: &Tensor<3>) -> String {
        let [_, p, d] = resid.dims();
        let last = resid.clone().narrow(1, p - 1, 1);
        let normed = self.model.ln_final(last, &mut NoHooks).reshape([1, d]);
        let logits = self.model.unembed(normed).into_data();
        let best = logits
            .iter::<f32>()
            .enumerate()
            .filter(|(_, x)| !x.is_nan());
        let best = best.max_by(|a, b| a.1.total_cmp(&b.1));
        best.map_or_else(String::new, |(id, _)| self.tokenizer.token_text(id as u32))
    }

    /// Fills in what removing each feature from the final residual adds to the loss of the next token; whether it came to an end.
    fn direct_effects(
        &self,
        resid: &Tensor<3>,
        ids: &[u32],
        strongest: &[Vec<(u32, f32)>],
        effects: &mut [Option<f32>],
        stop: &dyn Fn() -> bool,
    ) -> bool {
        let [_, p, d] = resid.dims();
        let resid = resid.clone().reshape([p, d]);
        // The last token has none after it.
        let of_token = |(position, features): (usize, &Vec<(u32, f32)>)| {
            features
                .iter()
                .map(|&(feature, value)| (position, feature, value))
                .collect::<Vec<_>>()
        };
        let with_next = strongest.iter().enumerate().take(p - 1);
        let removed: Vec<(usize, u32, f32)> = with_next.flat_map(of_token).collect();
        let plain: Vec<usize> = (0..p - 1).collect();
        let base = self.losses(&resid, ids, &plain, None);
        for (part, effects) in removed.chunks(AT_ONCE).zip(effects.chunks_mut(AT_ONCE)) {
            if stop() {
                return false;
            }
            let positions: Vec<usize> = part.iter().map(|(position, ..)| *position).collect();
            let features = indices(part.iter().map(|(_, feature, _)| *feature as usize), &resid);
            let Some(directions) = self.split.directions(self.sae.w_dec().select(0, features))
            else {
                return true;
            };
            let values: Vec<f32> = part.iter().map(|(_, _, value)| *value).collect();
            let values = TensorData::new(values, [part.len(), 1]);
            let values = Tensor::<2>::from_data(values, &resid.device()).cast(directions.dtype());
            let altered = self.losses(&resid, ids, &positions, Some(directions * values));
            for ((effect, loss), position) in effects.iter_mut().zip(altered).zip(positions) {
                let gained = loss - base[position];
                *effect = gained.is_finite().then_some(gained);
            }
        }
        true
    }

    /// The losses of the tokens after these positions, with something taken from the final residual.
    fn losses(
        &self,
        resid: &Tensor<2>,
        ids: &[u32],
        positions: &[usize],
        taken: Option<Tensor<2>>,
    ) -> Vec<f32> {
        if positions.is_empty() {
            return Vec::new();
        }
        let mut rows = resid
            .clone()
            .select(0, indices(positions.iter().copied(), resid));
        if let Some(taken) = taken {
            rows = rows.clone() - taken.cast(rows.dtype());
        }
        let [n, d] = rows.dims();
        let normed = self.model.ln_final(rows.reshape([1, n, d]), &mut NoHooks);
        let next = positions.iter().map(|&position| ids[position + 1] as usize);
        let losses = self
            .model
            .losses(&normed.reshape([n, d]), indices(next, resid));
        losses.into_data().iter::<f32>().collect()
    }
}

/// The strongest features of a token, the strongest first.
fn strongest(features: &SparseFeatures, position: usize) -> Vec<(u32, f32)> {
    let (indices, values) = features.row(position);
    let active = indices.iter().copied().zip(values.iter().copied());
    let mut active: Vec<(u32, f32)> = active.filter(|&(_, x)| x > 0.0 && x.is_finite()).collect();
    active.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    active.truncate(STRONGEST);
    active
}

fn indices(of: impl Iterator<Item = usize>, beside: &Tensor<2>) -> Tensor<1, Int> {
    let numbers: Vec<i32> = of.map(|i| i as i32).collect();
    Tensor::from_ints(numbers.as_slice(), &beside.device())
}

#[cfg(test)]
mod tests {
    use super::strongest;
    use sae_core::SparseFeatures;

    #[test]
    fn the_strongest_come_first_and_what_is_no_activation_not_at_all() {
        let values = vec![1.0, 3.0, -2.0, 3.0, f32::NAN];
        let features = SparseFeatures {
            d_sae: 9,
            indptr: vec![0, 5],
            indices: vec![1, 2, 4, 7, 8],
            values,
        };
        assert_eq!(strongest(&features, 0), [(2, 3.0), (7, 3.0), (1, 1.0)]);
    }
}
