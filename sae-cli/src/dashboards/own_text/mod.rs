//! One's own text: which features fire on it, and what each of them does for the next token.

mod effects;

use crate::adapters::SplitLlama;
use anyhow::{Result, bail, ensure};
use burn::tensor::{Int, Tensor, TensorData};
use dataset_stream::Tokenizer;
use effects::Effects;
use llama_hooked::{Llama, NoHooks};
use sae_core::{Active, EncodedSparse, Sae, SparseFeatures};
use sae_dashboard::{ActivationLog, Summary, shares_below};
use sae_metrics::SplitModel;
use sae_serve::{PromptFeature, PromptRequest, PromptResponse, PromptToken};

/// Features that are listed of a token.
const STRONGEST: usize = 20;
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
    /// residual is taken away and nothing else (its direct effect); of the token `exact`, also what it gains when the layers above the SAE
    /// run without the feature. Gives up, with nothing, when `stop` says so.
    pub(crate) fn features(
        &self,
        request: &PromptRequest,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<PromptResponse>> {
        let ids = self.ids(&request.text)?;
        if let Some(place) = request.exact.filter(|&place| place >= ids.len()) {
            let last = ids.len() - 1;
            bail!("exact is the place of a token, 0 to {last} here, and not {place}");
        }
        let numbers: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
        let tokens = TensorData::new(numbers, [1, ids.len()]);
        let tokens = Tensor::<2, Int>::from_data(tokens, &self.model.device());
        let prefix = self.split.prefix(tokens.clone());
        let EncodedSparse { features, state } = self.sae.encode_sparse(prefix.input.clone());
        if stop() {
            return Ok(None);
        }
        let strongest: Vec<Vec<Active>> = (0..ids.len())
            .map(|position| strongest(&features, position))
            .collect();
        let all: Vec<Active> = strongest.concat();
        let pairs: Vec<(u32, f32)> = all.iter().map(|a| (a.feature, a.value)).collect();
        let quantiles = shares_below(self.log, self.summary, &pairs);
        let layers = 0..self.model.config().n_layers;
        let resid = self
            .model
            .blocks(self.model.embed(tokens, &mut NoHooks), layers, &mut NoHooks);
        let answer = self.next_token(&resid);
        let effects = Effects {
            own: self,
            ids: &ids,
            state: &state,
        };
        let mut direct = Vec::new();
        if request.effects {
            let Some(found) = effects.direct(&resid, &all, stop) else {
                return Ok(None);
            };
            direct = found;
        }
        let mut exact = Vec::new();
        if let Some(place) = request.exact {
            let Some(found) = effects.exact(&prefix, place, &strongest[place], stop) else {
                return Ok(None);
            };
            exact = found;
        }
        let (mut direct, mut exact) = (direct.into_iter(), exact.into_iter());
        let mut quantiles = quantiles.into_iter();
        let features = strongest.iter().enumerate().map(|(place, of_token)| {
            let feature = |a: &Active| PromptFeature {
                index: a.feature,
                value: a.value,
                quantile: quantiles.next().unwrap_or_default() as f32,
                effect: direct.next().flatten(),
                exact: (request.exact == Some(place))
                    .then(|| exact.next().flatten())
                    .flatten(),
            };
            of_token.iter().map(feature).collect()
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
}

/// The strongest features of a token, the strongest first.
fn strongest(features: &SparseFeatures, row: usize) -> Vec<Active> {
    let (indices, values) = features.row(row);
    let active = indices.iter().zip(values);
    let active = active.map(|(&feature, &value)| Active {
        row,
        feature,
        value,
    });
    let mut active: Vec<Active> = active
        .filter(|a| a.value > 0.0 && a.value.is_finite())
        .collect();
    active.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.feature.cmp(&b.feature)));
    active.truncate(STRONGEST);
    active
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
        let found = strongest(&features, 0);
        let found: Vec<_> = found.iter().map(|a| (a.feature, a.value)).collect();
        assert_eq!(found, [(2, 3.0), (7, 3.0), (1, 1.0)]);
    }
}
