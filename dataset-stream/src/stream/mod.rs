//! Documents in, rows of ids out, tokenised on threads.

mod bad_rows;
mod conveyor;
mod encode;
mod error;
mod options;
mod pipeline;
mod progress;
mod shard;
mod shuffle;
mod state;

use std::fmt;
use std::ops::ControlFlow;
use std::sync::Arc;

pub use error::StreamError;
pub use options::{Budget, Pretokenized, StreamOptions};
pub use progress::StreamProgress;
pub use shard::{Shard, ShardError};
pub use shuffle::Shuffle;
pub use state::{StateError, StreamState};

use sae_progress::Observer;

use crate::packing::{DocumentProgress, Packer};
use crate::source::{Block, Scratch};
use crate::{BadRow, BadRows, TextSource, Tokenizer};
use encode::{Encoded, Encoder};
use pipeline::{Pipeline, Work};
use shuffle::Window;
use state::MadeFrom;

/// The result of asking for more documents.
enum More {
    Documents,
    End,
    /// The observer stopped the work.
    Stopped,
}

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
    /// The document of `block` that comes next.
    document: usize,
    /// The bad row of `block` that is counted next.
    bad_row: usize,
    /// Where documents wait for their turn, if they are shuffled.
    window: Option<Window>,
    /// How far the packer is in the document being packed.
    within: DocumentProgress,
    progress: StreamProgress,
    observer: Option<Box<dyn Observer<StreamProgress> + Send>>,
    memory_bytes: u64,
    bad_rows: BadRows,
    /// What was wrong with the first row that was left out.
    first_bad: Option<String>,
    bad_row_sink: Option<BadRowSink>,
    made_from: MadeFrom,
    /// The file and the number of the document of `block` that comes next or is being packed.
    position: (usize, u64),
    /// Bad rows before this place have been counted by a stream that this one resumes.
    counted: (usize, u64),
}

impl TokenStream {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the options contradict each other or need a special token that the tokenizer does not have, and when no
    /// threads can be started.
    pub fn new(
        source: TextSource,
        tokenizer: &Tokenizer,
        options: &StreamOptions,
    ) -> Result<Self, StreamError> {
        let made_from = MadeFrom::new(&source, tokenizer, options);
        let packer = options.packer(tokenizer)?.state();
        let start = StreamState::start(made_from, packer, StreamProgress::default());
        Self::from_state(source, tokenizer, options, start)
    }

