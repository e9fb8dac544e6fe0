//! The pages of `sae serve`: features as they are asked for, and one's own text.

use super::prepare::Prepared;
use super::run::split;
use anyhow::{Error, Result, bail};
use sae_dashboard::assemble::Collected;
use sae_dashboard::page::{feature_bytes, overview_bytes};
use sae_dashboard::{ActivationLog, CollectOptions, Feature, Summary, collect, shares_below};
use sae_llama::dashboard::{Rows, Spelling, shown_weights};
use sae_llama::features::{FeatureOptions, TextFeatures};
use sae_llama::{Question, QuestionError, SplitLlama};
use sae_progress::Unobserved;
use sae_serve::{
    Backend, BackendError, CheckRequest, PromptError, PromptFeature, PromptRequest, PromptResponse,
    PromptToken, Stop,
};
use serde_json::Value;

/// Tokens of a text at most, whatever the model could read: a page that lists features of more helps nobody.
const MOST_TOKENS: usize = 2048;

/// A model, an SAE and a log of what fires, for as long as the program runs.
pub(crate) struct Live {
    prepared: Prepared,
    split: SplitLlama,
    features: TextFeatures,
    log: ActivationLog,
    summary: Summary,
    norms: Vec<f32>,
    raw_lens: bool,
    overview: Vec<u8>,
}

impl Live {
    pub(crate) fn new(prepared: Prepared, log: ActivationLog, raw_lens: bool) -> Result<Self> {
        let split = split(&prepared.model, &prepared.run)?;
        let summary = Summary::of(&log)?;
        let features: Vec<u32> = (0..log.info().d_sae).collect();
        let weights = shown_weights(&split, &prepared.sae, &features, raw_lens, None);
        let collected = Collected {
            log: &log,
            contexts: &Rows(&prepared.table),
            summary: &summary,
            features: &features,
        };
        let overview = collected.overview(prepared.source.clone(), &weights);
        Ok(Self {
            overview: overview_bytes(&overview, &Spelling(&prepared.tokenizer))?,
            norms: weights.norms().to_vec(),
            features: TextFeatures::new(&split, &prepared.sae),
            prepared,
            split,
            log,
            summary,
            raw_lens,
        })
    }

    fn collect(&self, index: u32) -> Result<Feature> {
        let (sae, norms) = (&self.prepared.sae, self.norms.clone());
        let mut weights = shown_weights(&self.split, sae, &[index], self.raw_lens, Some(norms));
        let mut found = None;
        collect(
            &self.log,
            &self.summary,
            &Rows(&self.prepared.table),
            &[index],
            &CollectOptions::default(),
            &mut Unobserved,
            |part| {
                found = Some(weights.join(0, part));
                Ok(())
            },
        )?;
        Ok(found.expect("the feature that was asked for"))
    }

    fn prepends_bos(&self) -> bool {
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

    fn answer(&self, request: &PromptRequest, stop: &Stop) -> Result<Option<PromptResponse>> {
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
            let feature = |f: &sae_llama::features::FeatureOfToken| PromptFeature {
                index: f.feature,
                value: f.value,
                quantile: quantiles.next().unwrap_or_default() as f32,
                effect: f.direct,
                exact: f.exact,
            };
            of_token.iter().map(feature).collect()
        });
        let features = features.collect();
        let text = |id| self.prepared.tokenizer.token_text(id);
        Ok(Some(PromptResponse {
            tokens: ids
                .iter()
                .map(|&id| PromptToken { id, text: text(id) })
                .collect(),
            features,
            answer: Some(found.next_token.map_or_else(String::new, text)),
        }))
    }
}

impl Backend for Live {
    fn overview(&self) -> Vec<u8> {
        self.overview.clone()
    }

    fn feature(&self, index: u32) -> Result<Option<Vec<u8>>, BackendError> {
        if index >= self.log.info().d_sae {
            return Ok(None);
        }
        let spelling = Spelling(&self.prepared.tokenizer);
        let bytes = self
            .collect(index)
            .and_then(|feature| Ok(feature_bytes(&feature, &spelling)?));
        bytes.map(Some).map_err(|e| BackendError(in_full(&e)))
    }

    fn prompt(&self, request: PromptRequest, stop: &Stop) -> Result<PromptResponse, PromptError> {
        // Only the text can be wrong: it is too long, or has tokens that the model does not know.
        let found = self.answer(&request, stop);
        let found = found.map_err(|e| PromptError::Invalid(in_full(&e)))?;
        found.ok_or(PromptError::Stopped)
    }

    fn check(&self, request: CheckRequest, _: &Stop) -> Result<Value, PromptError> {
        let Prepared {
            tokenizer,
            model,
            sae,
            ..
        } = &self.prepared;
        let invalid = |e: QuestionError| PromptError::Invalid(in_full(&e.into()));
        let bos = self.prepends_bos();
        let question = Question::new(tokenizer, &request.prompt, &request.answer, bos);
        let question = question.map_err(invalid)?;
        let (n, most) = (question.n_tokens(), model.config().max_position_embeddings);
        if n > most {
            return Err(PromptError::Invalid(format!(
                "prompt and answer have {n} tokens together, and the model reads {most}; shorten them"
            )));
        }
        let check = question.ask_both(tokenizer, &self.split, sae);
        let check = check.map_err(|e| PromptError::Failed(in_full(&e.into())))?;
        // Through text, as the command's own: a value would show the digits that an f32 gains as an f64.
        let text = serde_json::to_string(&check).and_then(|text| serde_json::from_str(&text));
        text.map_err(|e| PromptError::Failed(in_full(&e.into())))
    }
}

/// An error with its causes.
fn in_full(error: &Error) -> String {
    format!("{error:#}")
}
