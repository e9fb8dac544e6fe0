//! Rows of tokens, from text or from a file of them.

use crate::interrupt;
use crate::token_origin::open_table;
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

/// Where rows go on.
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
        let most = match budget {
            Budget::Everything => u64::MAX,
            Budget::Sequences(n) => n,
            Budget::Tokens(n) => n / table.context_size() as u64,
        };
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

    /// Passes over the rows of a table that were taken before.
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
            Self::Stream(stream) => Some(stream.next()?.map_err(|e| RowError(e.into()))),
            Self::Table { table, rows, taken } => {
                let row = table.row(rows.next()?);
                *taken += 1;
                Some(row.map_err(|e| RowError(e.into())))
            }
        }
    }
}
