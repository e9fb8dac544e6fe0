//! The forward pass as a whole: from tokens or a residual to logits, losses or a residual.

use super::{Llama, loss_of_logits};
use crate::hook::{
    ActivationCache, Capture, Hook, HookError, HookPoint, PointFilter, Positions, RowPlace, Run,
};
use burn::tensor::{Int, Tensor};

/// The input of a run.
#[derive(Debug, Clone)]
pub enum Input {
    /// Token ids, `[b, p]`.
    Tokens(Tensor<2, Int>),
    /// A residual stream; earlier blocks do not run.
    Resid {
        /// `[b, p, d_model]`, the input of `start_at_layer`.
        resid: Tensor<3>,
        /// The first block to run. Negative counts from the end: −1 is the last block.
        start_at_layer: isize,
    },
}

impl From<Tensor<2, Int>> for Input {
    fn from(tokens: Tensor<2, Int>) -> Self {
        Self::Tokens(tokens)
    }
}

/// What to compute, and how far to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForwardOptions {
    /// The first block not to run; negative counts from the end: −1 leaves out the last. The output is then the residual stream that
    /// would have entered it, unless nothing is asked for.
    pub stop_at_layer: Option<isize>,
    /// What to return.
    pub output: OutputKind,
}

/// The output that a forward pass is to return.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OutputKind {
    /// `[b, p, vocab_size]`, in the model's dtype.
    #[default]
    Logits,
    /// The cross-entropy of each next token, `[b, p − 1]`, nats, f32.
    Loss,
    /// The residual stream after the last block that runs, `[b, p, d_model]`.
    Residual,
    /// Nothing; the final norm still runs for its hooks, and the unembedding if a hook wants the logits.
    Nothing,
}

/// The output of a forward pass.
#[derive(Debug, Clone)]
pub enum Output {
    /// `[b, p, vocab_size]`, in the model's dtype.
    Logits(Tensor<3>),
    /// The cross-entropy of each next token, `[b, p − 1]`, nats, f32.
    Loss(Tensor<2>),
    /// The residual stream, `[b, p, d_model]`.
    Residual(Tensor<3>),
    /// Nothing was asked for.
    Nothing,
}

impl Output {
    /// The logits, if that is what was returned.
    pub fn logits(self) -> Option<Tensor<3>> {
        match self {
            Self::Logits(logits) => Some(logits),
            _ => None,
        }
    }

    /// The losses, if that is what was returned.
    pub fn loss(self) -> Option<Tensor<2>> {
        match self {
            Self::Loss(loss) => Some(loss),
            _ => None,
        }
    }

    /// The residual stream, if that is what was returned.
    pub fn residual(self) -> Option<Tensor<3>> {
        match self {
            Self::Residual(resid) => Some(resid),
            _ => None,
        }
    }
}

