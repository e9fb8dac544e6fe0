//! What `sae contrast` compares: prompts as tokens, SAEs at their hooks, and what is shown of them.

mod found;
mod prompts;
mod saes;

pub(crate) use found::{Shown, found};
pub(crate) use prompts::{Sets, read, reduce, settings};
pub(crate) use saes::Saes;
