//! The activations of all features on all tokens, the zeros left out, on disk.
//!
//! Three files of little-endian numbers grow at their ends, and `log.json` says how far they are valid:
//!
//! | file | of each | holds |
//! |---|---|---|
//! | `entries.bin` | activation above zero | the feature, u32, and its value, f32; features ascending within a token |
//! | `tokens.bin` | token | where its entries end, counted from its context's first, u32; the top bit is set where the token does not count |
//! | `contexts.bin` | context | its number and the number of its first entry, u64 each |

#[cfg(target_endian = "big")]
compile_error!("the log's files are read as they lie, and are little-endian");

mod error;
mod read;
mod write;

pub use error::LogError;
pub use read::{ActivationLog, Entry};
pub use write::LogWriter;

use serde::{Deserialize, Serialize};
use serde_json::Value;

const FORMAT: &str = "sae activation log 1";
const STATE: &str = "log.json";
const ENTRIES: &str = "entries.bin";
const TOKENS: &str = "tokens.bin";
const CONTEXTS: &str = "contexts.bin";
/// Bytes of an entry, of a token and of a context.
const ENTRY: u64 = 8;
const TOKEN: u64 = 4;
const CONTEXT: u64 = 16;
/// In `tokens.bin`: the token does not count.
const LEFT_OUT: u32 = 1 << 31;

/// What a log was made from, and its sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogInfo {
    /// Width of the dictionary.
    pub d_sae: u32,
    /// Tokens in each context.
    pub context_size: u32,
    /// Whatever else must be the same for logs to belong together: model, SAE, data, masking.
    pub made_from: Value,
}

/// `log.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct State {
    format: String,
    info: LogInfo,
    /// How many contexts and entries are valid.
    contexts: u64,
    entries: u64,
    /// Whether there will be no more.
    finished: bool,
    /// The caller's state.
    resume: Value,
}

#[cfg(test)]
mod tests;
