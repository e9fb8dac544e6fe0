//! The options of commands that look into one prompt: where their results go.

use std::path::PathBuf;

/// Files of results.
#[derive(Debug, clap::Args)]
pub(crate) struct SheetArgs {
    /// Write a page: one HTML file that opens from disk
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) page: Option<PathBuf>,
    /// Write the figures as CSV; with -, to stdout in place of the text
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub(crate) csv: Option<PathBuf>,
}
