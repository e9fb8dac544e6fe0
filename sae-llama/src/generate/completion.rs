//! Prompts and what they became.

use super::{Prompt, TextStream};
use dataset_stream::{DecodeError, Tokenizer};
use llama_hooked::generate::{
    GenerateError, GenerateOptions, Generator, LogProbs, NewToken, Sampling, StopReason,
};
use llama_hooked::{Hook, Llama};
use serde::Serialize;
use std::ops::ControlFlow;

/// One continuation.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Completion {
    /// Which prompt, from 0.
    pub prompt_index: usize,
    /// Which continuation of it, from 0.
    pub sample: usize,
    /// The prompt's text.
    pub prompt: String,
    /// Its tokens.
    pub prompt_ids: Vec<u32>,
    /// The new text, without what ended it.
    pub text: String,
    /// The new tokens, what ended it included.
    pub tokens: Vec<Token>,
    /// Why there is no more: `length`, `stop_token`, `stop_text` or `interrupted`.
    pub stop_reason: &'static str,
    /// The token or the text that ended it.
    pub stopped_at: Option<String>,
}

/// A token, and how likely it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Token {
    /// Its text.
    pub token: String,
    /// Its id.
    pub id: u32,
    /// ln p by the model itself, before temperature and penalty.
    pub log_prob: Option<f32>,
    /// The likeliest tokens, where they were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<Token>,
}

impl Token {
    fn new(tokenizer: &Tokenizer, id: u32, log_probs: Option<&LogProbs>) -> Self {
        let one = |id, log_prob, top| Self {
            token: tokenizer.token_text(id),
            id,
            log_prob,
            top,
        };
        let top = log_probs.iter().flat_map(|log_probs| &log_probs.top);
        let top = top
            .map(|&(id, log_prob)| one(id, Some(log_prob), Vec::new()))
            .collect();
        one(id, log_probs.map(|log_probs| log_probs.log_prob), top)
    }
}

/// The settings that were in force.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Settings {
    /// Tokens of a continuation at most.
    pub max_new_tokens: usize,
    /// Whether tokens were drawn by chance; if not, the next four did not matter.
    pub do_sample: bool,
    /// What logits were divided by.
    pub temperature: Option<f32>,
    /// The likeliest so many tokens alone; 0 for all.
    pub top_k: Option<usize>,
    /// The likeliest tokens with this probability together.
    pub top_p: Option<f32>,
    /// Tokens at least this share as likely as the likeliest.
    pub min_p: Option<f32>,
    /// 1 for none.
    pub repetition_penalty: f32,
    /// The seed of the random numbers.
    pub seed: u64,
    /// Continuations of each prompt.
    pub n: usize,
    /// Tokens that end a continuation.
    pub stop_ids: Vec<u32>,
    /// Texts that end it.
    pub stop: Vec<String>,
}

impl Settings {
    fn new(options: &GenerateOptions, stop: &[String]) -> Self {
        let draw = match options.sampling {
            Sampling::Greedy => None,
            Sampling::Draw(draw) => Some(draw),
        };
        Self {
            max_new_tokens: options.max_new_tokens,
            do_sample: draw.is_some(),
            temperature: draw.map(|draw| draw.temperature),
            top_k: draw.map(|draw| draw.top_k),
            top_p: draw.map(|draw| draw.top_p),
            min_p: draw.map(|draw| draw.min_p),
            repetition_penalty: options.repetition_penalty,
            seed: options.seed,
            n: options.n,
            stop_ids: options.stop_ids.clone(),
            stop: stop.to_vec(),
        }
    }
}

/// All continuations, and how they were made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Completions {
    /// The model's name.
    pub model: String,
    /// How they were made.
    pub settings: Settings,
    /// By prompt, then by sample.
    pub completions: Vec<Completion>,
    /// Whether they were broken off.
    pub interrupted: bool,
}

/// A continuation that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CompleteError {
    /// The model cannot.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The tokenizer cannot.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

/// Rows of one batch: continuations `first..first + n` of some prompts that follow each other.
struct Batch {
    prompts: std::ops::Range<usize>,
    first: usize,
    n: usize,
}

