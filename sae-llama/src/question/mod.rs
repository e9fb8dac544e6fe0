//! The prompt check: does the model still say what it should, with the SAE in place?

mod several;

pub use several::SeveralAnswers;

use crate::{SplitError, SplitLlama};
use burn::tensor::{DType, Int, Tensor, TensorData};
use dataset_stream::{EncodeError, Tokenizer};
use llama_hooked::{Llama, LlamaConfig};
use sae_core::Sae;
use sae_metrics::{Answer, Prediction, PromptCheck, TokenReport, TopToken};
use sae_traits::{Splice, SplitModel};
use std::path::PathBuf;

/// How many of the likeliest tokens are listed.
const TOP: usize = 10;

/// A question that cannot be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuestionError {
    /// No answer was given.
    #[error("the answer is empty: say what should come after the prompt")]
    EmptyAnswer,
    /// The tokenizer makes nothing of the answer.
    #[error("the answer {0:?} has no tokens")]
    NoAnswerTokens(String),
    /// The tokenizer makes nothing of the prompt, and there is no BOS.
    #[error("the prompt has no tokens")]
    NoPromptTokens,
    /// BOS was asked for and is not known.
    #[error("{}: names no BOS token; ask without one", .0.display())]
    NoBos(PathBuf),
    /// The tokenizer fails.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A token beyond the vocabulary.
    #[error(
        "the prompt has token {id}, which is outside the model's vocabulary ({vocab_size}); is this the model's tokenizer?"
    )]
    UnknownToken {
        /// Its id.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
    /// The SAE does not belong here.
    #[error(transparent)]
    Misfit(#[from] SplitError),
}

/// A prompt and its answer as token ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    prompt: String,
    answer: String,
    prompt_ids: Vec<u32>,
    answer_ids: Vec<u32>,
}

impl Question {
    /// Tokenises; the answer gets a leading space if it has none, as in TransformerLens' `test_prompt`. A prompt that begins with the BOS
    /// token's own text gets no second one.
    ///
    /// # Errors
    /// If there is no answer, or the tokenizer makes no tokens of it.
    pub fn new(
        tokenizer: &Tokenizer,
        prompt: &str,
        answer: &str,
        bos: bool,
    ) -> Result<Self, QuestionError> {
        let (answer, answer_ids) = Self::answer_tokens(tokenizer, answer)?;
        let prompt_ids = Self::prompt_tokens(tokenizer, prompt, bos)?;
        Ok(Self {
            prompt: prompt.to_owned(),
            answer,
            prompt_ids,
            answer_ids,
        })
    }

    /// Warns about a prompt longer than the model was trained for.
    pub fn warn_if_too_long(&self, config: &LlamaConfig) {
        let trained = config.max_position_embeddings;
        let n = self.n_tokens();
        if n > trained {
            tracing::warn!(
                "the prompt and its answer have {n} tokens together, more than the {trained} that the model was trained for"
            );
        }
    }

    /// A prompt's tokens: at least one. One that begins with the BOS token's own text gets no second one.
    ///
    /// # Errors
    /// If there are none, or BOS is asked for and not known.
    pub fn prompt_tokens(
        tokenizer: &Tokenizer,
        prompt: &str,
        bos: bool,
    ) -> Result<Vec<u32>, QuestionError> {
        let mut prompt_ids = Vec::new();
        tokenizer.encode_into(prompt, &mut prompt_ids)?;
        if bos {
            let missing = || QuestionError::NoBos(tokenizer.path().to_owned());
            let id = tokenizer.bos().ok_or_else(missing)?;
            if prompt_ids.first() == Some(&id) {
                tracing::warn!(
                    "the prompt begins with the BOS token already: it gets no second one"
                );
            } else {
                prompt_ids.insert(0, id);
            }
        }
        if prompt_ids.is_empty() {
            return Err(QuestionError::NoPromptTokens);
        }
        Ok(prompt_ids)
    }

    /// An answer as it is tokenised, with a leading space, and its tokens: at least one.
    ///
    /// # Errors
    /// If there is no answer, or the tokenizer makes no tokens of it.
    pub fn answer_tokens(
        tokenizer: &Tokenizer,
        answer: &str,
    ) -> Result<(String, Vec<u32>), QuestionError> {
        if answer.is_empty() {
            return Err(QuestionError::EmptyAnswer);
        }
        let answer = if answer.starts_with(' ') {
            answer.to_owned()
        } else {
            format!(" {answer}")
        };
        let answer_ids = tokenizer.encode(&answer)?;
        if answer_ids.is_empty() {
            return Err(QuestionError::NoAnswerTokens(answer));
        }
        Ok((answer, answer_ids))
    }

