//! The options that say how much memory to take.

use sae_backend::{ParseSizeError, parse_bytes};
use std::str::FromStr;

/// Options of commands that run a model.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct MemoryArgs {
    /// Stay below this much memory, of the host or of the GPU; by default what is free
    #[arg(long, value_name = "SIZE", help_heading = "Memory")]
    pub(crate) memory: Option<Size>,
    /// Print the memory plan and stop
    #[arg(long, help_heading = "Memory")]
    pub(crate) plan: bool,
    /// Stream the weights from their files block by block, even if they would fit in memory
    #[arg(long, help_heading = "Memory")]
    pub(crate) stream_layers: bool,
}

/// A number of bytes: `8GiB`, `500 MB`, `1.5G`, `1073741824`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

impl FromStr for Size {
    type Err = ParseSizeError;

    fn from_str(text: &str) -> Result<Self, ParseSizeError> {
        parse_bytes(text).map(Self)
    }
}
