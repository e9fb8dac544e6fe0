//! Models, tokenizers and SAEs by the names that people give: a path, or a repository on the Hub.

mod model;
mod run;
mod run_on_hub;
mod tokenizer;

pub use model::{FoundModel, ModelError};
pub use run::{RunError, RunPart, find_run, find_run_as, published};
pub use tokenizer::{TokenizerSpecError, find_tokenizer, tokenizer_files};