    /// The prompt's tokens.
    pub fn prompt_ids(&self) -> &[u32] {
        &self.prompt_ids
    }

    /// The answer's tokens.
    pub fn answer_ids(&self) -> &[u32] {
        &self.answer_ids
    }

    /// The answer, with its leading space.
    pub fn answer(&self) -> &str {
        &self.answer
    }

    /// Tokens of the prompt and its answer.
    pub fn n_tokens(&self) -> usize {
        self.prompt_ids.len() + self.answer_ids.len()
    }

    /// Asks the model alone.
    ///
    /// # Errors
    /// If the tokens are not the model's.
    pub fn ask(self, tokenizer: &Tokenizer, model: &Llama) -> Result<PromptCheck, QuestionError> {
        // Nothing is put in, so that any point will do.
        let split = SplitLlama::anywhere(model);
        self.answers(tokenizer, &split, None)
    }

    /// Asks the model, and the model with the SAE in place.
    ///
    /// # Errors
    /// If the tokens are not the model's, or the SAE is of another width.
    pub fn ask_both(
        self,
        tokenizer: &Tokenizer,
        model: &SplitLlama,
        sae: &Sae,
    ) -> Result<PromptCheck, QuestionError> {
        self.answers(tokenizer, model, Some(sae))
    }

    fn answers(
        self,
        tokenizer: &Tokenizer,
        model: &SplitLlama,
        sae: Option<&Sae>,
    ) -> Result<PromptCheck, QuestionError> {
        let prefix = model.prefix(self.tokens(model.model())?);
        if let Some(sae) = sae {
            model.place().check(model.model().config(), sae.cfg())?;
        }
        let output = sae.map(|sae| sae.forward(prefix.input.clone()));
        let mut edits = vec![Splice::Keep];
        edits.extend(output.map(Splice::Replace));
        let mut answers = model
            .suffix(&prefix.resume, edits)
            .into_iter()
            .map(|normed| self.report(tokenizer, model.model(), normed));
        let baseline = answers.next().expect("one result for each edit");
        Ok(self.check(tokenizer, baseline, answers.next()))
    }

    /// `[1, p]`: the prompt and its answer.
    fn tokens(&self, model: &Llama) -> Result<Tensor<2, Int>, QuestionError> {
        let ids: Vec<u32> = [self.prompt_ids.as_slice(), &self.answer_ids].concat();
        let vocab_size = model.config().vocab_size;
        if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(QuestionError::UnknownToken { id, vocab_size });
        }
        let numbers: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        Ok(Tensor::from_data(
            TensorData::new(numbers, [1, ids.len()]),
            (&model.device(), DType::I32),
        ))
    }

    fn check(
        &self,
        tokenizer: &Tokenizer,
        baseline: Answer,
        with_sae: Option<Answer>,
    ) -> PromptCheck {
        let texts = |ids: &[u32]| ids.iter().map(|&id| tokenizer.token_text(id)).collect();
        PromptCheck {
            prompt: self.prompt.clone(),
            answer: self.answer.clone(),
            prompt_tokens: texts(&self.prompt_ids),
            answer_tokens: texts(&self.answer_ids),
            baseline,
            with_sae,
        }
    }

    fn report(&self, tokenizer: &Tokenizer, model: &Llama, normed: Tensor<3>) -> Answer {
        let [_, _, d] = normed.dims();
        // The logits at a position are about the token after it.
        let first = self.prompt_ids.len() - 1;
        let rows = normed
            .narrow(1, first, self.answer_ids.len())
            .reshape([self.answer_ids.len(), d]);
        let vocab_size = model.config().vocab_size;
        let logits = model.unembed_entries(rows, 0..vocab_size).cast(DType::F32);
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let tokens = logits
            .chunks_exact(vocab_size)
            .zip(&self.answer_ids)
            .map(|(logits, &id)| token_report(tokenizer, &Prediction::new(logits.to_vec()), id));
        Answer::new(tokens.collect())
    }
}

fn token_report(tokenizer: &Tokenizer, prediction: &Prediction, id: u32) -> TokenReport {
    let top = prediction.top(TOP).into_iter().map(|id| TopToken {
        token: tokenizer.token_text(id),
        logit: prediction.logit(id),
        prob: prediction.prob(id),
    });
    TokenReport {
        token: tokenizer.token_text(id),
        rank: prediction.rank(id),
        logit: prediction.logit(id),
        prob: prediction.prob(id),
        top: top.collect(),
    }
}
