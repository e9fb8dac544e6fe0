//! A file's bytes, decompressed, with a count of how far the reader is on disk.

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use hub_io::{CacheError, FetchError};

use super::ahead::Ahead;
use super::error::ReadError;
use super::format::Compression;
use super::remote;
use super::spec::{DataFile, Origin};

const BUFFER: usize = 128 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of a skippable frame's magic; the first is 0x50 to 0x5f.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// The decompressed bytes of one file.
pub(super) struct Bytes {
    file: Arc<DataFile>,
    inner: Box<dyn Read + Send>,
    on_disk: Arc<AtomicU64>,
}

impl Bytes {
    pub(super) fn open(file: &Arc<DataFile>) -> Result<Self, ReadError> {
        let on_disk = Arc::new(AtomicU64::new(0));
        let io = |source| ReadError::Io {
            file: file.name.to_string(),
            source,
        };
        let opened: Box<dyn Read + Send> = match &file.origin {
            Origin::Local => Box::new(File::open(&file.path).map_err(io)?),
            Origin::Hub(set, path, cache) => {
                let opened = remote::open_hub(set, path, cache.as_ref()).map_err(io)?;
                ahead(opened).map_err(io)?
            }
            Origin::Url(hub, url) => ahead(remote::open_url(hub, url).map_err(io)?).map_err(io)?,
        };
        let counted = Counted {
            inner: opened,
            count: Arc::clone(&on_disk),
        };
        // A network gives what it has, be it a single byte: the first four are waited for.
        let (head, rest) = first_bytes(counted).map_err(io)?;
        let raw = BufReader::with_capacity(BUFFER, Cursor::new(head.clone()).chain(rest));
        let inner: Box<dyn Read + Send> = match file.compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => {
                check_magic(file, &head, "gzip", head.starts_with(&GZIP_MAGIC))?;
                Box::new(MultiGzDecoder::new(raw))
            }
            Compression::Zstd => {
                let skippable =
                    head.get(1..4) == Some(&ZSTD_SKIPPABLE[..]) && head[0] & 0xf0 == 0x50;
                check_magic(
                    file,
                    &head,
                    "zstd",
                    head.starts_with(&ZSTD_MAGIC) || skippable,
                )?;
                Box::new(zstd::stream::read::Decoder::with_buffer(raw).map_err(io)?)
            }
        };
        Ok(Self {
            file: Arc::clone(file),
            inner,
            on_disk,
        })
    }

    /// Bytes taken from the file so far, before decompression.
    pub(super) fn on_disk(&self) -> u64 {
        self.on_disk.load(Ordering::Relaxed)
    }

    /// Appends up to `n` bytes; fewer than `n` means that the file is at its end.
    pub(super) fn read_up_to(&mut self, n: usize, out: &mut Vec<u8>) -> Result<usize, ReadError> {
        self.inner
            .by_ref()
            .take(n as u64)
            .read_to_end(out)
            .map_err(|e| self.error(e))
    }

    fn error(&self, source: io::Error) -> ReadError {
        let file = self.file.name.to_string();
        // Of the network, not of what came over it.
        if source
            .get_ref()
            .is_some_and(|error| error.is::<FetchError>() || error.is::<CacheError>())
        {
            return ReadError::Io { file, source };
        }
        let format = match self.file.compression {
            Compression::None => return ReadError::Io { file, source },
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        };
        if source.kind() == ErrorKind::UnexpectedEof {
            let reason = format!(
                "the {format} stream stops in the middle, {} bytes in",
                self.on_disk()
            );
            return ReadError::Truncated { file, reason };
        }
        ReadError::Corrupt {
            file,
            format,
            reason: source.to_string(),
        }
    }
}

fn ahead(from: Box<dyn Read + Send>) -> io::Result<Box<dyn Read + Send>> {
    Ok(Box::new(Ahead::new(from)?))
}

/// The first four bytes, or all there are, and the rest.
fn first_bytes<R: Read>(mut from: R) -> io::Result<(Vec<u8>, R)> {
    let mut head = Vec::with_capacity(ZSTD_MAGIC.len());
    from.by_ref()
        .take(ZSTD_MAGIC.len() as u64)
        .read_to_end(&mut head)?;
    Ok((head, from))
}

fn check_magic(
    file: &DataFile,
    head: &[u8],
    format: &'static str,
    good: bool,
) -> Result<(), ReadError> {
    let name = file.name.to_string();
    match (good, head.is_empty()) {
        (true, _) => Ok(()),
        (false, true) => Err(ReadError::Truncated {
            file: name,
            reason: "it is empty".into(),
        }),
        (false, false) => Err(ReadError::Corrupt {
            file: name,
            format,
            reason: format!(
                "its name says {format}, its first bytes do not ({:02x?})",
                &head[..head.len().min(4)]
            ),
        }),
    }
}

struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buf)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Drops the byte order mark that some editors put at the start of UTF-8 files.
pub(super) fn without_bom(buf: &mut Vec<u8>) {
    const BOM: &[u8] = "\u{feff}".as_bytes();
    if buf.starts_with(BOM) {
        buf.drain(..BOM.len());
    }
}
