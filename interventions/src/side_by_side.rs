//! One prompt continued twice at the same time: by the model as it is, and steered.

use crate::Steering;
use llama_hooked::generate::{GenerateError, GenerateOptions, Generator, NewToken};
use llama_hooked::{Llama, NoHooks};
use std::ops::ControlFlow;

/// Which of the two continuations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The model as it is.
    Plain,
    /// The model with the steering in place.
    Steered,
}

/// A continuation that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SideBySideError {
    /// The model cannot go on.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// The steered model computes what is no number.
    #[error(
        "the steered model's logits are not numbers after {position} positions: an amount is too large, try a smaller one"
    )]
    NotNumbers {
        /// Where.
        position: usize,
    },
}

/// Continues a prompt on both sides by turns, a token each, until both have ended. `observe` hears of every token, and may end it all.
///
/// Each side draws the same random numbers (row 0 of `options.seed`), so that without an effect of the steering both say the same. Each has a
/// cache of keys and values; log-probabilities are those of its own model. `options.n` counts as 1.
///
/// # Errors
/// If a setting is out of its range, the prompt has no tokens, or logits are not numbers.
///
/// # Panics
/// As [`Generator::step`].
pub fn side_by_side(
    model: &Llama,
    prompt: &[u32],
    steering: &mut Steering,
    options: &GenerateOptions,
    mut observe: impl FnMut(Side, &NewToken) -> ControlFlow<()>,
) -> Result<(), SideBySideError> {
    let mut options = options.clone();
    options.n = 1;
    steering.prompt(&[prompt.len()]);
    let mut plain = Generator::new(model, &[prompt], &options)?;
    let mut steered = Generator::new(model, &[prompt], &options)?;
    let mut going = [true, true];
    while going != [false, false] {
        if going[0] {
            let tokens = plain.step(&mut NoHooks)?;
            going[0] = goes_on(&tokens);
            for token in &tokens {
                if observe(Side::Plain, token).is_break() {
                    return Ok(());
                }
            }
        }
        if going[1] {
            let tokens = steered.step(steering).map_err(|error| match error {
                GenerateError::NotNumbers { position, .. } => {
                    SideBySideError::NotNumbers { position }
                }
                other => other.into(),
            })?;
            going[1] = goes_on(&tokens);
            for token in &tokens {
                if observe(Side::Steered, token).is_break() {
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// Whether a row that gave these tokens has more to come.
fn goes_on(tokens: &[NewToken]) -> bool {
    tokens.iter().any(|token| token.stop.is_none())
}