/// So many rows at a time: whole prompts, or some of one prompt's continuations.
fn batches(n_prompts: usize, n: usize, rows: usize) -> Vec<Batch> {
    let rows = rows.max(1);
    if n <= rows {
        let step = rows / n;
        let starts = (0..n_prompts).step_by(step);
        return starts
            .map(|start| Batch {
                prompts: start..(start + step).min(n_prompts),
                first: 0,
                n,
            })
            .collect();
    }
    let starts =
        (0..n_prompts).flat_map(|prompt| (0..n).step_by(rows).map(move |first| (prompt, first)));
    starts
        .map(|(prompt, first)| Batch {
            prompts: prompt..prompt + 1,
            first,
            n: rows.min(n - first),
        })
        .collect()
}

/// Continues the prompts, `rows` at a time. `shown` hears of every piece of text as it becomes certain, with the number of its row
/// (prompt · n + sample), and may end everything.
///
/// # Errors
/// If the model cannot run on the tokens, or the tokenizer cannot decode what comes.
pub fn complete<H: Hook + ?Sized>(
    model: (&str, &Llama),
    tokenizer: &Tokenizer,
    prompts: &[Prompt],
    (options, stop): (&GenerateOptions, &[String]),
    rows: usize,
    hooks: &mut H,
    mut shown: impl FnMut(usize, &str) -> ControlFlow<()>,
) -> Result<Completions, CompleteError> {
    let (name, model) = model;
    let mut completions = Vec::new();
    let mut interrupted = false;
    for batch in batches(prompts.len(), options.n, rows) {
        if interrupted {
            break;
        }
        let first_row = batch.prompts.start * options.n + batch.first;
        let its_prompts = &prompts[batch.prompts.clone()];
        let ids: Vec<&[u32]> = its_prompts
            .iter()
            .map(|prompt| prompt.ids.as_slice())
            .collect();
        let mut its_options = options.clone();
        (its_options.n, its_options.first_stream) =
            (batch.n, options.first_stream + first_row as u64);
        let mut generator = Generator::new(model, &ids, &its_options)?;
        let rows = its_prompts
            .iter()
            .flat_map(|prompt| std::iter::repeat_n(prompt, batch.n));
        let mut streams: Vec<TextStream> = rows
            .map(|prompt| TextStream::new(&prompt.ids, stop))
            .collect();
        while !interrupted {
            let tokens = generator.step(hooks)?;
            if tokens.is_empty() {
                break;
            }
            for NewToken {
                row, id, stop: end, ..
            } in tokens
            {
                let stream = &mut streams[row];
                let mut piece = String::new();
                // A stop token is no text.
                if !matches!(end, Some(StopReason::Token(_))) {
                    piece.push_str(stream.push(tokenizer, id)?);
                }
                if stream.stopped().is_some() {
                    generator.end(row);
                } else if end.is_some() {
                    piece.push_str(stream.finish(tokenizer)?);
                }
                interrupted |= shown(first_row + row, &piece).is_break();
            }
        }
        for (row, (found, mut stream)) in generator.finish().into_iter().zip(streams).enumerate() {
            stream.finish(tokenizer)?;
            let (prompt_index, sample) = (
                batch.prompts.start + row / batch.n,
                batch.first + row % batch.n,
            );
            let prompt = &prompts[prompt_index];
            let (stop_reason, stopped_at) = match (stream.stopped(), found.stop) {
                (Some(text), _) => ("stop_text", Some(text.to_owned())),
                (None, StopReason::Token(id)) => ("stop_token", Some(tokenizer.token_text(id))),
                (None, StopReason::Length) => ("length", None),
                (None, _) => ("interrupted", None),
            };
            let token = |(i, &id)| Token::new(tokenizer, id, found.log_probs.get(i));
            completions.push(Completion {
                prompt_index,
                sample,
                prompt: prompt.text.clone(),
                prompt_ids: prompt.ids.clone(),
                text: stream.text().to_owned(),
                tokens: found.tokens.iter().enumerate().map(token).collect(),
                stop_reason,
                stopped_at,
            });
        }
    }
    Ok(Completions {
        model: name.to_owned(),
        settings: Settings::new(options, stop),
        completions,
        interrupted,
    })
}
