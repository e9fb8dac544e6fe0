//! Prompts and answers of `sae patch` and `sae attribute`.

use crate::error::UsageError;
use anyhow::Result;
use dataset_stream::Tokenizer;
use sae_interventions::{Prompts, PromptsError};
use sae_llama::{Question, QuestionError};

/// Tokenises; errors name the options.
pub(crate) fn prompts(
    tokenizer: &Tokenizer,
    texts: (&str, Option<&str>),
    answers: (&str, Option<&str>),
    bos: bool,
) -> Result<Prompts> {
    Prompts::new(tokenizer, texts, answers, bos).map_err(in_flags)
}

/// The tokens of a prompt alone.
pub(crate) fn prompt(tokenizer: &Tokenizer, text: &str, bos: bool) -> Result<Vec<u32>> {
    let ids = Question::prompt_tokens(tokenizer, text, bos);
    ids.map_err(|error| in_flags(error.into()))
}

/// A token to follow, if one is given.
pub(crate) fn answer(tokenizer: &Tokenizer, answer: Option<&str>) -> Result<Option<u32>> {
    let first = answer.map(|answer| sae_interventions::answer_token(tokenizer, answer));
    first.transpose().map_err(in_flags)
}

fn in_flags(error: PromptsError) -> anyhow::Error {
    match error {
        PromptsError::Question(QuestionError::EmptyAnswer) => UsageError(
            "--answer and --against: there is nothing to ask for; say what should come after the prompt"
                .to_owned(),
        )
        .into(),
        PromptsError::Question(QuestionError::NoBos(path)) => {
            anyhow::anyhow!("{}: names no BOS token; use --no-bos", path.display())
        }
        PromptsError::SameAnswer(_) => UsageError(format!("--against: {error}")).into(),
        other => other.into(),
    }
}

/// The texts of tokens.
pub(crate) fn texts(tokenizer: &Tokenizer, ids: &[u32]) -> Vec<String> {
    ids.iter().map(|&id| tokenizer.token_text(id)).collect()
}
