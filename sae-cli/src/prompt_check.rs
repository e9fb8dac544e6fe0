//! The prompt check: does the model still say what it should, with the SAE in place?

use crate::UsageError;
use crate::adapters::SplitLlama;
use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{DType, Int, Tensor, TensorData};
use dataset_stream::Tokenizer;
use llama_hooked::Llama;
use sae_core::{Sae, SaeConfig};
use sae_metrics::{Edit, Prediction, SplitModel};
use serde::Serialize;

/// How many of the likeliest tokens are listed.
const TOP: usize = 10;

/// What was asked, and what came of it, plain and through the SAE.
#[derive(Debug, Serialize)]
pub(crate) struct PromptCheck {
    pub(crate) prompt: String,
    pub(crate) answer: String,
    pub(crate) prompt_tokens: Vec<String>,
    pub(crate) answer_tokens: Vec<String>,
    pub(crate) baseline: Answer,
    pub(crate) with_sae: Option<Answer>,
}

/// How the model takes the answer; the figures on top are those of its first token.
#[derive(Debug, Serialize)]
pub(crate) struct Answer {
    #[serde(flatten)]
    pub(crate) first: TokenReport,
    /// The probability of the whole answer: the product over its tokens.
    #[serde(rename = "answer_prob")]
    pub(crate) whole: f64,
    /// Of every token of the answer, each after the ones before it.
    pub(crate) tokens: Vec<TokenReport>,
}

/// The place of one token among the predictions.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TokenReport {
    pub(crate) token: String,
    /// None if the logits are not numbers.
    pub(crate) rank: Option<usize>,
    pub(crate) logit: f32,
    pub(crate) prob: f64,
    pub(crate) top: Vec<TopToken>,
}

/// One of the likeliest tokens.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct TopToken {
    pub(crate) token: String,
    pub(crate) logit: f32,
    pub(crate) prob: f64,
}

/// A prompt and its answer as token ids.
pub(crate) struct Question {
    prompt: String,
    answer: String,
    prompt_ids: Vec<u32>,
    answer_ids: Vec<u32>,
}

impl Question {
    /// Tokenises; the answer gets a leading space if it has none, as in TransformerLens' `test_prompt`.
    pub(crate) fn new(
        tokenizer: &Tokenizer,
        prompt: &str,
        answer: &str,
        bos: bool,
    ) -> Result<Self> {
        if answer.is_empty() {
            bail!(UsageError(
                "--answer '': there is nothing to ask for; say what should come after the prompt"
                    .to_owned()
            ));
        }
        let answer = if answer.starts_with(' ') {
            answer.to_owned()
        } else {
            format!(" {answer}")
        };
        let answer_ids = tokenizer.encode(&answer)?;
        ensure!(
            !answer_ids.is_empty(),
            "the answer {answer:?} has no tokens"
        );
        let mut prompt_ids = Vec::new();
        if bos {
            let missing = || {
                format!(
                    "{}: names no BOS token; use --no-bos",
                    tokenizer.path().display()
                )
            };
            prompt_ids.push(tokenizer.bos().with_context(missing)?);
        }
        tokenizer.encode_into(prompt, &mut prompt_ids)?;
        ensure!(!prompt_ids.is_empty(), "the prompt has no tokens");
        Ok(Self {
            prompt: prompt.to_owned(),
            answer,
            prompt_ids,
            answer_ids,
        })
    }

    /// Warns of a prompt longer than the model was trained for.
    pub(crate) fn warn_if_too_long(&self, model: &Llama) {
        let trained = model.config().max_position_embeddings;
        let n = self.n_tokens();
        if n > trained {
            tracing::warn!(
                "the prompt and its answer have {n} tokens together, more than the {trained} that the model was trained for"
            );
        }
    }

    /// Tokens of the prompt and its answer.
    pub(crate) fn n_tokens(&self) -> usize {
        self.prompt_ids.len() + self.answer_ids.len()
    }

    /// Asks the model, and the model with the SAE in place if there is one.
    pub(crate) fn ask(
        self,
        tokenizer: &Tokenizer,
        model: &SplitLlama,
        sae: Option<&Sae>,
    ) -> Result<PromptCheck> {
        let ids: Vec<u32> = self
            .prompt_ids
            .iter()
            .chain(&self.answer_ids)
            .copied()
            .collect();
        let vocab_size = model.vocab_size();
        if let Some(id) = ids.iter().find(|&&id| id as usize >= vocab_size) {
            anyhow::bail!(
                "the prompt has token {id}, the model a vocabulary of {vocab_size}; is this the model's tokenizer?"
            );
        }
        let numbers: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
        let tokens = Tensor::<2, Int>::from_data(
            TensorData::new(numbers, [1, ids.len()]),
            (&model.device(), DType::I32),
        );
        let prefix = model.prefix(tokens);
        if let Some(sae) = sae {
            let [_, _, width] = prefix.input.dims();
            let [_, _, target] = prefix.target.as_ref().unwrap_or(&prefix.input).dims();
            let SaeConfig { d_in, d_out, .. } = sae.cfg();
            ensure!(
                (*d_in, *d_out) == (width, target),
                "the SAE goes from width {d_in} to {d_out}, the model has {width} at {} and {target} at {}; does this SAE belong to this model and hook?",
                model.read(),
                model.write()
            );
        }
        let output = sae.map(|sae| sae.forward(prefix.input.clone()));
        let mut edits = vec![Edit::Keep];
        edits.extend(output.map(Edit::Replace));
        let mut answers = model
            .suffix(&prefix.resume, edits)
            .into_iter()
            .map(|normed| self.report(tokenizer, model, normed));
        let baseline = answers.next().context("the plain run is always made")??;
        let with_sae = answers.next().transpose()?;
        let texts = |ids: &[u32]| ids.iter().map(|&id| tokenizer.token_text(id)).collect();
        Ok(PromptCheck {
            prompt_tokens: texts(&self.prompt_ids),
            answer_tokens: texts(&self.answer_ids),
            prompt: self.prompt,
            answer: self.answer,
            baseline,
            with_sae,
        })
    }

