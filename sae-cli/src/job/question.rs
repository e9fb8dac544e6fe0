//! The prompt check's question.

use crate::error::UsageError;
use anyhow::Result;
use dataset_stream::Tokenizer;
use sae_llama::{Question, QuestionError};

/// Tokenises prompt and answer; errors name the command's options.
pub(crate) fn ask(
    tokenizer: &Tokenizer,
    prompt: &str,
    answer: &str,
    bos: bool,
) -> Result<Question> {
    Question::new(tokenizer, prompt, answer, bos).map_err(|error| match error {
        QuestionError::EmptyAnswer => UsageError(
            "--answer '': there is nothing to ask for; say what should come after the prompt"
                .to_owned(),
        )
        .into(),
        QuestionError::NoBos(path) => {
            anyhow::anyhow!("{}: names no BOS token; use --no-bos", path.display())
        }
        other => other.into(),
    })
}
