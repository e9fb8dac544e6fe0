//! A token table as a source: its rows, in order.

use std::path::PathBuf;
use std::sync::Arc;

use super::block::{Block, Rows};
use super::error::ReadError;
use super::reader::{BlockReader, Context};
use super::spec::DataFile;
use crate::token_files::Mapped;

pub(super) struct TableRows {
    name: Arc<str>,
    path: PathBuf,
    table: Option<Mapped>,
    next_row: usize,
}

impl TableRows {
    pub(super) fn open(file: &DataFile) -> Self {
        Self {
            name: Arc::clone(&file.name),
            path: file.path.clone(),
            table: None,
            next_row: 0,
        }
    }
}

impl BlockReader for TableRows {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        if self.table.is_none() {
            self.table = Some(Mapped::open(&self.path, context.wanted())?);
        }
        let Some(table) = &self.table else {
            return Ok(None);
        };
        let width = table.context_size;
        let rows = (context.target / (4 * width))
            .clamp(1, table.rows.saturating_sub(self.next_row).max(1));
        let first = self.next_row;
        let last = (first + rows).min(table.rows);
        if first == last {
            return Ok(None);
        }
        let mut ids = Vec::with_capacity((last - first) * width);
        for row in first..last {
            table.read_row(row, &mut ids)?;
        }
        let ends = (1..=last - first).map(|n| n * width).collect();
        self.next_row = last;
        Ok(Some(Block {
            file: Arc::clone(&self.name),
            file_number: 0,
            rows: Rows::Ids {
                ids,
                ends,
                first_row: first as u64,
            },
            bad: Vec::new(),
            limit: context.limit,
            on_disk: 0,
        }))
    }

    fn on_disk(&self) -> u64 {
        self.table.as_ref().map_or(0, |table| {
            (self.next_row * table.context_size * table.bytes_per_id()) as u64
        })
    }
}
