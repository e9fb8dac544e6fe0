//! What `sae train` starts from, and what it does between steps.

mod cached;
mod config;
mod data;
mod memory;
mod out;
mod page;
mod runs;
mod stoppable;
mod watch;

pub(crate) use cached::{Evaluated, cached_rows};
pub(crate) use config::settle;
pub(crate) use data::{Data, Expected, at_once, buffer_tokens};
pub(crate) use memory::{evaluation_memory, shares, training_memory, whole_model, work};
pub(crate) use out::OutFolder;
pub(crate) use runs::{NamedRead, Planned, model_hooks, planned};
pub(crate) use stoppable::Stoppable;
pub(crate) use watch::{CE_SCORE, Outcome, Watch};
