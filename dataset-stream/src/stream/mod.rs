//! Documents in, rows of ids out, tokenised on threads.

mod conveyor;
mod encode;
mod error;
mod observer;
mod options;
mod pipeline;
mod state;

use std::ops::ControlFlow;
use std::sync::Arc;

pub use error::StreamError;
pub use observer::{Observer, Progress};
pub use options::{Budget, Pretokenized, StreamOptions};
pub use state::{StateError, StreamState};

use crate::packing::{DocumentProgress, Packer};
use crate::source::{Block, Scratch};
use crate::{BadRow, BadRows, TextSource, Tokenizer};
use encode::{Encoded, Encoder, Extent};
use pipeline::{Pipeline, Work};
use state::MadeFrom;

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
    /// The bad row of `block` that is counted next.
    bad_row: usize,
    within: DocumentProgress,
    progress: Progress,
    observer: Option<Box<dyn Observer + Send>>,
    bad_rows: BadRows,
    /// What was wrong with the first row that was left out.
    first_bad: Option<String>,
    bad_row_sink: Option<BadRowSink>,
    made_from: MadeFrom,
    /// The file and the number of the document that is being packed, or comes next.
    position: (usize, u64),
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
        let made_from = MadeFrom::new(&source, tokenizer, options);
        let packer = options.packer(tokenizer)?.state();
        let progress = Progress {
            total_bytes: source.total_bytes(),
            ..Progress::default()
        };
        let start = StreamState::start(made_from, packer, progress);
        Self::from_state(source, tokenizer, options, start)
    }

    /// Goes on where another stream was, of the same files, tokenizer and options. The budget counts from the beginning of the first
    /// stream, and may be another.
    ///
    /// Files before the place are not read, the file it is in up to it without being parsed.
    ///
    /// # Errors
    /// As [`new`](Self::new), and when the state belongs to another data set, tokenizer or options, or to documents in memory.
    pub fn resume(
        source: TextSource,
        tokenizer: &Tokenizer,
        options: &StreamOptions,
        state: StreamState,
    ) -> Result<Self, StreamError> {
        if source.files().is_empty() {
            return Err(StateError::NoFiles.into());
        }
        state.check(
            &MadeFrom::new(&source, tokenizer, options),
            options.context_size,
        )?;
        Self::from_state(source, tokenizer, options, state)
    }

    fn from_state(
        source: TextSource,
        tokenizer: &Tokenizer,
        options: &StreamOptions,
        state: StreamState,
    ) -> Result<Self, StreamError> {
        let mut packer = options.packer(tokenizer)?;
        packer.restore(state.packer);
        let most_rows = options.most_rows()?;
        let bad_rows = source.bad_rows();
        let position = (state.file, state.document);
        let encoder = Encoder::new(tokenizer.clone(), options, bad_rows, position);
        let work: Arc<Work> = Arc::new(
            move |block: &Block, scratch: &mut Scratch, stop: &dyn Fn() -> bool| {
                encoder.encode(block, scratch, stop)
            },
        );
        let mut reader = source.into_reader();
        reader.skip_to_file(state.file);
        let pipeline = Pipeline::start(reader, &work, options.threads(), options.bytes_in_flight)?;
        Ok(Self {
            pipeline: Some(pipeline),
            packer,
            context_size: options.context_size,
            most_rows,
            block: Encoded::default(),
            document: 0,
            start: 0,
            bad_row: 0,
            within: state.within,
            progress: state.progress,
            observer: None,
            bad_rows,
            first_bad: state.first_bad,
            bad_row_sink: None,
            made_from: state.made_from,
            position,
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

    /// Where the stream is: what [`resume`](Self::resume) takes to go on after the row that came last.
    pub fn state(&self) -> StreamState {
        let (file, document) = self.position;
        StreamState {
            file,
            document,
            within: self.within,
            first_bad: self.first_bad.clone(),
            ..StreamState::start(self.made_from.clone(), self.packer.state(), self.progress)
        }
    }

    /// Ids in a row.
    pub fn context_size(&self) -> usize {
        self.context_size
    }

    fn next_row(&mut self) -> Result<Option<Vec<u32>>, StreamError> {
        loop {
            while let Some(&Extent {
                end,
                is_row,
                text_bytes,
                ordinal,
            }) = self.block.documents.get(self.document)
            {
                self.position = (self.block.file, ordinal);
                self.count_bad_rows(ordinal)?;
                let ids = &self.block.ids[self.start..end];
                if !is_row && let Some(row) = self.packer.next_row(ids, &mut self.within) {
                    return Ok(Some(row));
                }
                let row = is_row.then(|| ids.to_vec());
                self.progress.documents += 1;
                self.progress.text_bytes += text_bytes;
                self.progress.tokens += ids.len() as u64;
                self.document += 1;
                self.start = end;
                self.within = DocumentProgress::default();
                self.position.1 = ordinal + 1;
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
        self.count_bad_rows(u64::MAX)?;
        self.progress.bytes_read = self.progress.bytes_read.max(self.block.on_disk);
        if self.document > 0
            && let Some(observer) = &mut self.observer
            && observer.progress(&self.progress).is_break()
        {
            return Ok(ControlFlow::Break(()));
        }
        // The old block goes before the new one comes, so that only one is in hand.
        self.block = Encoded::default();
        (self.document, self.start, self.bad_row) = (0, 0, 0);
        let Some(block) = self.pipeline.as_ref().and_then(Pipeline::next) else {
            return Ok(ControlFlow::Break(()));
        };
        self.block = block;
        Ok(ControlFlow::Continue(()))
    }
}

impl TokenStream {
    /// Counts the block's bad rows before a document and hands them on.
    fn count_bad_rows(&mut self, before: u64) -> Result<(), StreamError> {
        let is_before = |bad: &BadRow| bad.location.place.ordinal() < before;
        while let Some(bad) = self
            .block
            .bad
            .get(self.bad_row)
            .filter(|bad| is_before(bad))
        {
            self.bad_row += 1;
            self.progress.bad_rows += 1;
            let after = (self.block.file, bad.location.place.ordinal() + 1);
            self.position = self.position.max(after);
            if let Some(sink) = &mut self.bad_row_sink {
                sink(bad);
            }
            if self.first_bad.is_none() {
                self.first_bad = Some(bad.reason.clone());
            }
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
