//! Rows of tokens, from text or from a file of them.

use super::text::rows_of;
use super::token_origin::open_table;
use crate::terminal::interrupt;
use anyhow::{Result, ensure};
use dataset_stream::{Budget, Shard, StreamState, TokenStream, TokenTable};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::iter::StepBy;
use std::ops::Range;
use std::path::Path;

/// A row of token ids, or why there is none.
pub(crate) type Row = Result<Vec<u32>, RowError>;

/// A row that cannot be read, from whichever source.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct RowError(Box<dyn Error + Send + Sync>);

/// Rows of tokens, streamed from text or read from a table.
pub(crate) enum Rows {
    Stream(Box<TokenStream>),
    Table {
        table: TokenTable,
        rows: StepBy<Range<usize>>,
        taken: u64,
    },
}

/// Where rows resume.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum RowPlace {
    Stream(Box<StreamState>),
    /// After so many rows.
    Table(u64),
}

impl Rows {
    /// The first rows of a table, or of a worker's part of it, as many as the budget allows, and the ids in each.
    pub(crate) fn table(
        path: &Path,
        shard: Option<Shard>,
        budget: Budget,
    ) -> Result<(Self, usize)> {
        let table = open_table(path)?;
        let (first, step) = shard.map_or((0, 1), |s| (s.index() as usize, s.of() as usize));
        let most = rows_of(budget, table.context_size()).unwrap_or(u64::MAX);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let end = table.len().min(most.saturating_mul(step));
        let rows = (first.min(end)..end).step_by(step);
        ensure!(
            rows.len() > 0,
            "{}: has no row to work on within the budget{} ({} rows in the file)",
            path.display(),
            shard.map_or_else(String::new, |shard| format!(" and shard {shard}")),
            table.len()
        );
        let context_size = table.context_size();
        let rows = Self::Table {
            table,
            rows,
            taken: 0,
        };
        Ok((rows, context_size))
    }

    /// How many there will be, where that is known.
    pub(crate) fn n_rows(&self) -> Option<u64> {
        match self {
            Self::Stream(_) => None,
            Self::Table { rows, taken, .. } => Some(rows.len() as u64 + taken),
        }
    }

    /// Bytes that reading ahead takes.
    pub(crate) fn memory_bytes(&self) -> u64 {
        match self {
            Self::Stream(stream) => stream.memory_bytes(),
            Self::Table { .. } => 0,
        }
    }

    /// Skips the rows of a table that were taken before.
    pub(crate) fn skip_taken(&mut self, n: u64) {
        if let Self::Table { rows, taken, .. } = self {
            for _ in 0..n {
                *taken += u64::from(rows.next().is_some());
            }
        }
    }

    /// Rows of text left out, from the very beginning.
    pub(crate) fn bad_rows(&self) -> Option<u64> {
        match self {
            Self::Stream(stream) => Some(stream.progress().bad_rows),
            Self::Table { .. } => None,
        }
    }

    pub(crate) fn place(&self) -> RowPlace {
        match self {
            Self::Stream(stream) => RowPlace::Stream(Box::new(stream.state())),
            Self::Table { taken, .. } => RowPlace::Table(*taken),
        }
    }
}

impl Iterator for Rows {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if let Err(interrupted) = interrupt::check() {
            return Some(Err(RowError(interrupted.into())));
        }
        match self {
            Self::Stream(stream) => match stream.next() {
                Some(row) => Some(row.map_err(|e| RowError(e.into()))),
                // A signal ends a stream too.
                None => interrupt::check().err().map(|e| Err(RowError(e.into()))),
            },
            Self::Table { table, rows, taken } => {
                let row = table.row(rows.next()?);
                *taken += 1;
                Some(row.map_err(|e| RowError(e.into())))
            }
        }
    }
}
