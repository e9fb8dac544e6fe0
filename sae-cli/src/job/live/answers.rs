//! The answers of the server.

use super::Live;
use crate::job::prepare::Prepared;
use anyhow::Error;
use sae_dashboard::labels::{Label, LabelError, LabelFile};
use sae_dashboard::page::feature_bytes;
use sae_llama::dashboard::Spelling;
use sae_llama::{Question, QuestionError};
use sae_serve::{
    ActivationsRequest, ActivationsResponse, AttributeRequest, AttributeResponse, Backend,
    BackendError, CheckRequest, ContrastRequest, ContrastResponse, GenerateEvent, GenerateRequest,
    LabelsOffer, Offers, PromptError, PromptRequest, PromptResponse, Stop,
};
use serde_json::Value;
use std::sync::{MutexGuard, PoisonError};

impl Live {
    fn label_file(&self) -> Option<MutexGuard<'_, LabelFile>> {
        let labels = self.labels.as_ref()?;
        Some(labels.lock().unwrap_or_else(PoisonError::into_inner))
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

    fn offers(&self) -> Offers {
        let mut offers = Offers::default();
        (offers.prompt, offers.check, offers.activations) = (true, true, true);
        (offers.attribute, offers.contrast) = (true, true);
        (offers.generate, offers.chat) = (true, self.template.is_some());
        if self.labels.is_some() {
            offers.labels = LabelsOffer::Change;
        }
        offers
    }

    fn activations(
        &self,
        request: ActivationsRequest,
        _: &Stop,
    ) -> Result<ActivationsResponse, PromptError> {
        let found = self.values(&request);
        found.map_err(|e| PromptError::Invalid(in_full(&e)))
    }

    fn attribute(
        &self,
        request: AttributeRequest,
        stop: &Stop,
    ) -> Result<AttributeResponse, PromptError> {
        self.attributed(&request, stop)
    }

    fn contrast(
        &self,
        request: ContrastRequest,
        stop: &Stop,
    ) -> Result<ContrastResponse, PromptError> {
        let found = self.contrasted(&request, stop);
        let found = found.map_err(|e| PromptError::Invalid(in_full(&e)))?;
        found.ok_or(PromptError::Stopped)
    }

    fn generate(
        &self,
        request: GenerateRequest,
        stop: &Stop,
        emit: &mut dyn FnMut(GenerateEvent) -> Result<(), PromptError>,
    ) -> Result<(), PromptError> {
        self.continue_both(&request, stop, emit)
    }

    fn labels(&self) -> Result<Vec<Label>, BackendError> {
        let Some(mut file) = self.label_file() else {
            return Ok(Vec::new());
        };
        let labels = file.labels().map(|labels| labels.clone().into_vec());
        labels.map_err(|e| BackendError(in_full(&e.into())))
    }

    fn set_labels(&self, labels: Vec<Label>) -> Result<(), PromptError> {
        let Some(mut file) = self.label_file() else {
            return Err(PromptError::Invalid("no file of labels is open".to_owned()));
        };
        file.set(labels).map_err(|error| match error {
            LabelError::Label(fault) => PromptError::Invalid(fault),
            other => PromptError::Failed(in_full(&other.into())),
        })
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
pub(super) fn in_full(error: &Error) -> String {
    format!("{error:#}")
}
