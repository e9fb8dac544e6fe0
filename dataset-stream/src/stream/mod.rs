//! Documents in, rows of ids out, tokenised on threads.

mod conveyor;
mod encode;
mod error;
mod observer;
mod options;
mod pipeline;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use error::StreamError;
pub use observer::{Observer, Progress};
pub use options::{Budget, Pretokenized, StreamOptions};

use crate::packing::{DocumentProgress, Packer};
use crate::source::{Block, Scratch};
use crate::{BadRow, BadRows, TextSource, Tokenizer};
use encode::{Encoded, Encoder, Extent};
use pipeline::{Pipeline, Work};

type BadRowSink = Box<dyn FnMut(&BadRow) + Send>;

/// A data set as rows of `context_size` token ids.
///
/// An iterator over `Result<Vec<u32>, StreamError>`. Threads read and tokenise ahead, within
/// [`StreamOptions::bytes_in_flight`]; the rows and their order depend on the data and the options only, not on the number
/// of threads. The first error ends the stream, after the rows that came before it. Dropping the stream stops its threads
/// once they are through with the document they are at.
pub struct TokenStream {
    /// Gone once the stream has ended, and its threads with it.
    pipeline: Option<Pipeline>,
    packer: Packer,
    context_size: usize,
    most_rows: u64,
    block: Encoded,
    /// The document of `block` being packed, where it starts, and how far the packer is in it.
    document: usize,
    start: usize,
    within: DocumentProgress,
    progress: Progress,
    observer: Option<Box<dyn Observer + Send>>,
    bad_rows: BadRows,
    /// What was wrong with the first row that was left out.
    first_bad: Option<String>,
    bad_row_sink: Option<BadRowSink>,
}

impl TokenStream {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the options contradict themselves or need a special token that the tokenizer does not have, and when no
    /// threads are to be had.
    pub fn new(
        source: TextSource,
        tokenizer: &Tokenizer,
        options: &StreamOptions,
    ) -> Result<Self, StreamError> {
        let packer = options.packer(tokenizer)?;
        let most_rows = options.most_rows()?;
        let total_bytes = source.total_bytes();
        let bad_rows = source.bad_rows();
        let encoder = Encoder::new(tokenizer.clone(), options, bad_rows);
        let work: Arc<Work> = Arc::new(
            move |block: &Block, scratch: &mut Scratch, stop: &dyn Fn() -> bool| {
                encoder.encode(block, scratch, stop)
            },
        );
        let pipeline = Pipeline::start(
            source.into_reader(),
            &work,
            options.threads(),
            options.bytes_in_flight,
        )?;
        Ok(Self {
            pipeline: Some(pipeline),
            packer,
            context_size: options.context_size,
            most_rows,
            block: Encoded::default(),
            document: 0,
            start: 0,
            within: DocumentProgress::default(),
            progress: Progress {
                total_bytes,
                ..Progress::default()
            },
            observer: None,
            bad_rows,
            first_bad: None,
            bad_row_sink: None,
        })
    }

    /// Tells `observer` of progress from now on.
    #[must_use]
    pub fn with_observer(mut self, observer: impl Observer + Send + 'static) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Hands every row that is left out to `sink` from now on, in the order of the data set.
    #[must_use]
    pub fn with_bad_rows(mut self, sink: impl FnMut(&BadRow) + Send + 'static) -> Self {
        self.bad_row_sink = Some(Box::new(sink));
        self
    }

    /// How far the stream is.
    pub fn progress(&self) -> Progress {
        self.progress
    }

    /// Ids in a row.
    pub fn context_size(&self) -> usize {
        self.context_size
    }

    fn next_row(&mut self) -> Result<Option<Vec<u32>>, StreamError> {
        loop {
            while let Some(&Extent { end, is_row }) = self.block.documents.get(self.document) {
                let ids = &self.block.ids[self.start..end];
                if !is_row && let Some(row) = self.packer.next_row(ids, &mut self.within) {
                    return Ok(Some(row));
                }
                let row = is_row.then(|| ids.to_vec());
                self.progress.documents += 1;
                self.progress.tokens += ids.len() as u64;
                self.document += 1;
                self.start = end;
                self.within = DocumentProgress::default();
                if row.is_some() {
                    return Ok(row);
                }
            }
            if self.next_block()?.is_break() {
                return Ok(None);
            }
        }
    }

    fn next_block(&mut self) -> Result<ControlFlow<()>, StreamError> {
        if let Some(error) = self.block.error.take() {
            return Err(error);
        }
        self.take_bad_rows()?;
        self.progress.text_bytes += self.block.text_bytes;
        self.progress.bytes_read = self.progress.bytes_read.max(self.block.on_disk);
        if self.document > 0
            && let Some(observer) = &mut self.observer
            && observer.progress(&self.progress).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        // The old block goes before the new one comes, so that only one is in hand.
        self.block = Encoded::default();
        (self.document, self.start) = (0, 0);
        let Some(block) = self.pipeline.as_ref().and_then(Pipeline::next) else {
            return Ok(ControlFlow::Break(()));
        };
        self.block = block;
        Ok(ControlFlow::Continue(()))
    }
}

impl TokenStream {
    /// Counts the block's bad rows and hands them on.
    fn take_bad_rows(&mut self) -> Result<(), StreamError> {
        for bad in std::mem::take(&mut self.block.bad) {
            self.progress.bad_rows += 1;
            if let Some(sink) = &mut self.bad_row_sink {
                sink(&bad);
            }
            self.first_bad.get_or_insert(bad.reason);
        }
        let Progress {
            documents,
            bad_rows: bad,
            ..
        } = self.progress;
        let rows = documents + bad;
        match self.bad_rows {
            BadRows::Skip { at_most_percent }
                if rows >= FEW_ROWS && 100 * bad > u64::from(at_most_percent) * rows =>
            {
                Err(StreamError::TooManyBadRows {
                    bad,
                    rows,
                    at_most_percent,
                    first: self.first_bad.clone().unwrap_or_default(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Rows from which on the share of bad ones means something.
const FEW_ROWS: u64 = 1000;

impl Iterator for TokenStream {
    type Item = Result<Vec<u32>, StreamError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pipeline.as_ref()?;
        let next = if self.progress.rows < self.most_rows {
            self.next_row()
        } else {
            Ok(None)
        };
        let got_row = matches!(next, Ok(Some(_)));
        self.progress.rows += u64::from(got_row);
        if !got_row || self.progress.rows == self.most_rows {
            // Whatever is read ahead is not needed any more.
            self.pipeline = None;
        }
        next.transpose()
    }
}
