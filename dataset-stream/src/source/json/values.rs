//! `.json` files: an array of values, or values one after the other, read as a stream.

use std::sync::Arc;

use super::scanner::{Scanner, Shape};
use crate::source::block::{Block, Rows, ValueSpan};
use crate::source::bytes::{Bytes, without_bom};
use crate::source::error::ReadError;
use crate::source::reader::{BlockReader, Context};
use crate::source::spec::DataFile;
use crate::{Location, Place};

const CHUNK: usize = 64 << 10;

pub(in crate::source) struct Values {
    file: Arc<DataFile>,
    bytes: Bytes,
    scanner: Scanner,
    /// Bytes from the start of the value that is not complete yet.
    carry: Vec<u8>,
    next_index: u64,
    at_end: bool,
}

impl Values {
    pub(in crate::source) fn open(file: Arc<DataFile>) -> Result<Self, ReadError> {
        let bytes = Bytes::open(&file)?;
        Ok(Self {
            file,
            bytes,
            scanner: Scanner::default(),
            carry: Vec::new(),
            next_index: 0,
            at_end: false,
        })
    }

    fn location(&self, index: u64, line: u64) -> Location {
        Location {
            file: Arc::clone(&self.file.name),
            place: Place::Record { index, line },
        }
    }

    fn read(
        &mut self,
        target: usize,
        limit: usize,
    ) -> Result<(Vec<u8>, Vec<ValueSpan>), ReadError> {
        let mut buf = std::mem::take(&mut self.carry);
        let mut spans = Vec::new();
        while !self.at_end {
            let fresh = buf.len();
            self.at_end = self.bytes.read_up_to(CHUNK, &mut buf)? < CHUNK;
            if fresh == 0 && self.scanner.is_fresh() {
                without_bom(&mut buf);
            }
            self.scanner
                .feed(&buf, fresh, &mut spans)
                .map_err(|reason| {
                    let index = self.next_index + spans.len() as u64;
                    ReadError::BadJson {
                        location: self.location(index, self.scanner.line()),
                        byte: 1,
                        reason,
                    }
                })?;
            let open = self
                .scanner
                .open_value()
                .map_or(0, |start| buf.len() - start);
            if open > limit {
                let index = self.next_index + spans.len() as u64;
                return Err(ReadError::TooLong {
                    location: self.location(index, self.scanner.line()),
                    limit,
                });
            }
            if buf.len() >= target && !spans.is_empty() {
                break;
            }
        }
        if self.at_end {
            self.scanner.finish(&buf, &mut spans).map_err(|shape| {
                let read = self.next_index + spans.len() as u64;
                let reason = match shape {
                    Shape::Array => format!("the array is not closed after {read} records"),
                    Shape::Value => format!("record {read} is not complete"),
                };
                ReadError::Truncated {
                    file: self.file.name.to_string(),
                    reason,
                }
            })?;
        }
        // The bytes after the last whole value start the next block.
        let keep_from = self.scanner.open_value().unwrap_or(buf.len());
        self.carry = buf.split_off(keep_from);
        self.scanner.rebase(keep_from);
        Ok((buf, spans))
    }
}

impl BlockReader for Values {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        let (buf, spans) = self.read(context.target, context.limit)?;
        if spans.is_empty() {
            return Ok(None);
        }
        let first_index = self.next_index;
        self.next_index += spans.len() as u64;
        let values = (first_index..)
            .zip(&spans)
            .map(|(i, span)| (&buf[span.start..span.end], self.location(i, span.line)));
        let column = context.json_column(values)?;
        Ok(Some(Block {
            file: Arc::clone(&self.file.name),
            file_number: 0,
            rows: Rows::Values {
                buf,
                spans,
                first_index,
                column,
            },
            bad: Vec::new(),
            limit: context.limit,
            on_disk: 0,
        }))
    }

    fn on_disk(&self) -> u64 {
        self.bytes.on_disk()
    }

    fn window_bytes(&self) -> u64 {
        self.bytes.window_bytes()
    }
}
