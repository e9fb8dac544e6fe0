//! A worker's job: a block of documents in, their ids out.

use std::sync::Once;

use crate::source::{Block, Cursor, RowRef, Scratch};
use crate::stream::{Pretokenized, Shard, StreamError, StreamOptions};
use crate::{BadRow, BadRows, Packing, Place, Tokenizer};

/// The ids of a block's documents, end to end.
#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub(super) ids: Vec<u32>,
    pub(super) documents: Vec<Extent>,
    /// The file they are from, by its number.
    pub(super) file: usize,
    pub(super) on_disk: u64,
    /// Rows that were left out.
    pub(super) bad: Vec<BadRow>,
    /// The error that stopped the block after these documents.
    pub(super) error: Option<StreamError>,
}

/// A document among the ids of its block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) start: usize,
    pub(super) end: usize,
    /// It is a row as it stands.
    pub(super) is_row: bool,
    /// Bytes of its text.
    pub(super) text_bytes: u64,
    /// Its number in its file.
    pub(super) ordinal: u64,
}

impl Encoded {
    /// A document, by its number in the block.
    pub(super) fn get(&self, document: usize) -> Option<(&[u32], Extent)> {
        let extent = *self.documents.get(document)?;
        Some((&self.ids[extent.start..extent.end], extent))
    }

    /// Bytes of memory held.
    pub(super) fn bytes(&self) -> usize {
        let bad: usize = self.bad.iter().map(|bad| bad.record.len()).sum();
        4 * self.ids.capacity() + size_of::<Extent>() * self.documents.capacity() + bad
    }
}

/// The settings that are the same for every block.
pub(super) struct Encoder {
    tokenizer: Tokenizer,
    pretokenized: Pretokenized,
    context_size: usize,
    skips: bool,
    /// Where to begin: the file, and the number of the document there.
    start: (usize, u64),
    /// Of all rows, the ones to take.
    stripe: Option<Shard>,
    /// That tokenised rows are cut has been said.
    cut: Once,
    /// BOS, where the packing may put one before a document that begins with one.
    doubled: Option<u32>,
    /// That there are two has been said.
    doubled_said: Once,
}

impl Encoder {
    pub(super) fn new(
        tokenizer: Tokenizer,
        options: &StreamOptions,
        bad_rows: BadRows,
        start: (usize, u64),
        stripe: Option<Shard>,
    ) -> Self {
        // SAELens' packing does not repeat it.
        let is_notebook = options.packing == Packing::Notebook;
        let doubled = tokenizer
            .bos()
            .filter(|_| options.prepend_bos && is_notebook);
        Self {
            stripe,
            tokenizer,
            pretokenized: options.pretokenized,
            context_size: options.context_size,
            skips: bad_rows != BadRows::Error,
            start,
            cut: Once::new(),
            doubled,
            doubled_said: Once::new(),
        }
    }

    /// Encodes documents until the block ends, one is wrong, or `stop` says so.
    pub(super) fn encode(
        &self,
        block: &Block,
        scratch: &mut Scratch,
        stop: &dyn Fn() -> bool,
    ) -> Encoded {
        let mut out = Encoded {
            on_disk: block.on_disk,
            file: block.file_number,
            ..Encoded::default()
        };
        out.ids.reserve(block.bytes() / 4);
        let (file, document) = self.start;
        let mut cursor = if block.file_number == file {
            block.cursor_at(document)
        } else {
            Cursor::default()
        };
        let is_wanted = |row: u64| {
            self.stripe
                .is_none_or(|shard| shard.has_row(block.file_number, row))
        };
        while !stop()
            && let Some(next) = block.next_of(&mut cursor, scratch, is_wanted)
        {
            let start = out.ids.len();
            let result = next.map_err(StreamError::from).and_then(|(row, place)| {
                let (is_row, text_bytes) = match row {
                    RowRef::Text(text) => {
                        self.text(text, block, place, &mut out)?;
                        (false, text.len() as u64)
                    }
                    RowRef::Ids(ids) => (self.ids(ids, block, place, &mut out)?, 0),
                };
                Ok(Extent {
                    start,
                    end: out.ids.len(),
                    is_row,
                    text_bytes,
                    ordinal: place.ordinal(),
                })
            });
            match result {
                Ok(extent) => out.documents.push(extent),
                Err(error) => {
                    out.ids.truncate(start);
                    let Some(location) = error.row().filter(|_| self.skips) else {
                        out.error = Some(error);
                        break;
                    };
                    out.bad.push(BadRow {
                        location: location.clone(),
                        reason: error.to_string(),
                        record: block.last_record(&cursor).to_vec(),
                    });
                }
            }
        }
        out
    }

    fn text(
        &self,
        text: &str,
        block: &Block,
        place: Place,
        out: &mut Encoded,
    ) -> Result<(), StreamError> {
        let start = out.ids.len();
        self.tokenizer
            .encode_into(text, &mut out.ids)
            .map_err(|source| StreamError::Encode {
                location: block.location(place),
                source,
            })?;
        if self.doubled.is_some() && out.ids.get(start).copied() == self.doubled {
            self.doubled_said.call_once(|| {
                tracing::warn!(
                    "{}: the document begins with the text of the BOS token, as a rendered chat template does; a row that \
                     starts there has BOS twice, as in TransformerLens: leave out BOS (prepend_bos), or use SAELens' packing, \
                     which does not repeat it",
                    block.location(place)
                );
            });
        }
        Ok(())
    }

    fn ids(
        &self,
        ids: &[u32],
        block: &Block,
        place: Place,
        out: &mut Encoded,
    ) -> Result<bool, StreamError> {
        let vocab_size = self.tokenizer.vocab_size();
        if let Some(position) = ids.iter().position(|&id| id as usize >= vocab_size) {
            let (location, id) = (block.location(place), ids[position]);
            return Err(StreamError::OutsideVocabulary {
                location,
                id,
                position,
                vocab_size,
            });
        }
        if self.pretokenized == Pretokenized::Documents {
            out.ids.extend_from_slice(ids);
            return Ok(false);
        }
        let row = ids
            .get(..self.context_size)
            .ok_or_else(|| StreamError::RowTooShort {
                location: block.location(place),
                found: ids.len(),
                context_size: self.context_size,
            })?;
        if row.len() < ids.len() {
            self.cut.call_once(|| {
                tracing::warn!(
                    "{}: rows of {} ids are cut to {}",
                    block.file,
                    ids.len(),
                    row.len()
                );
            });
        }
        out.ids.extend_from_slice(row);
        Ok(true)
    }
}
