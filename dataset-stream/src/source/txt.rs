//! A text file: one document.

use std::sync::Arc;

use super::bad::BadCell;
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
        let limit = context.limit;
        let mut buf = Vec::new();
        let too_long = self.bytes.read_up_to(limit.saturating_add(1), &mut buf)? > limit;
        without_bom(&mut buf);
        let (buf, bad) = match String::from_utf8(buf) {
            _ if too_long => (String::new(), vec![(0, BadCell::TooLong)]),
            Ok(buf) => (buf, Vec::new()),
            Err(e) => {
                let byte = e.utf8_error().valid_up_to();
                (String::new(), vec![(0, BadCell::Utf8(byte))])
            }
        };
        if let Some((_, bad)) = bad.first().filter(|_| !context.skips) {
            let location = Location {
                file: Arc::clone(&self.file.name),
                place: Place::Whole,
            };
            return Err(bad.error(location, limit));
        }
        let ends = vec![buf.len()];
        Ok(Some(Block {
            file: Arc::clone(&self.file.name),
            file_number: 0,
            rows: Rows::Texts {
                buf,
                ends,
                places: Places::Whole,
            },
            bad,
            limit,
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
