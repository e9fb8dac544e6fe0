//! A Parquet file that is not here: the parts that are asked for, and a window of what comes next.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hub_io::RemoteRanges;
use sae_progress::Unobserved;

use super::chunks::Chunks;
use crate::source::spec::RemoteFile;

/// Asked for at once, and kept: no more than this of a file is in memory, but for a page that is larger.
const WINDOW: u64 = 4 << 20;
/// Of the file's end, with which reading begins. Footers have a few kilobytes for each row group.
const TAIL: u64 = 64 << 10;
/// Between two parts that are fetched as one.
const GAP: u64 = 32 << 10;

/// A file that is not here, and the part of it that is.
pub(super) struct Remote {
    pub(super) len: u64,
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
    /// Opens a file: from the cache where there is one, else a part at a time.
    pub(super) fn open(file: &RemoteFile) -> io::Result<Chunks> {
        let ranges = match file {
            RemoteFile::Hub(set, path, Some(cache)) => {
                // Its parts are wanted in no order that a cache could be filled in.
                let whole = set.download(path, cache, &mut Unobserved);
                return File::open(whole.map_err(io::Error::other)?).map(Chunks::Local);
            }
            RemoteFile::Hub(set, path, None) => set.open_ranges(path).map_err(io::Error::other)?,
            RemoteFile::Url(hub, url) => hub.open_url_ranges(url).map_err(io::Error::other)?,
        };
        Ok(Chunks::Remote(Arc::new(Self {
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

    /// Why the last part could not be fetched.
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        self.lock().failure.take()
    }

    /// At least `least` bytes from `at` on, and more if they are at hand or will be wanted; fewer at the file's end.
    pub(super) fn bytes(&self, at: u64, least: usize) -> io::Result<Bytes> {
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

/// Reads from a position on.
pub(super) struct ReadFrom {
    remote: Arc<Remote>,
    at: u64,
}

impl ReadFrom {
    pub(super) fn new(remote: Arc<Remote>, at: u64) -> Self {
        Self { remote, at }
    }
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
