//! The parts of a Parquet file, from the disk or from afar.

use std::fs::File;
use std::io::{self, Read};
use std::ops::{ControlFlow, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hub_io::{Progress, RemoteRanges};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::spec::{DataFile, Origin};

/// Asked for at once, and kept: no more than this of a file is in memory, but for a page that is larger.
const WINDOW: u64 = 4 << 20;
/// Of the file's end, with which reading begins. Footers have a few kilobytes for each row group.
const TAIL: u64 = 64 << 10;
/// Between two parts that are fetched as one.
const GAP: u64 = 32 << 10;
/// A footer or a page that is larger is not believed.
const MOST_BYTES: usize = 1 << 30;

/// Where a Parquet file's bytes come from.
pub(super) enum Chunks {
    Local(File),
    Remote(Arc<Remote>),
}

impl Chunks {
    pub(super) fn open(file: &DataFile) -> io::Result<Self> {
        let ranges = match &file.origin {
            Origin::Local => return File::open(&file.path).map(Self::Local),
            Origin::Hub(set, path, Some(cache)) => {
                // Its parts are wanted in no order that a cache could be filled in.
                let go_on = &mut |_: Progress<'_>| ControlFlow::Continue(());
                let whole = set.download(path, cache, go_on);
                return File::open(whole.map_err(io::Error::other)?).map(Self::Local);
            }
            Origin::Hub(set, path, None) => set.open_ranges(path).map_err(io::Error::other)?,
            Origin::Url(hub, url) => hub.open_url_ranges(url).map_err(io::Error::other)?,
        };
        Ok(Self::Remote(Arc::new(Remote {
            len: ranges.len(),
            state: Mutex::new(State {
                ranges,
                start: 0,
                window: Bytes::new(),
                wanted: Vec::new(),
                failure: None,
            }),
        })))
    }
}

/// A file that is not here, and the part of it that is.
pub(super) struct Remote {
    len: u64,
    state: Mutex<State>,
}

struct State {
    ranges: RemoteRanges,
    /// Where the window begins.
    start: u64,
    window: Bytes,
    /// The parts that will be read: a window ends where one of them does.
    wanted: Vec<Range<u64>>,
    failure: Option<io::Error>,
}

impl Remote {
    /// Says what will be read, so that little else is asked for.
    pub(super) fn want(&self, mut parts: Vec<Range<u64>>) {
        parts.sort_by_key(|part| part.start);
        let mut wanted: Vec<Range<u64>> = Vec::new();
        for part in parts {
            match wanted.last_mut() {
                // A gap is cheaper than another request.
                Some(last) if part.start.saturating_sub(last.end) <= GAP => {
                    last.end = last.end.max(part.end);
                }
                _ => wanted.push(part),
            }
        }
        self.lock().wanted = wanted;
    }

    /// Why the last part could not be had.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.lock().failure.take()
    }

    /// At least `least` bytes from `at` on, and more if they are at hand or will be wanted; fewer at the file's end.
    fn bytes(&self, at: u64, least: usize) -> io::Result<Bytes> {
        let least = (least as u64).min(self.len.saturating_sub(at));
        let mut state = self.lock();
        let within = at.checked_sub(state.start).map(|skip| skip as usize);
        if let Some(skip) = within.filter(|&skip| skip <= state.window.len()) {
            let rest = state.window.slice(skip..);
            if rest.len() as u64 >= least {
                return Ok(rest);
            }
        }
        let whole = 0..self.len;
        let part = state.wanted.iter().find(|part| part.contains(&at));
        let end = part.unwrap_or(&whole).end.min(self.len);
        // Reading begins at the end, whose last bytes say how much of it is needed.
        let (start, end) = if state.wanted.is_empty() && self.len.saturating_sub(at) <= TAIL {
            (self.len.saturating_sub(TAIL), self.len)
        } else {
            let length = least.max(WINDOW.min(end.saturating_sub(at)));
            (at, at + length)
        };
        // The old window goes before the new one comes.
        state.window = Bytes::new();
        let read = state.ranges.read_at(start, (end - start) as usize);
        match read {
            Ok(bytes) => {
                state.start = start;
                state.window = bytes.into();
                Ok(state.window.slice((at - start) as usize..))
            }
            Err(error) => {
                // The library would wrap it beyond recognition.
                state.failure = Some(error.clone().into());
                Err(error.into())
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Whatever was interrupted, the window is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Self::Local(file) => Length::len(file),
            Self::Remote(remote) => remote.len,
        }
    }
}

impl ChunkReader for Chunks {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Box<dyn Read>> {
        Ok(match self {
            Self::Local(file) => Box::new(file.get_read(start)?),
            Self::Remote(remote) => Box::new(ReadFrom {
                remote: Arc::clone(remote),
                at: start,
            }),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let wrong = |reason: String| ParquetError::General(reason);
        if length > MOST_BYTES {
            return Err(wrong(format!("a part of {length} bytes is not believed")));
        }
        match self {
            Self::Local(file) => file.get_bytes(start, length),
            Self::Remote(remote) => {
                let bytes = remote.bytes(start, length)?;
                if bytes.len() < length {
                    return Err(ParquetError::EOF(format!(
                        "{length} bytes are needed from {start} on, and there are {}",
                        bytes.len()
                    )));
                }
                Ok(bytes.slice(..length))
            }
        }
    }
}

/// Reads from a position on.
struct ReadFrom {
    remote: Arc<Remote>,
    at: u64,
}

impl Read for ReadFrom {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() || self.at >= self.remote.len {
            return Ok(0);
        }
        let bytes = self.remote.bytes(self.at, 1)?;
        let n = bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        self.at += n as u64;
        Ok(n)
    }
}
