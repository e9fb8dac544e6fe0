//! Arrow IPC: record batches one after the other, of which one column is read.
//!
//! Both layouts are read from front to back: a file is a stream with a magic before it and a list of its batches after it.

mod frame;

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{MessageHeader, convert::try_fb_to_schema, root_as_message};
use arrow_schema::{ArrowError, SchemaRef};

use crate::source::block::Block;
use crate::source::bytes::Bytes;
use crate::source::columnar::{ArrowRows, choose};
use crate::source::error::ReadError;
use crate::source::guard::guarded;
use crate::source::reader::{BlockReader, Context};
use crate::source::spec::DataFile;
use crate::{Location, Place};
use frame::{Frame, Frames, check_body};

pub(super) struct Arrow {
    file: Arc<DataFile>,
    frames: Frames,
    schema: Option<SchemaRef>,
    dictionaries: HashMap<i64, ArrayRef>,
    /// The column's place in the schema and its name, once it is known.
    column: Option<(usize, Arc<str>)>,
    rows: Option<ArrowRows>,
    batches: u64,
    next_row: u64,
}

impl Arrow {
    pub(super) fn open(file: Arc<DataFile>) -> Result<Self, ReadError> {
        let bytes = Bytes::open(&file)?;
        Ok(Self {
            frames: Frames::new(Arc::clone(&file), bytes),
            file,
            schema: None,
            dictionaries: HashMap::new(),
            column: None,
            rows: None,
            batches: 0,
            next_row: 0,
        })
    }

    fn corrupt(&self, reason: &str) -> ReadError {
        ReadError::Corrupt {
            file: self.file.name.to_string(),
            format: "Arrow",
            reason: match self.schema {
                Some(_) => format!("record batch {}: {reason}", self.batches),
                None => reason.to_owned(),
            },
        }
    }

    /// The rows of the next record batch; `None` at the end.
    fn next_batch(&mut self, context: &mut Context<'_>) -> Result<Option<ArrowRows>, ReadError> {
        while let Some(frame) = self.frames.next(self.batches)? {
            let message = root_as_message(&frame.header)
                .map_err(|e| self.corrupt(&format!("its header is damaged ({e})")))?;
            match message.header_type() {
                MessageHeader::Schema if self.schema.is_none() => {
                    let read = || {
                        let schema = message.header_as_schema();
                        schema.map(try_fb_to_schema).ok_or_else(absent)?
                    };
                    let schema = guarded(read).map_err(|reason| self.corrupt(&reason))?;
                    let schema = Arc::new(schema);
                    let location = Location {
                        file: Arc::clone(&self.file.name),
                        place: Place::Row(0),
                    };
                    self.column = Some(choose(&schema, &location, context)?);
                    self.schema = Some(schema);
                }
                MessageHeader::DictionaryBatch => self.dictionary(&frame)?,
                MessageHeader::RecordBatch => {
                    if let Some(rows) = self.record_batch(&frame)? {
                        return Ok(Some(rows));
                    }
                }
                MessageHeader::NONE => {}
                other => {
                    let what = other.variant_name().unwrap_or("of no known kind");
                    let reason = format!("a message that is not expected here ({what})");
                    return Err(self.corrupt(&reason));
                }
            }
        }
        if self.schema.is_none() {
            return Err(self.corrupt("it ends before its schema"));
        }
        Ok(None)
    }

    fn dictionary(&mut self, frame: &Frame) -> Result<(), ReadError> {
        let mut dictionaries = std::mem::take(&mut self.dictionaries);
        let read = || {
            let message = root_as_message(&frame.header).map_err(damaged)?;
            let batch = message.header_as_dictionary_batch().ok_or_else(absent)?;
            let schema = self.schema.as_ref().ok_or_else(no_schema)?;
            check_body(batch.data().ok_or_else(absent)?, &frame.body)?;
            let version = message.version();
            read_dictionary(&frame.body, batch, schema, &mut dictionaries, &version)
        };
        guarded(read).map_err(|reason| self.corrupt(&format!("its dictionary: {reason}")))?;
        self.dictionaries = dictionaries;
        Ok(())
    }

    /// The rows of a batch; `None` if it has none.
    fn record_batch(&mut self, frame: &Frame) -> Result<Option<ArrowRows>, ReadError> {
        let read = || {
            let message = root_as_message(&frame.header).map_err(damaged)?;
            let batch = message.header_as_record_batch().ok_or_else(absent)?;
            let schema = self.schema.as_ref().ok_or_else(no_schema)?;
            let (index, name) = self.column.as_ref().ok_or_else(no_schema)?;
            check_body(batch, &frame.body)?;
            let batch = read_record_batch(
                &frame.body,
                batch,
                Arc::clone(schema),
                &self.dictionaries,
                Some(&[*index]),
                &message.version(),
            )?;
            Ok::<_, ArrowError>((Arc::clone(batch.column(0)), Arc::clone(name)))
        };
        let (array, name) = guarded(read).map_err(|reason| self.corrupt(&reason))?;
        let first_row = self.next_row;
        self.next_row += array.len() as u64;
        self.batches += 1;
        let rows = ArrowRows::new(array, first_row, name);
        Ok((self.next_row > first_row).then_some(rows))
    }
}

fn absent() -> ArrowError {
    ArrowError::IpcError("a message is not what its header says".into())
}

fn no_schema() -> ArrowError {
    ArrowError::IpcError("there is no schema before it".into())
}

fn damaged(error: impl std::fmt::Display) -> ArrowError {
    ArrowError::IpcError(error.to_string())
}

impl BlockReader for Arrow {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        loop {
            if let Some((rows, bad)) = self
                .rows
                .as_mut()
                .and_then(|rows| rows.take(context.target))
            {
                return Ok(Some(Block {
                    file: Arc::clone(&self.file.name),
                    file_number: 0,
                    rows,
                    bad,
                    limit: context.limit,
                    on_disk: 0,
                }));
            }
            // The batch before goes first, so that only one is in hand.
            self.rows = None;
            self.rows = self.next_batch(context)?;
            if self.rows.is_none() {
                return Ok(None);
            }
        }
    }

    fn on_disk(&self) -> u64 {
        self.frames.on_disk()
    }
}