    /// Resumes where another stream was, of the same files, tokenizer and options. The budget counts from the beginning of the first
    /// stream, and may differ.
    ///
    /// Files before the place are not read; the file that holds it is read up to it, without being parsed.
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
        let memory_bytes = options.bytes_in_flight as u64 + source.window_bytes();
        let mut reader = source.into_reader();
        let files = match options.shuffle {
            Some(shuffle) => shuffle.files(reader.n_files()),
            None => (0..reader.n_files()).collect(),
        };
        let (files, stripe) = match options.shard {
            Some(shard) => shard.divide(files),
            None => (files, None),
        };
        reader.set_order(files);
        reader.skip_to_file(state.file);
        let total_bytes = reader.total_bytes();
        let encoder = Encoder::new(tokenizer.clone(), options, bad_rows, position, stripe);
        let work: Arc<Work> = Arc::new(
            move |block: &Block, scratch: &mut Scratch, stop: &dyn Fn() -> bool| {
                encoder.encode(block, scratch, stop)
            },
        );
        let pipeline = Pipeline::start(reader, &work, options.threads(), options.bytes_in_flight)?;
        Ok(Self {
            pipeline: Some(pipeline),
            packer,
            context_size: options.context_size,
            most_rows,
            block: Encoded::default(),
            document: 0,
            bad_row: 0,
            window: options
                .shuffle
                .map(|shuffle| Window::new(shuffle, position, state.shuffle)),
            within: state.within,
            progress: StreamProgress {
                total_bytes,
                ..state.progress
            },
            observer: None,
            memory_bytes,
            bad_rows,
            first_bad: state.first_bad,
            bad_row_sink: None,
            made_from: state.made_from,
            position,
            counted: state.shuffle.counted,
        })
    }

    /// Tells `observer` of progress from now on: after every block of documents (at most 1 MiB of text, or one longer document), and several
    /// times a second while nothing comes, on the thread that iterates. When it says `Break`, the stream ends before the next row, without an error.
    #[must_use]
    pub fn with_observer(
        mut self,
        observer: impl Observer<StreamProgress> + Send + 'static,
    ) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// Hands every row that is left out to `sink` from now on, in the order of the data set.
    #[must_use]
    pub fn with_bad_rows(mut self, sink: impl FnMut(&BadRow) + Send + 'static) -> Self {
        self.bad_row_sink = Some(Box::new(sink));
        self
    }

    /// Bytes of memory that reading ahead takes at most: [`StreamOptions::bytes_in_flight`], and the window of a decompressor.
    pub fn memory_bytes(&self) -> u64 {
        self.memory_bytes
    }

    /// How far the stream is.
    pub fn progress(&self) -> StreamProgress {
        self.progress
    }

    /// Where the stream is. [`resume`](Self::resume) takes it and continues after the row that came last.
    pub fn state(&self) -> StreamState {
        let (file, document) = self.window.as_ref().map_or(self.position, |w| w.start);
        let place = self.window.as_ref().map(|w| w.place(self.position));
        StreamState {
            file,
            document,
            within: self.within,
            shuffle: place.unwrap_or_default(),
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
            if self.window.is_none()
                && let Some(next) = self.block.documents.get(self.document)
            {
                let ordinal = next.ordinal;
                self.position = (self.block.file, ordinal);
                self.count_bad_rows(ordinal)?;
            }
            let next = match &self.window {
                Some(window) => window.current(),
                None => self.block.get(self.document),
            };
            let Some((ids, extent)) = next else {
                let more = match self.window.take() {
                    Some(window) => self.fill(window)?,
                    None => self.next_block()?,
                };
                match more {
                    More::Documents => continue,
                    More::End | More::Stopped => return Ok(None),
                }
            };
            if !extent.is_row
                && let Some(row) = self.packer.next_row(ids, &mut self.within)
            {
                return Ok(Some(row));
            }
            let row = extent.is_row.then(|| ids.to_vec());
            self.progress.documents += 1;
            self.progress.text_bytes += extent.text_bytes;
            self.progress.tokens += ids.len() as u64;
            self.within = DocumentProgress::default();
            match &mut self.window {
                Some(window) => window.advance(),
                None => self.take_document(extent.ordinal),
            }
            if row.is_some() {
                return Ok(row);
            }
        }
    }

    /// Fills the window with the documents that come next. Where they end in an error, it is not handed out at all: its order would not be
    /// the one that it has once the error is mended.
    fn fill(&mut self, mut window: Window) -> Result<More, StreamError> {
        window.begin(self.position);
        let filled = self.fill_up(&mut window);
        let has_documents = window.close();
        self.window = Some(window);
        match filled? {
            More::End if has_documents => Ok(More::Documents),
            more => Ok(more),
        }
    }

    fn fill_up(&mut self, window: &mut Window) -> Result<More, StreamError> {
        loop {
            while let Some(&next) = self.block.documents.get(self.document) {
                if window.is_full() {
                    return Ok(More::Documents);
                }
                self.count_bad_rows(next.ordinal)?;
                window.push(&self.block.ids[next.start..next.end], next);
                self.take_document(next.ordinal);
            }
            match self.next_block()? {
                More::Documents => {}
                end => return Ok(end),
            }
        }
    }

    fn take_document(&mut self, ordinal: u64) {
        self.document += 1;
        self.position = (self.block.file, ordinal + 1);
    }

    fn next_block(&mut self) -> Result<More, StreamError> {
        if let Some(error) = self.block.error.take() {
            return Err(error);
        }
        self.count_bad_rows(u64::MAX)?;
        self.progress.bytes_read = self.progress.bytes_read.max(self.block.on_disk);
        if self.document > 0
            && let Some(observer) = &mut self.observer
            && observer.observe(&self.progress).is_break()
        {
            return Ok(More::Stopped);
        }
        // The old block goes before the new one comes, so that only one is in hand.
        self.block = Encoded::default();
        (self.document, self.bad_row) = (0, 0);
        let Some(pipeline) = &self.pipeline else {
            return Ok(More::End);
        };
        let mut stopped = false;
        let (observer, progress) = (&mut self.observer, &self.progress);
        let mut waiting = || match observer {
            Some(observer) => {
                let flow = observer.observe(progress);
                stopped = flow.is_break();
                flow
            }
            None => ControlFlow::Continue(()),
        };
        match pipeline.next(&mut waiting) {
            Some(block) => {
                self.block = block;
                Ok(More::Documents)
            }
            None if stopped => Ok(More::Stopped),
            None => Ok(More::End),
        }
    }
}

impl fmt::Debug for TokenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenStream")
            .field("context_size", &self.context_size)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

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
            // The blocks read ahead are not needed any more.
            self.pipeline = None;
        }
        next.transpose()
    }
}
