//! Text data sets as a deterministic stream of packed token rows.
//!
//! A language model reads rows of a fixed number of token ids. This crate makes them from files of text, or passes on
//! rows made earlier, without ever holding a data set in memory:
//!
//! ```text
//! files ──▶ TextSource ──▶ Tokenizer × N threads ──▶ Packer ──▶ rows of context_size ids ──▶ TokenTable
//! ```
//!
//! * [`TextSource`] turns a path, directory or pattern into [`Document`]s: JSON Lines, JSON, plain text, each also gzip or
//!   zstd, Parquet, Arrow, safetensors. The column is found by its name and type, or named.
//! * [`Tokenizer`] is a Hugging Face `tokenizer.json`, with the same ids as the Python library, a great deal faster. It
//!   also gives the exact bytes of each token, for display.
//! * [`Packer`] joins documents into rows, as the notebook does it ([`Packing::Notebook`]) or as SAELens does
//!   ([`Packing::SaeLens`]).
//! * [`TokenStream`] is all three together: one thread reads, N tokenise, and blocks are put back into order before they
//!   are packed. Rows depend on data and options alone, never on the number of threads; memory is bounded by bytes.
//! * [`TokenTable`] keeps rows in a safetensors file, or in a folder of such files ([`TokenFolderWriter`]), that is written
//!   whole or not at all, and read by mapping it.
//!
//! There are no tensors here, no async runtime, no global state, and nothing is printed: progress goes to an [`Observer`](sae_progress::Observer),
//! which may also stop the work, diagnostics to `tracing`.
//!
//! ```
//! use dataset_stream::{Budget, SourceOptions, StreamOptions, TextSource, TokenStream, Tokenizer};
//!
//! # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/goldens/data/text"))?;
//! let tokenizer = Tokenizer::from_file("gpt2/tokenizer.json")?;
//! let source = TextSource::open("rows.parquet", &SourceOptions::default())?;
//! let mut options = StreamOptions::new(64);
//! options.budget = Budget::Sequences(3);
//! for row in TokenStream::new(source, &tokenizer, &options)? {
//!     let row = row?;
//!     assert_eq!(row.len(), 64);
//!     assert_eq!(Some(row[0]), tokenizer.bos());
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Hostile input
//!
//! Files are taken to be hostile. A row has a largest size ([`SourceOptions::max_record_bytes`]), ids a largest value,
//! headers are checked against the file before anything is allocated, and a panic in a library that reads them becomes an
//! error. Errors name the file, the line or row, the column, what was found and what was expected. A compressed stream that
//! stops early is always an error, never a shorter data set.
//!
//! # Tasks
#![doc = include_str!("../README.md")]

mod document;
mod packing;
mod prompts;
mod source;
mod stream;
mod table;
mod token_files;
mod tokenizer;

pub use document::{Content, Document, Location, Place};
pub use packing::{Packer, Packing, SaeLensIds, SaeLensPacking, TokenRef};
pub use prompts::{
    LabelledText, Prompt, PromptError, read_conversations, read_labelled, read_pairs, read_prompts,
};
pub use source::{BadRow, BadRows, ReadError, SourceError, SourceOptions, TextSource};
pub use stream::{
    Budget, Pretokenized, Shard, ShardError, Shuffle, StateError, StreamError, StreamOptions,
    StreamProgress, StreamState, TokenStream,
};
#[cfg(feature = "parquet")]
pub use table::TokenParquetWriter;
pub use table::{TokenFolderWriter, TokenTable, TokenTableWriter};
pub use token_files::{TableError, TableMetadata};
pub use tokenizer::{
    DecodeError, EncodeError, SingleTokenError, SpecialText, SpecialTokens, Tokenizer,
    TokenizerError,
};
