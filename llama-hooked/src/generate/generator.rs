//! Generation, a token at a time.

use super::draw::Chance;
use super::sampling::{InvalidSampling, check, penalise};
use super::{GenerateOptions, LogProbs, Sampling};
use crate::hook::Hook;
use crate::model::{ForwardError, KvCache, Llama};
use burn::tensor::Tensor;
use sae_progress::Observer;
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// What cannot be generated.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// There is no prompt.
    #[error("there is no prompt to go on from")]
    NoPrompts,
    /// A prompt has no tokens.
    #[error("prompt {row} has no tokens: give it one at least, such as the BOS token")]
    EmptyPrompt {
        /// Which one, from 0.
        row: usize,
    },
    /// A setting outside of its range.
    #[error(transparent)]
    Sampling(#[from] InvalidSampling),
    /// No continuation is asked for.
    #[error("no continuation is asked for: n and max_new_tokens are at least 1")]
    Nothing,
    /// The model does not compute.
    #[error(
        "the logits of row {row} after {position} positions are not numbers: a weight or a hook makes them so"
    )]
    NotNumbers {
        /// Which row, from 0.
        row: usize,
        /// Where.
        position: usize,
    },
    /// The model cannot run on these tokens, or with these hooks.
    #[error(transparent)]
    Forward(#[from] ForwardError),
}

/// Why a row ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopReason {
    /// This token, one of [`GenerateOptions::stop_ids`], was the last.
    Token(u32),
    /// As many tokens as were asked for.
    Length,
    /// The caller, or the observer, ended it.
    Caller,
}

/// A token that has come.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct NewToken {
    /// The row: with n continuations of each prompt, prompt · n + continuation.
    pub row: usize,
    /// The token.
    pub id: u32,
    /// How likely it was, where that was asked for.
    pub log_probs: Option<LogProbs>,
    /// Whether it is the row's last, and why.
    pub stop: Option<StopReason>,
}

/// What a row has become.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Generated {
    /// The new tokens, a stop token included.
    pub tokens: Vec<u32>,
    /// How likely each was, where that was asked for.
    pub log_probs: Vec<LogProbs>,
    /// Why there are no more.
    pub stop: StopReason,
}

/// A row on its way.
#[derive(Debug)]
struct Row {
    /// Tokens that came before, for the repetition penalty; empty where there is none.
    seen: BTreeSet<u32>,
    chance: Chance,
    done: Vec<u32>,
    log_probs: Vec<LogProbs>,
    stop: Option<StopReason>,
    /// Positions, the prompt's included.
    positions: usize,
}

/// Generates a token of every row at a time.
#[derive(Debug)]
pub struct Generator<'a> {
    model: &'a Llama,
    options: GenerateOptions,
    cache: KvCache,
    rows: Vec<Row>,
    /// The rows that the cache has, in its order.
    active: Vec<usize>,
    /// What the rows have to read before their next token; at first prompts, of which n rows share one.
    input: Vec<Vec<u32>>,
    /// Rows of each prompt, until they are read.
    share: usize,
}

impl<'a> Generator<'a> {
    /// Of these prompts; nothing runs yet.
    ///
    /// # Errors
    /// If there is no prompt, one is empty, or a setting is out of its range.
    pub fn new(
        model: &'a Llama,
        prompts: &[impl AsRef<[u32]>],
        options: &GenerateOptions,
    ) -> Result<Self, GenerateError> {
        let longest = prompts
            .iter()
            .map(|prompt| prompt.as_ref().len())
            .max()
            .unwrap_or(0);
        let room = longest + options.max_new_tokens;
        let cache = KvCache::with_room(model.config(), prompts.len(), room);
        Self::after(model, cache, prompts, options)
    }

    /// Of sequences that the cache holds and these prompts go on with, each in its row.
    ///
    /// # Errors
    /// As [`new`](Self::new), and if the cache has other rows.
    pub fn after(
        model: &'a Llama,
        cache: KvCache,
        prompts: &[impl AsRef<[u32]>],
        options: &GenerateOptions,
    ) -> Result<Self, GenerateError> {
        if prompts.is_empty() {
            return Err(GenerateError::NoPrompts);
        }
        if let Some(row) = prompts.iter().position(|prompt| prompt.as_ref().is_empty()) {
            return Err(GenerateError::EmptyPrompt { row });
        }
        if options.n == 0 || options.max_new_tokens == 0 {
            return Err(GenerateError::Nothing);
        }
        let penalty = options.repetition_penalty;
        check(
            "repetition_penalty",
            penalty,
            penalty > 0.0 && penalty.is_finite(),
            "above 0",
        )?;
        if let Sampling::Draw(draw) = &options.sampling {
            draw.check()?;
        }
        let row = |i: usize| {
            let prompt = prompts[i / options.n].as_ref();
            Row {
                seen: if options.penalises() {
                    prompt.iter().copied().collect()
                } else {
                    BTreeSet::new()
                },
                chance: Chance::new(options.seed, options.first_stream + i as u64),
                done: Vec::new(),
                log_probs: Vec::new(),
                stop: None,
                positions: prompt.len(),
            }
        };
        Ok(Self {
            model,
            cache,
            rows: (0..prompts.len() * options.n).map(row).collect(),
            active: (0..prompts.len() * options.n).collect(),
            input: prompts
                .iter()
                .map(|prompt| prompt.as_ref().to_vec())
                .collect(),
            share: options.n,
            options: options.clone(),
        })
    }