/// A run that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardError {
    /// No rows or no positions.
    #[error("the input is empty: its shape is {0:?}")]
    EmptyInput(Vec<usize>),
    /// An id the model has no embedding for.
    #[error(
        "token {id} is not in the model's vocabulary of {vocab_size}; were the tokens made by this model's tokenizer?"
    )]
    TokenOutOfRange {
        /// The id.
        id: i64,
        /// How many there are.
        vocab_size: usize,
    },
    /// The residual is not as wide as the model's.
    #[error("the residual is {found} wide, the model {expected}")]
    Width {
        /// Of the input.
        found: usize,
        /// Of the model.
        expected: usize,
    },
    /// A layer that does not exist.
    #[error(
        "{option} is {found}, outside -{n_layers}..={n_layers} for a model of {n_layers} blocks"
    )]
    Layer {
        /// `start_at_layer` or `stop_at_layer`.
        option: &'static str,
        /// The layer asked for.
        found: isize,
        /// How many blocks the model has.
        n_layers: usize,
    },
    /// The run would stop before it starts.
    #[error("stop_at_layer is block {stop}, before start_at_layer, block {start}")]
    StopBeforeStart {
        /// The first block to run.
        start: usize,
        /// The first block not to run.
        stop: usize,
    },
    /// A loss needs the tokens and a next one.
    #[error("a loss needs {0}")]
    Loss(&'static str),
    /// A cache of other rows.
    #[error("the input has {found} rows, the cache {expected}")]
    CacheRows {
        /// Of the input.
        found: usize,
        /// Of the cache.
        expected: usize,
    },
    /// A hook that this run cannot serve.
    #[error(transparent)]
    Hook(#[from] HookError),
}

impl Llama {
    /// Runs the model, or part of it.
    ///
    /// # Errors
    /// If the input is empty, not of this model or has no loss, a layer is out of range, or a hook names a point that this run does
    /// not fire. Token ids are checked, which waits for the device.
    ///
    /// # Panics
    /// If a hook returns another shape than it was given.
    pub fn forward<H: Hook + ?Sized>(
        &self,
        input: impl Into<Input>,
        options: &ForwardOptions,
        hooks: &mut H,
    ) -> Result<Output, ForwardError> {
        let input = input.into();
        let run = self.plan(&input, options)?;
        hooks.begin(&run);
        hooks.check(&run)?;
        let (resid, tokens) = match input {
            Input::Tokens(tokens) => (self.embed(tokens.clone(), hooks), Some(tokens)),
            Input::Resid { resid, .. } => (resid, None),
        };
        let resid = self.blocks(resid, run.layers.clone(), hooks);
        if !run.normalizes {
            return Ok(if options.output == OutputKind::Nothing {
                Output::Nothing
            } else {
                Output::Residual(resid)
            });
        }
        let normed = self.ln_final(resid, hooks);
        let whole_logits = hooks.wants(HookPoint::UnembedOut);
        Ok(match (options.output, tokens) {
            (OutputKind::Logits, _) => Output::Logits(self.logits(normed, hooks)),
            (OutputKind::Loss, Some(tokens)) if whole_logits => {
                Output::Loss(loss_of_logits(self.logits(normed, hooks), tokens))
            }
            (OutputKind::Loss, Some(tokens)) => Output::Loss(self.loss_per_token(normed, tokens)),
            _ => {
                if whole_logits {
                    self.logits(normed, hooks);
                }
                Output::Nothing
            }
        })
    }

    /// [`forward`](Self::forward), and the activations at the given points and positions on the way.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn run_with_cache(
        &self,
        input: impl Into<Input>,
        options: &ForwardOptions,
        filter: impl Into<PointFilter>,
        positions: Positions,
    ) -> Result<(Output, ActivationCache), ForwardError> {
        let mut capture = Capture::new(filter).positions(positions);
        let output = self.forward(input, options, &mut capture)?;
        Ok((output, capture.into_cache()))
    }

    /// [`forward`](Self::forward) with a closure in the way: each activation at the given points is replaced by what it returns.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn run_with_hooks(
        &self,
        input: impl Into<Input>,
        options: &ForwardOptions,
        filter: impl Into<PointFilter>,
        edit: impl FnMut(crate::HookPoint, crate::Activation) -> crate::Activation,
    ) -> Result<Output, ForwardError> {
        self.forward(input, options, &mut crate::Edit::new(filter, edit))
    }

    fn plan(&self, input: &Input, options: &ForwardOptions) -> Result<Run, ForwardError> {
        let n_layers = self.config.n_layers;
        let dims = match input {
            Input::Tokens(tokens) => tokens.dims().to_vec(),
            Input::Resid { resid, .. } => resid.dims().to_vec(),
        };
        if dims.contains(&0) {
            return Err(ForwardError::EmptyInput(dims));
        }
        let mut ids = Vec::new();
        let start = match input {
            Input::Tokens(tokens) => {
                ids = self.checked_tokens(tokens)?;
                0
            }
            Input::Resid {
                resid,
                start_at_layer,
            } => {
                let (found, expected) = (resid.dims()[2], self.config.d_model);
                if found != expected {
                    return Err(ForwardError::Width { found, expected });
                }
                // Starting after the last block leaves the final norm, which is useful.
                self.layer("start_at_layer", *start_at_layer)?
            }
        };
        let stop = options
            .stop_at_layer
            .map(|layer| self.layer("stop_at_layer", layer))
            .transpose()?;
        if let Some(stop) = stop.filter(|&stop| stop < start) {
            return Err(ForwardError::StopBeforeStart { start, stop });
        }
        let normalizes = stop.is_none() && options.output != OutputKind::Residual;
        if normalizes && options.output == OutputKind::Loss {
            match input {
                Input::Resid { .. } => {
                    return Err(ForwardError::Loss(
                        "tokens: from a residual, call ln_final and loss_per_token",
                    ));
                }
                Input::Tokens(_) if dims[1] < 2 => {
                    return Err(ForwardError::Loss("at least two positions"));
                }
                Input::Tokens(_) => {}
            }
        }
        Ok(Run {
            n_layers,
            embeds: matches!(input, Input::Tokens(_)),
            layers: start..stop.unwrap_or(n_layers),
            normalizes,
            n_positions: dims[1],
            rows: (0..dims[0])
                .map(|id| RowPlace {
                    id,
                    began: id,
                    ..RowPlace::default()
                })
                .collect(),
            ids,
            cached: false,
        })
    }

    /// Python's meaning of an index that may be negative, with the end included.
    fn layer(&self, option: &'static str, found: isize) -> Result<usize, ForwardError> {
        let n_layers = self.config.n_layers;
        let layer = if found < 0 {
            n_layers.checked_sub(found.unsigned_abs())
        } else {
            Some(found.unsigned_abs())
        };
        layer
            .filter(|&layer| layer <= n_layers)
            .ok_or(ForwardError::Layer {
                option,
                found,
                n_layers,
            })
    }

    /// The tokens, if all are in the vocabulary.
    fn checked_tokens(&self, tokens: &Tensor<2, Int>) -> Result<Vec<u32>, ForwardError> {
        let vocab_size = self.config.vocab_size;
        let ids: Vec<i64> = tokens.to_data().iter::<i64>().collect();
        let is_known = |id: &i64| usize::try_from(*id).is_ok_and(|id| id < vocab_size);
        match ids.iter().find(|id| !is_known(id)) {
            Some(&id) => Err(ForwardError::TokenOutOfRange { id, vocab_size }),
            None => Ok(ids.into_iter().map(|id| id as u32).collect()),
        }
    }
}
