//! Text that is shown while it comes.

use super::output::{Output, print};
use anyhow::Result;
use std::ops::ControlFlow;

/// One text, as it comes; of several, each as a whole at the end.
pub(crate) struct Shown<'a> {
    output: &'a Output<'a>,
    rows: usize,
}

impl<'a> Shown<'a> {
    pub(crate) fn new(output: &'a Output<'a>, rows: usize) -> Self {
        Self { output, rows }
    }

    /// A piece of a row's text. A reader that has gone away wants no more.
    pub(crate) fn piece(&self, _row: usize, piece: &str) -> ControlFlow<()> {
        if self.rows > 1 || piece.is_empty() || self.output.is_json_alone() {
            return ControlFlow::Continue(());
        }
        match print(piece) {
            Ok(true) => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        }
    }

    /// All texts: what has not been shown yet.
    pub(crate) fn end<'t>(&self, texts: impl Iterator<Item = &'t str>) -> Result<()> {
        if self.output.is_json_alone() {
            return Ok(());
        }
        if self.rows <= 1 {
            return print("\n").map(drop);
        }
        for (row, text) in texts.enumerate() {
            print(&format!("--- {}\n{text}\n", row + 1))?;
        }
        Ok(())
    }
}
