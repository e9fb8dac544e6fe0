//! Every reader of foreign bytes as a function of bytes, for a fuzzer and for the corpus that CI replays.
//!
//! A [`Target`] takes any bytes whatsoever: it must come back without a panic, within a second, and in the memory that [`memory_for`] allows.
//! What the reader says about the bytes does not matter. Targets that read several files split their input at [`PART`].

mod allocator;
mod folders;
mod hub;
mod json;
mod model;
mod panics;
mod sae;
mod scratch;
mod serve;
mod text;
mod tokens;
mod train;

pub use allocator::{CountingAllocator, memory_for};
pub use panics::{fail, note_panic, noted_panic};
pub use scratch::PART;

/// A reader under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, and that of its folder in `corpus`.
    pub name: &'static str,
    /// Reads the bytes, and forgets what it has read.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:literal => $run:path),* $(,)?) => {
        /// All targets.
        pub const TARGETS: &[Target] = &[$(Target { name: $name, run: $run }),*];
    };
}

targets! {
    "jsonl" => text::jsonl,
    "json" => text::json,
    "txt" => text::txt,
    "gzip" => text::gzip,
    "zstd" => text::zstd,
    "parquet" => text::parquet,
    "arrow" => text::arrow,
    "prompts" => text::prompts,
    "token_table" => tokens::table,
    "token_folder" => tokens::folder,
    "tokenizer" => tokens::tokenizer,
    "chat_template" => tokens::chat_template,
    "chat_config" => tokens::chat_config,
    "stream_state" => json::stream_state,
    "evaluation_state" => json::evaluation_state,
    "graph" => json::graph,
    "generation_config" => json::generation_config,
    "model_config" => json::model_config,
    "labels" => folders::labels,
    "activation_log" => folders::activation_log,
    "activation_cache" => folders::activation_cache,
    "readme" => hub::readme,
    "hub" => hub::answers,
    "serve" => serve::request,
    "model_weights" => model::weights,
    "model_index" => model::index,
    "sae_config" => sae::config,
    "sae_weights" => sae::weights,
    "sae_pickle" => sae::pickle,
    "sae_npz" => sae::npz,
    "sae_folder" => sae::folder,
    "train_config" => train::config,
    "train_toml" => train::toml,
}

/// The target of a name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