    /// The next token of every row that has not ended; none are left at the end. Rows that have ended are left out of the batch: hooks hear
    /// which are in it by [`Hook::begin`].
    ///
    /// # Errors
    /// If the tokens or the hooks are not for this model, or its logits are not numbers.
    ///
    /// # Panics
    /// If a hook returns another shape than it was given.
    pub fn step<H: Hook + ?Sized>(
        &mut self,
        hooks: &mut H,
    ) -> Result<Vec<NewToken>, GenerateError> {
        self.drop_ended();
        if self.active.is_empty() {
            return Ok(Vec::new());
        }
        let normed = self.model.extend(&self.input, &mut self.cache, hooks)?;
        let logits = self.model.next_logits(normed, hooks);
        let share = std::mem::replace(&mut self.share, 1);
        if share > 1 {
            let rows: Vec<usize> = (0..self.active.len()).map(|row| row / share).collect();
            self.cache.select(&rows);
            self.cache.renumber();
        }
        let logits = numbers(logits);
        let vocab_size = self.model.config().vocab_size;
        let active = std::mem::take(&mut self.active);
        let mut tokens = Vec::with_capacity(active.len());
        for (i, &row) in active.iter().enumerate() {
            let logits = &logits[i / share * vocab_size..][..vocab_size];
            tokens.push(self.choose(row, logits)?);
        }
        self.input = tokens.iter().map(|token| vec![token.id]).collect();
        self.active = active;
        Ok(tokens)
    }

    /// Ends a row: nothing more comes of it.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn end(&mut self, row: usize) {
        self.rows[row].stop.get_or_insert(StopReason::Caller);
    }

    /// What the rows have become. Those that have not ended are ended by this.
    pub fn finish(self) -> Vec<Generated> {
        let rows = self.rows.into_iter();
        rows.map(|row| Generated {
            tokens: row.done,
            log_probs: row.log_probs,
            stop: row.stop.unwrap_or(StopReason::Caller),
        })
        .collect()
    }

    /// The keys and values of the rows that have not ended.
    pub fn cache(&self) -> &KvCache {
        &self.cache
    }

    fn drop_ended(&mut self) {
        let goes_on = |row: &usize| self.rows[*row].stop.is_none();
        if self.active.iter().all(goes_on) {
            return;
        }
        // Rows that ended before they were read share the cache's rows with others.
        if self.share > 1 {
            let rows: Vec<usize> = (0..self.active.len()).map(|row| row / self.share).collect();
            self.cache.select(&rows);
            self.cache.renumber();
            self.input = rows.iter().map(|&row| self.input[row].clone()).collect();
            self.share = 1;
        }
        let kept: Vec<usize> = (0..self.active.len())
            .filter(|&i| goes_on(&self.active[i]))
            .collect();
        self.cache.select(&kept);
        self.input = kept
            .iter()
            .map(|&i| std::mem::take(&mut self.input[i]))
            .collect();
        self.active = kept.iter().map(|&i| self.active[i]).collect();
    }

    fn choose(&mut self, row: usize, logits: &[f32]) -> Result<NewToken, GenerateError> {
        let options = &self.options;
        let state = &mut self.rows[row];
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        if !largest.is_finite() || logits.iter().any(|logit| logit.is_nan()) {
            let position = state.positions;
            return Err(GenerateError::NotNumbers { row, position });
        }
        let penalised = options.penalises().then(|| {
            let mut logits = logits.to_vec();
            penalise(
                &mut logits,
                state.seen.iter().copied(),
                options.repetition_penalty,
            );
            logits
        });
        let processed = penalised.as_deref().unwrap_or(logits);
        let id = match &options.sampling {
            Sampling::Greedy => argmax(processed),
            Sampling::Draw(draw) => state.chance.draw(&draw.candidates(processed)),
        };
        if penalised.is_some() {
            state.seen.insert(id);
        }
        state.done.push(id);
        state.positions += 1;
        let log_probs = options.log_probs.map(|top| LogProbs::new(logits, id, top));
        state.log_probs.extend(log_probs.clone());
        if state.stop.is_none() {
            if options.stop_ids.contains(&id) {
                state.stop = Some(StopReason::Token(id));
            } else if state.done.len() >= options.max_new_tokens {
                state.stop = Some(StopReason::Length);
            }
        }
        Ok(NewToken {
            row,
            id,
            log_probs,
            stop: state.stop,
        })
    }
}

fn argmax(logits: &[f32]) -> u32 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits
        .iter()
        .position(|&logit| logit >= largest)
        .unwrap_or(0) as u32
}

fn numbers(logits: Tensor<2>) -> Vec<f32> {
    logits
        .into_data()
        .try_into_vec()
        .expect("the logits are f32")
}

impl Llama {
    /// Continues the prompts until every row has ended, or the observer says so. It hears of every token.
    ///
    /// # Errors
    /// As [`Generator::new`] and [`Generator::step`].
    ///
    /// # Panics
    /// If a hook returns another shape than it was given.
    pub fn generate<H: Hook + ?Sized>(
        &self,
        prompts: &[impl AsRef<[u32]>],
        options: &GenerateOptions,
        hooks: &mut H,
        observer: &mut dyn Observer<NewToken>,
    ) -> Result<Vec<Generated>, GenerateError> {
        let mut generator = Generator::new(self, prompts, options)?;
        loop {
            let tokens = generator.step(hooks)?;
            let mut flow = if tokens.is_empty() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            };
            for token in &tokens {
                if observer.observe(token).is_break() {
                    flow = ControlFlow::Break(());
                }
            }
            if flow.is_break() {
                return Ok(generator.finish());
            }
        }
    }
}
