//! JSON Lines: blocks of whole lines, found by their last line break. Lines are taken apart later.

use std::sync::Arc;

use super::bad::BadCell;
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

    /// Reads whole lines, at least `target` bytes of them unless the file ends; `None` for a line beyond the limit.
    fn read(&mut self, target: usize, limit: usize) -> Result<Option<Vec<u8>>, ReadError> {
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
                return Ok(None);
            }
        }
        Ok(Some(buf))
    }

    /// Reads on to the next line.
    fn skip_line(&mut self) -> Result<(), ReadError> {
        let mut buf = Vec::new();
        while !self.at_end {
            buf.clear();
            self.at_end = self.bytes.read_up_to(CHUNK, &mut buf)? < CHUNK;
            if let Some(end) = memchr::memchr(b'\n', &buf) {
                self.carry = buf.split_off(end + 1);
                break;
            }
        }
        self.next_line += 1;
        Ok(())
    }

    fn location(&self, place: Place) -> Location {
        Location {
            file: Arc::clone(&self.file.name),
            place,
        }
    }

    /// A block of one line that was longer than is accepted, and has not been kept.
    fn too_long(&self, line: u64, limit: usize) -> Block {
        Block {
            file: Arc::clone(&self.file.name),
            file_number: 0,
            rows: Rows::Lines {
                buf: b"\n".to_vec(),
                first_line: line,
                column: None,
            },
            bad: vec![(0, BadCell::TooLong)],
            limit,
            on_disk: 0,
        }
    }
}

impl BlockReader for Lines {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        loop {
            let line = self.next_line;
            let Some(mut buf) = self.read(context.target, context.limit)? else {
                if !context.skips {
                    return Err(ReadError::TooLong {
                        location: self.location(Place::Line(line)),
                        limit: context.limit,
                    });
                }
                self.skip_line()?;
                return Ok(Some(self.too_long(line, context.limit)));
            };
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
            if first.len() > context.limit && !context.skips {
                return Err(ReadError::TooLong {
                    location: self.location(place),
                    limit: context.limit,
                });
            }
            let mut cursor = Cursor::default();
            let limit = context.limit;
            let lines = std::iter::from_fn(|| next_line(&buf, first_line, &mut cursor))
                .filter(|(line, _)| line.len() <= limit)
                .map(|(line, place)| (line, self.location(place)));
            let column = context.json_column(lines)?;
            return Ok(Some(Block {
                file: Arc::clone(&self.file.name),
                file_number: 0,
                rows: Rows::Lines {
                    buf,
                    first_line,
                    column,
                },
                bad: Vec::new(),
                limit: context.limit,
                on_disk: 0,
            }));
        }
    }

    fn on_disk(&self) -> u64 {
        self.bytes.on_disk()
    }
}
