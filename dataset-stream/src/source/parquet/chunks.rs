//! The parts of a Parquet file, from the disk or over a network.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;

use bytes::Bytes;
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

#[cfg(feature = "hub")]
use super::remote::{ReadFrom, Remote};
use crate::source::spec::{DataFile, Origin};
#[cfg(feature = "hub")]
use std::sync::Arc;

/// A footer or a page that is larger is not believed.
const MOST_BYTES: usize = 1 << 30;

/// Where a Parquet file's bytes come from.
pub(super) enum Chunks {
    Local(File),
    #[cfg(feature = "hub")]
    Remote(Arc<Remote>),
}

impl Chunks {
    pub(super) fn open(file: &DataFile) -> io::Result<Self> {
        match &file.origin {
            Origin::Local => File::open(&file.path).map(Self::Local),
            #[cfg(feature = "hub")]
            Origin::Remote(remote) => Remote::open(remote),
        }
    }
}

/// The network beneath the library that reads a remote file; nothing for a local file.
pub(super) struct Network {
    #[cfg(feature = "hub")]
    remote: Option<Arc<Remote>>,
}

impl Network {
    #[cfg_attr(
        not(feature = "hub"),
        expect(unused_variables, reason = "it is a local file")
    )]
    pub(super) fn of(chunks: &Chunks) -> Self {
        Self {
            #[cfg(feature = "hub")]
            remote: match chunks {
                Chunks::Remote(remote) => Some(Arc::clone(remote)),
                Chunks::Local(_) => None,
            },
        }
    }

    /// Says what will be read, so that little else is asked for.
    #[cfg_attr(
        not(feature = "hub"),
        expect(clippy::unused_self, reason = "there is no network")
    )]
    pub(super) fn want(&self, parts: impl FnOnce() -> Vec<Range<u64>>) {
        #[cfg(feature = "hub")]
        if let Some(remote) = &self.remote {
            remote.want(parts());
        }
        #[cfg(not(feature = "hub"))]
        drop(parts);
    }

    /// Why the last part could not be fetched.
    #[cfg_attr(
        not(feature = "hub"),
        expect(clippy::unused_self, reason = "there is no network")
    )]
    pub(super) fn take_failure(&self) -> Option<io::Error> {
        #[cfg(feature = "hub")]
        return self
            .remote
            .as_ref()
            .and_then(|remote| remote.take_failure());
        #[cfg(not(feature = "hub"))]
        None
    }
}

impl Length for Chunks {
    fn len(&self) -> u64 {
        match self {
            Self::Local(file) => Length::len(file),
            #[cfg(feature = "hub")]
            Self::Remote(remote) => remote.len,
        }
    }
}

impl ChunkReader for Chunks {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> Result<Box<dyn Read>> {
        Ok(match self {
            Self::Local(file) => Box::new(file.get_read(start)?),
            #[cfg(feature = "hub")]
            Self::Remote(remote) => Box::new(ReadFrom::new(Arc::clone(remote), start)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let wrong = |reason: String| ParquetError::General(reason);
        if length > MOST_BYTES {
            return Err(wrong(format!("a part of {length} bytes is not believed")));
        }
        match self {
            Self::Local(file) => file.get_bytes(start, length),
            #[cfg(feature = "hub")]
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
