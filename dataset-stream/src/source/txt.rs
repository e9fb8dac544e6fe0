//! A text file: one document.

use std::sync::Arc;

use super::block::{Block, Places, Rows};
use super::bytes::{Bytes, without_bom};
use super::error::ReadError;
use super::reader::{BlockReader, Context};
use super::spec::DataFile;
use crate::{Location, Place};

pub(super) struct Txt {
    file: Arc<DataFile>,
    bytes: Bytes,
    done: bool,
}

impl Txt {
    pub(super) fn open(file: Arc<DataFile>) -> Result<Self, ReadError> {
        let bytes = Bytes::open(&file)?;
        Ok(Self {
            file,
            bytes,
            done: false,
        })
    }
}

impl BlockReader for Txt {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        if std::mem::replace(&mut self.done, true) {
            return Ok(None);
        }
        let location = Location {
            file: Arc::clone(&self.file.name),
            place: Place::Whole,
        };
        let limit = context.limit;
        let mut buf = Vec::new();
        if self.bytes.read_up_to(limit.saturating_add(1), &mut buf)? > limit {
            return Err(ReadError::TooLong { location, limit });
        }
        without_bom(&mut buf);
        let buf = String::from_utf8(buf).map_err(|e| ReadError::BadUtf8 {
            location,
            byte: e.utf8_error().valid_up_to(),
        })?;
        let ends = vec![buf.len()];
        Ok(Some(Block {
            file: Arc::clone(&self.file.name),
            rows: Rows::Texts {
                buf,
                ends,
                places: Places::Whole,
            },
            limit,
            on_disk: 0,
        }))
    }

    fn on_disk(&self) -> u64 {
        self.bytes.on_disk()
    }
}
