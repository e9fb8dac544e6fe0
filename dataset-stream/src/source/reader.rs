//! The files of a source, one after the other, as blocks.

use std::sync::Arc;

#[cfg(feature = "arrow")]
use super::arrow;
use super::block::Block;
use super::error::ReadError;
use super::json::record::Column;
use super::json::{lines, values};
#[cfg(feature = "parquet")]
use super::parquet;
use super::spec::DataFile;
use super::spec::format::Format;
use super::{BadRows, SourceOptions, columns, safetensors, txt};
use crate::Location;

/// Blocks start small, so that the first rows come at once, and grow to what keeps threads busy.
const FIRST_BLOCK: usize = 64 << 10;
const FULL_BLOCK: usize = 1 << 20;

/// One file, or anything else that gives rows.
pub(crate) trait BlockReader: Send {
    /// The next rows; `None` at the end.
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError>;

    /// Bytes taken from the disk so far.
    fn on_disk(&self) -> u64;

    /// Bytes of the window that the decompressor keeps.
    fn window_bytes(&self) -> u64 {
        0
    }
}

/// What a [`BlockReader`] needs to know about the source it is part of.
pub(crate) struct Context<'a> {
    /// Bytes of rows that a block should hold; a single longer row is a block of its own.
    pub(crate) target: usize,
    /// The longest row that is accepted, in bytes.
    pub(crate) limit: usize,
    /// Whether rows that cannot be used are left out.
    pub(crate) skips: bool,
    wanted: Option<&'a str>,
    known: &'a mut Option<Arc<Column>>,
}

