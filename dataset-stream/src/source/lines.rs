//! JSON Lines: blocks of whole lines, found by their last line break. Lines are taken apart later.

use std::sync::Arc;

use super::block::{Block, Cursor, Rows, next_line};
use super::bytes::{Bytes, without_bom};
use super::error::ReadError;
use super::reader::{BlockReader, Context};
use super::spec::DataFile;
use crate::{Location, Place};

const CHUNK: usize = 64 << 10;

pub(super) struct Lines {
    file: Arc<DataFile>,
    bytes: Bytes,
    /// The start of a line whose end has not been read.
    carry: Vec<u8>,
    next_line: u64,
    at_end: bool,
}

impl Lines {
    pub(super) fn open(file: Arc<DataFile>) -> Result<Self, ReadError> {
        let bytes = Bytes::open(&file)?;
        Ok(Self {
            file,
            bytes,
            carry: Vec::new(),
            next_line: 1,
            at_end: false,
        })
    }

    /// Reads whole lines, at least `target` bytes of them unless the file ends.
    fn read(&mut self, target: usize, limit: usize) -> Result<Vec<u8>, ReadError> {
        let mut buf = std::mem::take(&mut self.carry);
        while !self.at_end {
            let fresh = buf.len();
            self.at_end = self.bytes.read_up_to(CHUNK, &mut buf)? < CHUNK;
            if self.at_end || buf.len() < target {
                continue;
            }
            // Only the fresh bytes can hold a break: of the earlier ones either none did, or the target was not reached.
            let from = if fresh < target { 0 } else { fresh };
            if let Some(last) = memchr::memrchr(b'\n', &buf[from..]) {
                self.carry = buf.split_off(from + last + 1);
                break;
            }
            if buf.len() > limit {
                let location = Location {
                    file: Arc::clone(&self.file.name),
                    place: Place::Line(self.next_line),
                };
                return Err(ReadError::TooLong { location, limit });
            }
        }
        Ok(buf)
    }
}

impl BlockReader for Lines {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        loop {
            let mut buf = self.read(context.target, context.limit)?;
            if buf.is_empty() {
                return Ok(None);
            }
            let first_line = self.next_line;
            if first_line == 1 {
                without_bom(&mut buf);
            }
            self.next_line += memchr::memchr_iter(b'\n', &buf).count() as u64;
            // A block of blank lines has nothing to detect a column from, and nothing to hand on.
            let Some((first, place)) = next_line(&buf, first_line, &mut Cursor::default()) else {
                continue;
            };
            let location = Location {
                file: Arc::clone(&self.file.name),
                place,
            };
            if first.len() > context.limit {
                return Err(ReadError::TooLong {
                    location,
                    limit: context.limit,
                });
            }
            let column = context.json_column(first, location)?;
            return Ok(Some(Block {
                file: Arc::clone(&self.file.name),
                rows: Rows::Lines {
                    buf,
                    first_line,
                    column,
                },
                limit: context.limit,
                on_disk: 0,
            }));
        }
    }

    fn on_disk(&self) -> u64 {
        self.bytes.on_disk()
    }
}
