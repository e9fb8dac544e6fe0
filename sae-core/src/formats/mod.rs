//! SAEs in other people's files.
//!
//! A file a format: it tells the format by the files alone, reads the configuration, and says which of its tensors is which of ours and
//! what is folded into them. [`RunDir::open`](crate::RunDir::open) finds the format, and loading is the same for all:
//! one tensor after the other, from a mapped file.
//!
//! Where SAELens has a loader of the same format, the result is what that loader's would be if it were right; `docs/formats.md` says where it
//! is not.

mod circuit_tracer;
mod detect;
mod dictionary_learning;
mod error;
mod fold;
mod foreign;
mod format;
mod gemma_scope;
mod gemma_scope_2;
mod keys;
mod layout;
mod linear_pair;
mod llama_scope;
mod open_moss;
mod options;
mod place;
mod set;
mod sparsify;
mod state_dict;
mod table;
mod temporal;

pub(crate) use circuit_tracer::{layer_hook, yaml};
pub(crate) use detect::{Found, detect, read};
pub use error::FormatError;
pub(crate) use fold::Folding;
pub use foreign::Foreign;
pub(crate) use foreign::Theirs;
pub use format::{Format, UnknownFormat};
pub(crate) use keys::Keys;
pub use layout::{FormatFiles, files_of};
pub use options::{GivenActivation, ParseActivationError, RunOptions};
pub(crate) use place::hook_of_submodule;
pub use set::layers_of_set;
pub use table::{FORMATS, FormatInfo};