impl Context<'_> {
    /// The column that the user named or that earlier rows have, else what `detect` finds, for good.
    pub(crate) fn column(
        &mut self,
        detect: impl FnOnce() -> Result<Column, ReadError>,
    ) -> Result<Arc<Column>, ReadError> {
        if let Some(known) = &self.known {
            return Ok(Arc::clone(known));
        }
        let column = match self.wanted {
            Some(name) => Column::Named(name.into()),
            None => detect()?,
        };
        tracing::debug!(%column, "reading column");
        Ok(Arc::clone(self.known.insert(Arc::new(column))))
    }

    /// The column that the user named.
    pub(crate) fn wanted(&self) -> Option<&str> {
        self.wanted
    }

    /// [`Context::column`] for JSON: detected from the first record or, where bad rows are left out, from the first that has one;
    /// `None` if none of these does.
    pub(crate) fn json_column<'r>(
        &mut self,
        records: impl Iterator<Item = (&'r [u8], Location)>,
    ) -> Result<Option<Arc<Column>>, ReadError> {
        for (record, location) in records {
            match self.column(|| columns::detect(record, location)) {
                Ok(column) => return Ok(Some(column)),
                Err(_) if self.skips => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// All files of a source.
pub(crate) struct Reader {
    files: Vec<DataFile>,
    /// Which of the files are read, by their numbers in `files`, first to last.
    order: Vec<usize>,
    /// Files of `order` opened so far.
    opened: usize,
    current: Option<Box<dyn BlockReader>>,
    column: Option<Arc<Column>>,
    options: SourceOptions,
    target: usize,
    finished_bytes: u64,
    peeked: Option<Block>,
}

impl Reader {
    pub(crate) fn new(files: Vec<DataFile>, options: &SourceOptions) -> Self {
        Self {
            order: (0..files.len()).collect(),
            files,
            opened: 0,
            current: None,
            column: None,
            options: options.clone(),
            target: FIRST_BLOCK,
            finished_bytes: 0,
            peeked: None,
        }
    }

    pub(crate) fn of(reader: Box<dyn BlockReader>, options: &SourceOptions) -> Self {
        Self {
            current: Some(reader),
            opened: 1,
            ..Self::new(Vec::new(), options)
        }
    }

    /// Reads these files in this order, from the first of them on; the column that has been found stays.
    pub(crate) fn set_order(&mut self, order: Vec<usize>) {
        let is_begun = self.order.get(..self.opened);
        if is_begun != order.get(..self.opened) {
            (self.peeked, self.current, self.opened) = (None, None, 0);
            self.finished_bytes = 0;
        }
        self.order = order;
    }

    /// The number of files there are, whether they are read or not.
    pub(crate) fn n_files(&self) -> usize {
        self.files.len()
    }

    /// Bytes on disk of the files that are read.
    pub(crate) fn total_bytes(&self) -> u64 {
        self.bytes_before(self.order.len())
    }

    fn bytes_before(&self, place: usize) -> u64 {
        let order = &self.order[..place.min(self.order.len())];
        order.iter().map(|&file| self.files[file].bytes).sum()
    }

    /// Goes on at a file, by its place in the order; the column that has been found stays.
    pub(crate) fn skip_to_file(&mut self, place: usize) {
        if place < self.opened {
            // It is open, or was found to be empty when the first block was read.
            return;
        }
        (self.peeked, self.current) = (None, None);
        self.opened = place.min(self.order.len());
        self.finished_bytes = self.bytes_before(self.opened);
    }

    /// Bytes of the window that the decompressor of the file that is open keeps.
    pub(crate) fn window_bytes(&self) -> u64 {
        self.current
            .as_ref()
            .map_or(0, |reader| reader.window_bytes())
    }

    pub(crate) fn options(&self) -> &SourceOptions {
        &self.options
    }

    /// Reads the first block now, so that a source that cannot be read is known at once.
    pub(crate) fn peek(&mut self) -> Result<(), ReadError> {
        self.peeked = self.next_block()?;
        Ok(())
    }

    pub(crate) fn next_block(&mut self) -> Result<Option<Block>, ReadError> {
        if let Some(block) = self.peeked.take() {
            return Ok(Some(block));
        }
        loop {
            if self.current.is_none() {
                let Some(&number) = self.order.get(self.opened) else {
                    return Ok(None);
                };
                let file = &self.files[number];
                tracing::debug!(file = %file.name, "opening");
                self.current = Some(open(file.clone())?);
                self.opened += 1;
            }
            let Some(current) = &mut self.current else {
                return Ok(None);
            };
            let mut context = Context {
                target: self.target,
                limit: self.options.max_record_bytes,
                skips: self.options.bad_rows != BadRows::Error,
                wanted: self.options.column.as_deref(),
                known: &mut self.column,
            };
            let block = current.next_block(&mut context)?;
            let on_disk = current.on_disk();
            if let Some(mut block) = block {
                self.target = (self.target * 2).min(FULL_BLOCK);
                block.on_disk = self.finished_bytes + on_disk;
                block.file_number = self.opened.saturating_sub(1);
                return Ok(Some(block));
            }
            self.finished_bytes += on_disk;
            self.current = None;
        }
    }
}

fn open(file: DataFile) -> Result<Box<dyn BlockReader>, ReadError> {
    let file = Arc::new(file);
    Ok(match file.format {
        Format::Jsonl => Box::new(lines::Lines::open(file)?),
        Format::Json => Box::new(values::Values::open(file)?),
        Format::Txt => Box::new(txt::Txt::open(file)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::Parquet::open(file)?),
        #[cfg(feature = "arrow")]
        Format::Arrow => Box::new(arrow::Arrow::open(file)?),
        Format::Safetensors => Box::new(safetensors::TableRows::open(&file)),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => return Err(not_built(&file, "parquet")),
        #[cfg(not(feature = "arrow"))]
        Format::Arrow => return Err(not_built(&file, "arrow")),
    })
}

#[cfg(not(all(feature = "parquet", feature = "arrow")))]
fn not_built(file: &DataFile, feature: &'static str) -> ReadError {
    ReadError::NotBuilt {
        file: file.name.to_string(),
        feature,
    }
}
