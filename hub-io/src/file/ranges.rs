//! A file on a server, of which parts are read.

use std::fmt;
use std::io::{self, Read};

use super::RemoteFile;
use crate::net::client::Client;
use crate::net::error::FetchError;
use crate::net::redirect::Target;

/// Reserved at once for a part; a longer one grows as its bytes come.
const RESERVED: usize = 16 << 20;

/// A file on a server, of which parts are read: for formats that have their index at the end.
///
/// Only the bytes that are asked for are requested. Failures of the network and changes of the file are met as by
/// [`RemoteFile`]; a server that knows no ranges is [`FetchError::NoRanges`].
pub struct RemoteRanges {
    file: RemoteFile,
    len: u64,
}

impl RemoteRanges {
    /// Asks for the first byte, and learns the length and the state of the file.
    pub(crate) fn open(client: Client, target: Target) -> Result<Self, FetchError> {
        let mut file = RemoteFile::new(client, target, None, 0);
        file.until = Some(1);
        file.start()?;
        let url = || file.target.shown.clone();
        let len = file.len().ok_or_else(|| FetchError::NoRanges {
            url: url(),
            reason: "the server does not say how long it is",
        })?;
        Ok(Self { file, len })
    }

    /// Bytes of the whole file.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The address, without its query.
    pub fn url(&self) -> &str {
        self.file.url()
    }

    /// The `len` bytes from `at` on.
    ///
    /// # Errors
    /// [`FetchError::PastEnd`] if the file ends before; all that reading a [`RemoteFile`] can give; and
    /// [`FetchError::NoRanges`]. After an error the same part may be asked for again.
    pub fn read_at(&mut self, at: u64, len: usize) -> Result<Vec<u8>, FetchError> {
        let end = at.checked_add(len as u64).filter(|&end| end <= self.len);
        let Some(end) = end else {
            return Err(FetchError::PastEnd {
                url: self.file.target.shown.clone(),
                at,
                len: Some(self.len),
            });
        };
        let mut bytes = Vec::with_capacity(len.min(RESERVED));
        if len == 0 {
            return Ok(bytes);
        }
        // Another part needs another request, however near it is.
        self.file.body = None;
        self.file.seek_to(at);
        self.file.until = Some(end);
        let read = self
            .file
            .by_ref()
            .take(len as u64)
            .read_to_end(&mut bytes)
            .map_err(|error| self.fetch_error(&error))?;
        if read < len {
            return Err(FetchError::PastEnd {
                url: self.file.target.shown.clone(),
                at: at + read as u64,
                len: Some(self.len),
            });
        }
        // Reading on to the body's end lets the connection be used again.
        if let Some(mut open) = self.file.body.take()
            && open.left == Some(0)
        {
            open.has_more();
        }
        Ok(bytes)
    }

    fn fetch_error(&self, error: &io::Error) -> FetchError {
        let inner = error.get_ref().and_then(|e| e.downcast_ref::<FetchError>());
        inner.cloned().unwrap_or_else(|| FetchError::GaveUp {
            url: self.file.target.shown.clone(),
            at: self.file.position(),
            tries: 1,
            reason: error.to_string(),
        })
    }
}

impl fmt::Debug for RemoteRanges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRanges")
            .field("url", &self.url())
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
