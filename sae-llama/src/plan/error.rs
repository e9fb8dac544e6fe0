//! Work that does not fit into memory.

use super::{Part, TooLarge};
use sae_backend::{Memory, format_bytes};
use std::fmt;

/// Parts that a smaller SAE makes smaller.
const OF_SAES: [&str; 5] = ["SAE", "further SAE", "SAEs", "training", "one transcoder"];

/// A refusal: how much is needed for what, how much there is, and what would fit.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlanError {
    /// Rows in a batch, those asked for or one.
    pub rows: usize,
    /// Tokens in a row.
    pub context_size: usize,
    /// Bytes that a batch needs, everything included.
    pub needed_bytes: u64,
    /// The memory there is.
    pub limit: Memory,
    /// Whether this is with weights streamed block by block already.
    pub streamed: bool,
    /// Every use of memory.
    pub parts: Vec<Part>,
    /// The largest batch that fits, if one does.
    pub fitting_rows: Option<usize>,
    /// A tensor that the device cannot hold, whatever its memory.
    pub too_large: Option<Box<TooLarge>>,
}

impl std::error::Error for PlanError {}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(too_large) = &self.too_large {
            write!(f, "{too_large}")?;
            return match self.fitting_rows {
                Some(rows) => write!(f, "; {rows} rows at a time fit"),
                None => Ok(()),
            };
        }
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|part| format!("{} {}", part.name, format_bytes(part.bytes)))
            .collect();
        let streamed = if self.streamed {
            ", even with the weights streamed block by block"
        } else {
            ""
        };
        let (rows, need) = match self.rows {
            1 => ("row", "needs"),
            _ => ("rows", "need"),
        };
        write!(
            f,
            "this does not fit in memory: {} {rows} of {} tokens at a time {need} {}{streamed}, and there are {}; {}; ",
            self.rows,
            self.context_size,
            format_bytes(self.needed_bytes),
            self.limit,
            parts.join(", "),
        )?;
        match self.fitting_rows {
            Some(rows) => write!(f, "{rows} rows at a time fit"),
            None if self.parts.iter().any(|part| OF_SAES.contains(&part.name)) => {
                f.write_str("shorter rows, a smaller SAE, or more memory would make it fit")
            }
            None => f.write_str("shorter rows or more memory would make it fit"),
        }
    }
}
