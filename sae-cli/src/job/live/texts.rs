//! One's own text: its tokens, what fires on them, and what that does.

use super::Live;
use crate::job::prepare::Prepared;
use anyhow::{Result, bail};
use dataset_stream::Tokenizer;
use sae_dashboard::shares_below;
use sae_llama::features::{FeatureOfToken, FeatureOptions, TextActivations};
use sae_serve::{
    ActivationsRequest, ActivationsResponse, PromptFeature, PromptRequest, PromptResponse,
    PromptToken, Stop,
};
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens of a text at most, whatever the model could read: a page that lists features of more helps nobody.
pub(super) const MOST_TOKENS: usize = 2048;
/// Activations of a text at most that are kept for the next question about it: 32 MB.
const MOST_KEPT: usize = 4 << 20;

/// The text that ran last, and what fires on it: a page asks for one feature after the other.
#[derive(Default)]
pub(super) struct LastText(Mutex<Option<(Vec<u32>, Arc<TextActivations>)>>);

impl LastText {
    fn of(&self, ids: &[u32]) -> Option<Arc<TextActivations>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, all) = last.as_ref().filter(|(of, _)| of == ids)?;
        Some(Arc::clone(all))
    }

    fn keep(&self, ids: Vec<u32>, all: Arc<TextActivations>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (all.n_entries() <= MOST_KEPT).then_some((ids, all));
    }
}

impl Live {
    pub(super) fn prepends_bos(&self) -> bool {
        self.prepared.run.cfg.metadata.prepend_bos.unwrap_or(true)
    }

    /// The ids of a text, BOS included.
    fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let tokenizer = &self.prepared.tokenizer;
        let mut ids = Vec::new();
        if self.prepends_bos() {
            ids.extend(tokenizer.bos());
        }
        tokenizer.encode_into(text, &mut ids)?;
        let config = self.prepared.model.config();
        let most = config.max_position_embeddings.min(MOST_TOKENS);
        if ids.len() > most {
            bail!(
                "the text has {} tokens, and {most} are what can be run here; shorten it",
                ids.len()
            );
        }
        Ok(ids)
    }

    pub(super) fn answer(
        &self,
        request: &PromptRequest,
        stop: &Stop,
    ) -> Result<Option<PromptResponse>> {
        let ids = self.ids(&request.text)?;
        let mut options = FeatureOptions::default();
        (options.direct, options.exact) = (request.effects, request.exact);
        let Some(found) = self.features.of(&ids, &options, &|| stop.is_set())? else {
            return Ok(None);
        };
        let all = found.tokens.iter().flatten();
        let pairs: Vec<(u32, f32)> = all.map(|f| (f.feature, f.value)).collect();
        let mut quantiles = shares_below(&self.log, &self.summary, &pairs).into_iter();
        let features = found.tokens.iter().map(|of_token| {
            let feature = |f: &FeatureOfToken| PromptFeature {
                index: f.feature,
                value: f.value,
                quantile: quantiles.next().unwrap_or_default() as f32,
                effect: f.direct,
                exact: f.exact,
            };
            of_token.iter().map(feature).collect()
        });
        let features = features.collect();
        let all = Arc::new(found.all);
        let text = |id| self.prepared.tokenizer.token_text(id);
        let response = PromptResponse {
            tokens: self.tokens(&ids, &all),
            features,
            answer: Some(found.next_token.map_or_else(String::new, text)),
        };
        self.last.keep(ids, all);
        Ok(Some(response))
    }

    /// A text's tokens, as the page shows them.
    fn tokens(&self, ids: &[u32], all: &TextActivations) -> Vec<PromptToken> {
        let Prepared {
            tokenizer, masking, ..
        } = &self.prepared;
        let tokens = ids.iter().enumerate().map(|(place, &id)| {
            let mut token = token(tokenizer, id);
            token.counts = masking.in_statistics(place, id);
            token.n_active = Some(all.n_active(place) as u32);
            token
        });
        tokens.collect()
    }

    /// What fires on a text, from the last question about it or from the model.
    fn activations_on(&self, ids: &[u32]) -> Result<Arc<TextActivations>> {
        if let Some(all) = self.last.of(ids) {
            return Ok(all);
        }
        let all = Arc::new(self.features.activations(ids)?);
        self.last.keep(ids.to_vec(), Arc::clone(&all));
        Ok(all)
    }

    pub(super) fn values(&self, request: &ActivationsRequest) -> Result<ActivationsResponse> {
        let d_sae = self.log.info().d_sae;
        if let Some(index) = request.features.iter().find(|&&index| index >= d_sae) {
            bail!("there is no feature {index}: the dictionary has {d_sae}, counted from 0");
        }
        let ids = self.ids(&request.text)?;
        let all = self.activations_on(&ids)?;
        Ok(ActivationsResponse {
            tokens: self.tokens(&ids, &all),
            values: request.features.iter().map(|&f| all.of(f)).collect(),
        })
    }
}

/// A token as the page shows it.
pub(super) fn token(tokenizer: &Tokenizer, id: u32) -> PromptToken {
    match tokenizer.token_bytes(id) {
        Some(bytes) => PromptToken::new(id, &bytes),
        None => PromptToken::new(id, tokenizer.token_text(id).as_bytes()),
    }
}
