//! JSON Lines: blocks of whole lines, found by their last line break. Lines are taken apart later.

use std::sync::Arc;

use crate::source::bad::BadCell;
use crate::source::block::{Block, Cursor, Rows, next_line};
use crate::source::bytes::{Bytes, without_bom};
use crate::source::error::ReadError;
use crate::source::reader::{BlockReader, Context};
use crate::source::spec::DataFile;
use crate::{Location, Place};

const CHUNK: usize = 64 << 10;

pub(in crate::source) struct Lines {
    file: Arc<DataFile>,
    bytes: Bytes,
    /// The start of a line whose end has not been read.
    carry: Vec<u8>,
    next_line: u64,
    at_end: bool,
    /// Lines end in a carriage return alone, as on old Macs; known once the first bytes have been read.
    bare_cr: Option<bool>,
}

impl Lines {
    pub(in crate::source) fn open(file: Arc<DataFile>) -> Result<Self, ReadError> {
        let bytes = Bytes::open(&file)?;
        Ok(Self {
            file,
            bytes,
            carry: Vec::new(),
            next_line: 1,
            at_end: false,
            bare_cr: None,
        })
    }

    /// Reads whole lines, at least `target` bytes of them unless the file ends; `None` for a line beyond the limit.
    fn read(&mut self, target: usize, limit: usize) -> Result<Option<Vec<u8>>, ReadError> {
        let mut buf = std::mem::take(&mut self.carry);
        while !self.at_end {
            let fresh = buf.len();
            self.read_chunk(&mut buf)?;
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

    /// Appends some bytes, in which lines end in a line feed.
    fn read_chunk(&mut self, buf: &mut Vec<u8>) -> Result<(), ReadError> {
        let from = buf.len();
        self.at_end = self.bytes.read_up_to(CHUNK, buf)? < CHUNK;
        let fresh = &mut buf[from..];
        let at_end = self.at_end;
        let bare_cr = *self.bare_cr.get_or_insert_with(|| {
            // Of a return that comes last, the line feed may not have been read yet.
            let seen = fresh.strip_suffix(b"\r").filter(|_| !at_end);
            let seen = seen.unwrap_or(fresh);
            !seen.contains(&b'\n') && seen.contains(&b'\r')
        });
        if bare_cr {
            // JSON has none within strings, so each is a break or a space.
            for byte in fresh.iter_mut().filter(|byte| **byte == b'\r') {
                *byte = b'\n';
            }
        }
        Ok(())
    }

    /// Reads on to the next line.
    fn skip_line(&mut self) -> Result<(), ReadError> {
        let mut buf = Vec::new();
        while !self.at_end {
            buf.clear();
            self.read_chunk(&mut buf)?;
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

    fn window_bytes(&self) -> u64 {
        self.bytes.window_bytes()
    }
}
