//! One's own text: its tokens, what fires on them, and what that does.

use super::Live;
use anyhow::{Result, bail};
use dataset_stream::Tokenizer;
use sae_dashboard::shares_below;
use sae_llama::features::{FeatureOfToken, FeatureOptions, TextActivations};
use sae_serve::{
    ActivationsRequest, ActivationsResponse, LikelyToken, PromptFeature, PromptRequest,
    PromptResponse, PromptToken, Stop,
};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// Tokens of a text at most, whatever the model could read: a page that lists features of more helps nobody.
pub(super) const MOST_TOKENS: usize = 2048;
/// Tokens that may come next, the likeliest, that are told.
const NEXT: usize = 10;
/// Activations of texts at most that are kept for the next question about them: 32 MB.
const MOST_KEPT: usize = 4 << 20;

/// The two texts that ran last, and what fires on them: a page asks for one feature after the other, of one text or of two.
#[derive(Default)]
pub(super) struct LastTexts(Mutex<VecDeque<(Vec<u32>, Arc<TextActivations>)>>);

impl LastTexts {
    fn of(&self, ids: &[u32]) -> Option<Arc<TextActivations>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, all) = last.iter().find(|(of, _)| of == ids)?;
        Some(Arc::clone(all))
    }

    fn keep(&self, ids: Vec<u32>, all: Arc<TextActivations>) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|(of, _)| *of != ids);
        last.push_back((ids, all));
        let entries = |last: &VecDeque<(_, Arc<TextActivations>)>| -> usize {
            last.iter().map(|(_, all)| all.n_entries()).sum()
        };
        while last.len() > 2 || entries(&last) > MOST_KEPT {
            last.pop_front();
        }
    }
}

impl Live {
    pub(super) fn prepends_bos(&self) -> bool {
        self.prepared.run.cfg.metadata.prepend_bos.unwrap_or(true)
    }

    /// The ids of a text, BOS included.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>> {
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
        options.next = NEXT;
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
        let likely = |&(id, log_prob): &(u32, f32)| LikelyToken {
            token: token(&self.prepared.tokenizer, id),
            log_prob,
        };
        let response = PromptResponse {
            tokens: self.tokens(&ids, &all),
            features,
            answer: Some(found.next_token.map_or_else(String::new, text)),
            next: found.next.iter().map(likely).collect(),
        };
        self.last.keep(ids, all);
        Ok(Some(response))
    }

    /// A text's tokens, as the page shows them.
    pub(super) fn tokens(&self, ids: &[u32], all: &TextActivations) -> Vec<PromptToken> {
        let mut tokens = self.counted(ids);
        for (place, token) in tokens.iter_mut().enumerate() {
            token.n_active = Some(all.n_active(place) as u32);
        }
        tokens
    }

    /// What fires on a text, from the last question about it or from the model.
    pub(super) fn activations_on(&self, ids: &[u32]) -> Result<Arc<TextActivations>> {
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