    fn report(
        &self,
        tokenizer: &Tokenizer,
        model: &SplitLlama,
        normed: Tensor<3>,
    ) -> Result<Answer> {
        let [_, _, d] = normed.dims();
        // The logits at a position are about the token after it.
        let first = self.prompt_ids.len() - 1;
        let rows = normed
            .narrow(1, first, self.answer_ids.len())
            .reshape([self.answer_ids.len(), d]);
        let logits = model
            .logits(rows, 0..model.vocab_size())
            .cast(DType::F32)
            .into_data();
        let logits: Vec<f32> = logits
            .try_into_vec()
            .map_err(|e| anyhow::anyhow!("logits could not be read: {e:?}"))?;
        let tokens: Vec<TokenReport> = logits
            .chunks_exact(model.vocab_size())
            .zip(&self.answer_ids)
            .map(|(logits, &id)| token_report(tokenizer, &Prediction::new(logits.to_vec()), id))
            .collect();
        let first = tokens.first().cloned().context("an answer has a token")?;
        Ok(Answer {
            first,
            whole: tokens.iter().map(|token| token.prob).product(),
            tokens,
        })
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

/// A probability with digits to compare, however small.
fn show_prob(prob: f64) -> String {
    if prob < 1e-3 {
        format!("{prob:.2e}")
    } else {
        format!("{prob:.4}")
    }
}

/// A rank, or that there is none.
pub(crate) fn show_rank(rank: Option<usize>) -> String {
    rank.map_or_else(|| "undefined".to_owned(), |rank| rank.to_string())
}

impl PromptCheck {
    /// Warns of logits that are not numbers: NaN does not explain itself.
    pub(crate) fn warn_if_undefined(&self) {
        if self.baseline.first.rank.is_none() {
            tracing::warn!(
                "the model's logits are not numbers (NaN): its weights, or what they make of this prompt, hold NaN or infinities; was the model saved and copied whole?"
            );
        } else if self
            .with_sae
            .as_ref()
            .is_some_and(|with_sae| with_sae.first.rank.is_none())
        {
            tracing::warn!(
                "the logits with the SAE are not numbers (NaN), though the model's own are: the SAE makes NaN or infinities of these activations"
            );
        }
    }

    /// The report as the notebook prints it, plain and, where there is an SAE, through it.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "Tokenized prompt: {}\nTokenized answer: {}\n",
            python_list(&self.prompt_tokens),
            python_list(&self.answer_tokens)
        );
        match &self.with_sae {
            None => self.baseline.write(&mut text),
            Some(with_sae) => {
                text.push_str("Baseline:\n");
                self.baseline.write(&mut text);
                text.push_str("\nWith SAE reconstruction:\n");
                with_sae.write(&mut text);
                let prob = with_sae.first.prob;
                if with_sae.tokens.len() == 1 {
                    text.push_str(&format!("P(answer) with SAE: {prob:.4}\n"));
                } else {
                    text.push_str(&format!(
                        "P(first answer token) with SAE: {prob:.4}\nP(whole answer) with SAE: {}; as it is: {}\n",
                        show_prob(with_sae.whole),
                        show_prob(self.baseline.whole)
                    ));
                }
            }
        }
        text
    }
}

impl Answer {
    fn write(&self, text: &mut String) {
        for report in &self.tokens {
            let TokenReport {
                token,
                rank,
                logit,
                prob,
                top,
            } = report;
            text.push_str("Performance on answer token:\n");
            text.push_str(&format!(
                "Rank: {:<8} Logit: {logit:5.2} Prob: {:6.2}% Token: |{token}|\n",
                show_rank(*rank),
                100.0 * prob
            ));
            for (i, TopToken { token, logit, prob }) in top.iter().enumerate() {
                text.push_str(&format!(
                    "Top {i}th token. Logit: {logit:5.2} Prob: {:6.2}% Token: |{token}|\n",
                    100.0 * prob
                ));
            }
        }
        let ranks: Vec<String> = self
            .tokens
            .iter()
            .map(|t| format!("({}, {})", python_string(&t.token), show_rank(t.rank)))
            .collect();
        text.push_str(&format!(
            "Ranks of the answer tokens: [{}]\n",
            ranks.join(", ")
        ));
    }
}

/// A list of strings as Python prints it.
fn python_list(strings: &[String]) -> String {
    let quoted: Vec<String> = strings.iter().map(|s| python_string(s)).collect();
    format!("[{}]", quoted.join(", "))
}

/// A string as Python's `repr` prints it.
fn python_string(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    let mut out = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::{python_list, python_string};

    #[test]
    fn strings_print_as_in_python() {
        assert_eq!(python_string(" Mary"), "' Mary'");
        assert_eq!(python_string("it's"), "\"it's\"");
        assert_eq!(python_string("'\"\n\u{1}\\"), "'\\'\"\\n\\x01\\\\'");
        assert_eq!(python_list(&["a".into(), " b".into()]), "['a', ' b']");
    }
}
