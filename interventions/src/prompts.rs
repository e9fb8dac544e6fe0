//! Prompts and answers as tokens.

use crate::Metric;
use dataset_stream::{EncodeError, Tokenizer};
use sae_llama::{Question, QuestionError};

/// A prompt, perhaps a second one that differs from it, and the tokens that tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Prompts {
    /// The prompt's tokens.
    pub clean: Vec<u32>,
    /// Those of the other prompt, as many.
    pub corrupted: Option<Vec<u32>>,
    /// The token that should come next after the prompt.
    pub answer: u32,
    /// The token that should not.
    pub against: Option<u32>,
}

/// Prompts that do not go together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PromptsError {
    /// A prompt or an answer is no good by itself.
    #[error(transparent)]
    Question(#[from] QuestionError),
    /// The tokenizer fails.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// Positions have no counterparts.
    #[error(
        "the prompts have {n_clean} and {n_corrupted} tokens, and every position needs a counterpart; {clean} | {corrupted}; reword one of them so that both have as many tokens"
    )]
    Unequal {
        /// Tokens of the first.
        n_clean: usize,
        /// Tokens of the other.
        n_corrupted: usize,
        /// The first, token by token.
        clean: String,
        /// The other.
        corrupted: String,
    },
    /// There is nothing to patch.
    #[error("the two prompts are the same tokens: there is nothing to tell apart; {0}")]
    Same(String),
    /// The answer is what it is compared with.
    #[error("the answer and what it is compared with are the same token, {0:?}")]
    SameAnswer(String),
    /// A token beyond the vocabulary.
    #[error(
        "token {id} is outside the model's vocabulary ({vocab_size}); is this the model's tokenizer?"
    )]
    UnknownToken {
        /// Its id.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
}

impl Prompts {
    /// Tokens at the beginning that both prompts have in common, where every activation is the same; of equal prompts all but the last.
    pub fn n_alike(&self) -> usize {
        let other = self.corrupted.as_deref().unwrap_or(&self.clean);
        let alike = self.clean.iter().zip(other).take_while(|(a, b)| a == b);
        alike.count().min(self.clean.len().saturating_sub(1))
    }

    /// Tokenises as the prompt check does: BOS before a prompt where `bos` says so, a space before an answer that has none. Of an answer of
    /// several tokens the first counts; a warning says so.
    ///
    /// # Errors
    /// If there is no prompt or answer, or they do not go together.
    pub fn new(
        tokenizer: &Tokenizer,
        (clean, corrupted): (&str, Option<&str>),
        (answer, against): (&str, Option<&str>),
        bos: bool,
    ) -> Result<Self, PromptsError> {
        let ids = |prompt| Question::prompt_tokens(tokenizer, prompt, bos);
        let clean = ids(clean)?;
        let corrupted = corrupted.map(ids).transpose()?;
        if let Some(corrupted) = &corrupted {
            check_pair(&|id| tokenizer.token_text(id), &clean, corrupted)?;
        }
        let first = |text| answer_token(tokenizer, text);
        let answer = first(answer)?;
        let against = against.map(first).transpose()?;
        if against == Some(answer) {
            return Err(PromptsError::SameAnswer(tokenizer.token_text(answer)));
        }
        Ok(Self {
            clean,
            corrupted,
            answer,
            against,
        })
    }

    /// From token ids.
    ///
    /// # Errors
    /// If the prompts have different lengths or are the same, or the answer is compared with itself.
    pub fn from_ids(
        clean: Vec<u32>,
        corrupted: Option<Vec<u32>>,
        answer: u32,
        against: Option<u32>,
    ) -> Result<Self, PromptsError> {
        if let Some(corrupted) = &corrupted {
            check_pair(&|id| id.to_string(), &clean, corrupted)?;
        }
        if against == Some(answer) {
            return Err(PromptsError::SameAnswer(answer.to_string()));
        }
        Ok(Self {
            clean,
            corrupted,
            answer,
            against,
        })
    }

    /// Makes sure that the model knows every token.
    ///
    /// # Errors
    /// Names the first that it does not.
    pub fn check(&self, vocab_size: usize) -> Result<(), PromptsError> {
        let ids = self.clean.iter().chain(self.corrupted.iter().flatten());
        let mut ids = ids.chain([&self.answer]).chain(&self.against);
        match ids.find(|id| **id as usize >= vocab_size) {
            Some(&id) => Err(PromptsError::UnknownToken { id, vocab_size }),
            None => Ok(()),
        }
    }

    /// The difference of two logits, or the logarithm of the answer's probability where it is compared with nothing.
    pub fn metric(&self) -> Metric {
        let answer = self.answer;
        match self.against {
            Some(against) => Metric::LogitDiff { answer, against },
            None => Metric::LogProb { answer },
        }
    }

    /// The metric that is linear in the final norm's output: the difference of two logits, or the answer's logit.
    pub fn linear_metric(&self) -> Metric {
        let answer = self.answer;
        match self.against {
            Some(against) => Metric::LogitDiff { answer, against },
            None => Metric::Logit { answer },
        }
    }
}

/// The first token of an answer, which gets a leading space if it has none; a warning where it has more tokens.
///
/// # Errors
/// If there is no answer, or it has no tokens.
pub fn answer_token(tokenizer: &Tokenizer, answer: &str) -> Result<u32, PromptsError> {
    let (answer, ids) = Question::answer_tokens(tokenizer, answer)?;
    if ids.len() > 1 {
        let texts: Vec<String> = ids.iter().map(|&id| tokenizer.token_text(id)).collect();
        tracing::warn!(
            "the answer {answer:?} is {} tokens, {texts:?}: the first, {:?}, is what counts",
            ids.len(),
            texts[0]
        );
    }
    Ok(ids[0])
}

fn check_pair(
    text: &dyn Fn(u32) -> String,
    clean: &[u32],
    corrupted: &[u32],
) -> Result<(), PromptsError> {
    let shown = |ids: &[u32]| {
        let texts: Vec<String> = ids.iter().map(|&id| text(id)).collect();
        format!("{texts:?}")
    };
    if clean.len() != corrupted.len() {
        return Err(PromptsError::Unequal {
            n_clean: clean.len(),
            n_corrupted: corrupted.len(),
            clean: shown(clean),
            corrupted: shown(corrupted),
        });
    }
    if clean == corrupted {
        return Err(PromptsError::Same(shown(clean)));
    }
    Ok(())
}
