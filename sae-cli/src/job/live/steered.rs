//! One's own text continued, plain and steered.

use super::answers::in_full;
use super::texts::{MOST_TOKENS, token};
use super::{Live, Prepared};
use anyhow::{Error, Result, bail};
use chat_template::{ChatTemplate, ChatTemplateError};
use dataset_stream::Prompt;
use llama_hooked::generate::{GenerateOptions, NewToken, Sampling, StopReason};
use sae_interventions::{
    Amount, FeatureEdit, Side as Which, SteeredSae, Steering, Window, compare, side_by_side,
};
use sae_llama::generate::Prompter;
use sae_llama::resolve::{FoundModel, ModelError};
use sae_serve::{
    EndReason, GenerateEvent, GenerateRequest, LikelyToken, PromptError, PromptToken, Side, Steer,
    SteerKind, Stop, TokenChange,
};
use std::ops::ControlFlow;

/// Likeliest tokens that are told beside each new one.
const TOP: usize = 3;
/// New tokens at most, as the server checks.
pub(crate) const MOST_NEW: usize = 512;
/// Tokens whose keys and values are kept at once: those of both sides.
pub(crate) const KEPT_TOKENS: usize = 2 * (MOST_TOKENS + MOST_NEW);

/// The model's chat template; one that cannot be read is warned of, and not offered.
pub(super) fn template(found: &FoundModel) -> Option<ChatTemplate> {
    match found.chat_template() {
        Ok(template) => Some(template),
        Err(ModelError::ChatTemplate(ChatTemplateError::Missing { .. })) => None,
        Err(error) => {
            tracing::warn!("the page offers no chat template: {error}");
            None
        }
    }
}

