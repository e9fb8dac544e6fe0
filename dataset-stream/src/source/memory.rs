//! Documents that the caller hands over.

use std::iter::Peekable;
use std::sync::Arc;

use super::block::{Block, Places, Rows};
use super::error::ReadError;
use super::reader::{BlockReader, Context};
use crate::Content;

/// In a block, so that rows without content fill blocks too.
const MOST_ROWS: usize = 8192;

pub(super) struct Memory<I: Iterator> {
    name: Arc<str>,
    documents: Peekable<I>,
    next_row: u64,
}

impl<I: Iterator<Item = Content>> Memory<I> {
    pub(super) fn new(documents: I) -> Self {
        Self {
            name: "(documents in memory)".into(),
            documents: documents.peekable(),
            next_row: 0,
        }
    }

    fn texts(&mut self, target: usize) -> Rows {
        let (mut buf, mut ends) = (String::new(), Vec::new());
        while buf.len() < target
            && ends.len() < MOST_ROWS
            && let Some(Content::Text(text)) = self
                .documents
                .next_if(|next| matches!(next, Content::Text(_)))
        {
            buf.push_str(&text);
            ends.push(buf.len());
        }
        Rows::Texts {
            buf,
            ends,
            places: Places::Rows(self.next_row),
        }
    }

    fn ids(&mut self, target: usize) -> Rows {
        let (mut ids, mut ends) = (Vec::new(), Vec::new());
        while 4 * ids.len() < target
            && ends.len() < MOST_ROWS
            && let Some(Content::Tokens(row)) = self
                .documents
                .next_if(|next| matches!(next, Content::Tokens(_)))
        {
            ids.extend_from_slice(&row);
            ends.push(ids.len());
        }
        Rows::Ids {
            ids,
            ends,
            first_row: self.next_row,
        }
    }
}

impl<I: Iterator<Item = Content> + Send> BlockReader for Memory<I> {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        let rows = match self.documents.peek() {
            None => return Ok(None),
            Some(Content::Text(_)) => self.texts(context.target),
            Some(Content::Tokens(_)) => self.ids(context.target),
        };
        if let Rows::Texts { ends, .. } | Rows::Ids { ends, .. } = &rows {
            self.next_row += ends.len() as u64;
        }
        Ok(Some(Block {
            file: Arc::clone(&self.name),
            file_number: 0,
            rows,
            bad: Vec::new(),
            limit: usize::MAX,
            on_disk: 0,
        }))
    }

    fn on_disk(&self) -> u64 {
        0
    }
}
