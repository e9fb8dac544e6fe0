//! The pages of `sae serve`: features as they are asked for, and one's own text.

use super::build::Collected;
use super::own_text::OwnText;
use super::prepare::Prepared;
use super::tokens::{Rows, Spelling};
use super::weights::Weights;
use crate::UsageError;
use crate::adapters::SplitLlama;
use crate::commands::split;
use crate::prompt_check::Question;
use anyhow::{Error, Result};
use sae_dashboard::page::{feature_bytes, overview_bytes};
use sae_dashboard::{ActivationLog, Feature, Progress, Settings, Summary, collect};
use sae_serve::{
    Backend, BackendError, CheckRequest, PromptError, PromptRequest, PromptResponse, Stop,
};
use serde_json::Value;
use std::ops::ControlFlow;

/// A model, an SAE and a log of what fires, for as long as the program runs.
pub(crate) struct Live {
    prepared: &'static Prepared,
    split: SplitLlama<'static>,
    log: ActivationLog,
    summary: Summary,
    norms: Vec<f32>,
    raw_lens: bool,
    overview: Vec<u8>,
}

impl Live {
    pub(crate) fn new(
        prepared: &'static Prepared,
        log: ActivationLog,
        raw_lens: bool,
    ) -> Result<Self> {
        let split = split(&prepared.model, &prepared.run)?;
        let summary = Summary::of(&log)?;
        let features: Vec<u32> = (0..log.info().d_sae).collect();
        let weights = Weights::of(&prepared.model, &split, &prepared.sae, &features, raw_lens);
        let collected = Collected {
            log: &log,
            table: &prepared.table,
            summary: &summary,
            features: &features,
        };
        let overview = collected.overview(prepared.source.clone(), &weights);
        Ok(Self {
            overview: overview_bytes(&overview, &Spelling(&prepared.tokenizer))?,
            norms: weights.norms,
            prepared,
            split,
            log,
            summary,
            raw_lens,
        })
    }

    fn collect(&self, index: u32) -> Result<Feature> {
        let Prepared { model, sae, .. } = self.prepared;
        let norms = self.norms.clone();
        let mut weights =
            Weights::with_norms(model, &self.split, sae, &[index], self.raw_lens, norms);
        let mut found = None;
        collect(
            &self.log,
            &self.summary,
            &Rows(&self.prepared.table),
            &[index],
            &Settings::default(),
            &mut |_: Progress| ControlFlow::Continue(()),
            |part| {
                found = Some(weights.join(0, part));
                Ok(())
            },
        )?;
        Ok(found.expect("the feature that was asked for"))
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
        let Prepared {
            run,
            tokenizer,
            model,
            sae,
            ..
        } = self.prepared;
        let own = OwnText {
            model,
            split: &self.split,
            sae,
            tokenizer,
            prepend_bos: run.cfg.metadata.prepend_bos.unwrap_or(true),
            log: &self.log,
            summary: &self.summary,
        };
        let found = own.features(&request, &|| stop.is_set());
        // What can be wrong is the text: it is too long, or has tokens that the model does not know.
        let found = found.map_err(|e| PromptError::Invalid(in_full(&e)))?;
        found.ok_or(PromptError::Stopped)
    }

    fn check(&self, request: CheckRequest, _: &Stop) -> Result<Value, PromptError> {
        let Prepared {
            run,
            tokenizer,
            model,
            sae,
            ..
        } = self.prepared;
        let bos = run.cfg.metadata.prepend_bos.unwrap_or(true);
        let invalid = |e: Error| PromptError::Invalid(in_full(&e));
        let question =
            Question::new(tokenizer, &request.prompt, &request.answer, bos).map_err(invalid)?;
        let (n, most) = (question.n_tokens(), model.config().max_position_embeddings);
        if n > most {
            return Err(PromptError::Invalid(format!(
                "prompt and answer have {n} tokens together, and the model reads {most}; shorten them"
            )));
        }
        let check = question.ask(tokenizer, &self.split, Some(sae));
        // Through text, as the command's own: a value would show the digits that an f32 gains as an f64.
        let check = check.and_then(|c| Ok(serde_json::from_str(&serde_json::to_string(&c)?)?));
        check.map_err(|e| match e.downcast_ref::<UsageError>() {
            Some(_) => PromptError::Invalid(in_full(&e)),
            None => PromptError::Failed(in_full(&e)),
        })
    }
}

/// An error with its causes.
fn in_full(error: &Error) -> String {
    format!("{error:#}")
}