impl Live {
    pub(super) fn continue_both(
        &self,
        request: &GenerateRequest,
        stop: &Stop,
        emit: &mut dyn FnMut(GenerateEvent) -> Result<(), PromptError>,
    ) -> Result<(), PromptError> {
        let invalid = |error: Error| PromptError::Invalid(in_full(&error));
        let ids = self.prompt_ids(request).map_err(invalid)?;
        let mut steering = self.steering(request).map_err(invalid)?;
        let spelled = |&id: &u32| self.spelled(id);
        let tokens = ids.iter().map(spelled).collect();
        emit(GenerateEvent::Prompt { tokens })?;
        let mut sent = Ok(());
        let mut said = [Vec::new(), Vec::new()];
        let options = self.options(request);
        let model = &self.prepared.model;
        let done = side_by_side(model, &ids, &mut steering, &options, |side, token| {
            said[usize::from(side == Which::Steered)].push(token.id);
            if stop.is_set() {
                sent = Err(PromptError::Stopped);
            } else {
                let mut events = self.events(side, token).into_iter();
                sent = events.try_for_each(&mut *emit);
            }
            match sent {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        });
        done.map_err(|e| PromptError::Invalid(in_full(&e.into())))?;
        sent?;
        self.changes(&ids, said, &mut steering, stop, emit)
    }

    /// What the steering changes in each continuation, which are read again for it: the plain one as `sae generate --compare` reads it.
    fn changes(
        &self,
        prompt: &[u32],
        [plain, steered]: [Vec<u32>; 2],
        steering: &mut Steering,
        stop: &Stop,
        emit: &mut dyn FnMut(GenerateEvent) -> Result<(), PromptError>,
    ) -> Result<(), PromptError> {
        let mut changes_in = |ids: &[u32]| {
            if stop.is_set() {
                return Err(PromptError::Stopped);
            }
            let changes = compare(&self.prepared.model, prompt, ids, steering);
            let changes = changes.map_err(|e| PromptError::Failed(in_full(&e.into())))?;
            if changes.iter().any(|change| change.kl.is_nan()) {
                return Err(PromptError::Invalid(
                    "the steered model's logits are not numbers on the text without steering: an amount is too large, try a smaller one".to_owned(),
                ));
            }
            let change = |change: &sae_interventions::TokenChange| TokenChange {
                log_prob: change.log_prob,
                steered_log_prob: change.changed_log_prob,
                kl: change.kl,
            };
            Ok(changes.iter().map(change).collect::<Vec<_>>())
        };
        let of_plain = changes_in(&plain)?;
        let side = Side::Plain;
        emit(GenerateEvent::Changes {
            side,
            tokens: of_plain.clone(),
        })?;
        let tokens = if steered == plain {
            of_plain
        } else {
            changes_in(&steered)?
        };
        let side = Side::Steered;
        emit(GenerateEvent::Changes { side, tokens })
    }

    fn prompt_ids(&self, request: &GenerateRequest) -> Result<Vec<u32>> {
        let Prepared {
            tokenizer, model, ..
        } = &self.prepared;
        if request.chat && self.template.is_none() {
            bail!("this model has no chat template: continue plain text");
        }
        let template = self.template.clone().filter(|_| request.chat);
        let mut prompter = Prompter::new(tokenizer, template);
        prompter.bos = self.prepends_bos() && tokenizer.bos().is_some();
        prompter.text_is_chat = request.chat;
        let ids = prompter.prompt(&Prompt::Text(request.text.clone()))?.ids;
        let (n, new) = (ids.len(), request.max_new_tokens);
        if n > MOST_TOKENS {
            bail!(
                "the text has {n} tokens, and {MOST_TOKENS} are what can be run here; shorten it"
            );
        }
        let most = model.config().max_position_embeddings;
        if n + new > most {
            bail!(
                "the text has {n} tokens and {new} new ones are asked for, and the model reads {most}; shorten the text or ask for fewer"
            );
        }
        Ok(ids)
    }

    fn steering(&self, request: &GenerateRequest) -> Result<Steering> {
        let Prepared {
            model,
            sae,
            tokenizer,
            ..
        } = &self.prepared;
        let mut steered = SteeredSae::new(model.config(), sae)?;
        for steer in &request.steer {
            steered = steered.edit(steer.feature, edit(steer))?;
        }
        let mut window = Window::default();
        window.special_tokens = request.special_tokens;
        let steering = Steering::new(vec![steered]).special_tokens(tokenizer.all_special());
        Ok(steering.window(window)?)
    }

    fn options(&self, request: &GenerateRequest) -> GenerateOptions {
        let mut options = GenerateOptions::from_config(request.max_new_tokens, &self.generation);
        options.sampling = Sampling::Greedy;
        if request.temperature > 0.0 {
            let mut draw = self.generation.draw();
            draw.temperature = request.temperature;
            options.sampling = Sampling::Draw(draw);
        }
        if options.stop_ids.is_empty() {
            options.stop_ids.extend(self.prepared.tokenizer.eos());
        }
        options.seed = request.seed;
        options.log_probs = Some(TOP);
        options
    }

    fn events(&self, side: Which, new: &NewToken) -> Vec<GenerateEvent> {
        let side = match side {
            Which::Plain => Side::Plain,
            Which::Steered => Side::Steered,
        };
        let likely = |&(id, log_prob): &(u32, f32)| LikelyToken {
            token: self.spelled(id),
            log_prob,
        };
        let mut events = Vec::new();
        if let Some(of) = &new.log_probs {
            events.push(GenerateEvent::Token {
                side,
                token: self.spelled(new.id),
                log_prob: of.log_prob,
                top: of.top.iter().map(likely).collect(),
            });
        }
        match new.stop {
            None => {}
            Some(StopReason::Token(_)) => events.push(GenerateEvent::End {
                side,
                reason: EndReason::Stop,
            }),
            Some(_) => events.push(GenerateEvent::End {
                side,
                reason: EndReason::Length,
            }),
        }
        events
    }

    pub(super) fn spelled(&self, id: u32) -> PromptToken {
        token(&self.prepared.tokenizer, id)
    }
}

/// What the page asks for, as steering knows it; the server has checked that there is an amount where one is needed.
fn edit(steer: &Steer) -> FeatureEdit {
    let amount = steer.amount.unwrap_or_default();
    match steer.kind {
        SteerKind::Add => FeatureEdit::Add(Amount::Value(amount)),
        SteerKind::Clamp => FeatureEdit::Clamp(Amount::Value(amount)),
        SteerKind::Scale => FeatureEdit::Scale(amount),
        SteerKind::Ablate => FeatureEdit::Ablate,
    }
}
