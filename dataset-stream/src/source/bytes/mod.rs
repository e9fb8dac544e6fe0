//! A file's bytes, decompressed, with a count of how far the reader is on disk.

#[cfg(feature = "hub")]
mod ahead;
mod gzip;

use std::fs::File;
use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::source::error::ReadError;
use crate::source::spec::format::{Compression, Format};
#[cfg(feature = "hub")]
use crate::source::spec::is_of_network;
use crate::source::spec::{DataFile, Origin};
#[cfg(feature = "hub")]
use ahead::Ahead;
use gzip::Members;

const BUFFER: usize = 128 << 10;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
/// The last three bytes of a skippable frame's magic; the first is 0x50 to 0x5f.
const ZSTD_SKIPPABLE: [u8; 3] = [0x2a, 0x4d, 0x18];

/// Zstandard's largest window: 2^31 bytes, as `zstd --long=31` writes. A frame that needs a window gets one of its own size.
const WINDOW_LOG: u32 = 31;
/// How files begin that no format here does, and what they are.
const FOREIGN: [(&[u8], &str); 6] = [
    (b"\xfd7zXZ\0", "xz-compressed"),
    (b"BZh", "bzip2-compressed"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x04\x22\x4d\x18", "LZ4-compressed"),
    (b"PAR1", "Parquet, under another name"),
    (b"ARROW1", "Arrow, under another name"),
];
/// Enough for all of these.
const HEAD: usize = 6;

/// The decompressed bytes of one file.
pub(super) struct Bytes {
    file: Arc<DataFile>,
    /// By the first bytes, whatever the name says.
    compression: Compression,
    inner: Box<dyn Read + Send>,
    on_disk: Arc<AtomicU64>,
    window: u64,
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
            #[cfg(feature = "hub")]
            Origin::Remote(remote) => remote
                .open()
                .and_then(Ahead::new)
                .map(Box::new)
                .map_err(io)?,
        };
        let counted = Counted {
            inner: opened,
            count: Arc::clone(&on_disk),
        };
        // A network gives what it has, be it a single byte: the first few are waited for.
        let (head, rest) = first_bytes(counted).map_err(io)?;
        let raw = BufReader::with_capacity(BUFFER, Cursor::new(head.clone()).chain(rest));
        let compression = compression_of(file, &head)?;
        if compression != file.compression {
            tracing::warn!(
                "{}: is read as {} by its first bytes, though its name says otherwise",
                file.name,
                compression.name()
            );
        }
        let inner: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(raw),
            Compression::Gzip => Box::new(Members::new(raw)),
            Compression::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::with_buffer(raw).map_err(io)?;
                decoder.window_log_max(WINDOW_LOG).map_err(io)?;
                Box::new(decoder)
            }
        };
        Ok(Self {
            file: Arc::clone(file),
            compression,
            inner,
            on_disk,
            window: match compression {
                Compression::Zstd => zstd_window(&head),
                Compression::None | Compression::Gzip => 0,
            },
        })
    }

    /// Bytes taken from the file so far, before decompression.
    pub(super) fn on_disk(&self) -> u64 {
        self.on_disk.load(Ordering::Relaxed)
    }

    /// Bytes of the window that the decompressor keeps, as the first frame of zstd says.
    pub(super) fn window_bytes(&self) -> u64 {
        self.window
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
        #[cfg(feature = "hub")]
        if is_of_network(&source) {
            return ReadError::Io { file, source };
        }
        let format = match self.compression {
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
            reason: match source.to_string() {
                reason if reason.contains("requires too much memory") => {
                    "a frame needs a window of more than 2 GiB (--long=31), the most that is read; \
                     compress it again with a smaller one"
                        .into()
                }
                reason => reason,
            },
        }
    }
}

/// The first bytes, or all there are, and the rest.
fn first_bytes<R: Read>(mut from: R) -> io::Result<(Vec<u8>, R)> {
    let mut head = Vec::with_capacity(HEAD);
    from.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head, from))
}

/// How a file is compressed, by its first bytes, as Python's `datasets` tells it.
fn compression_of(file: &DataFile, head: &[u8]) -> Result<Compression, ReadError> {
    let skippable = head.get(1..4) == Some(&ZSTD_SKIPPABLE[..]) && head[0] & 0xf0 == 0x50;
    if head.starts_with(&GZIP_MAGIC) {
        return Ok(Compression::Gzip);
    }
    if head.starts_with(&ZSTD_MAGIC) || skippable {
        return Ok(Compression::Zstd);
    }
    let name = file.name.to_string();
    let foreign = FOREIGN.iter().find(|(magic, _)| head.starts_with(magic));
    // An Arrow file begins as it should, and a text may begin with any letters.
    let fits = |magic: &[u8]| match file.format {
        Format::Arrow => true,
        Format::Txt => magic.iter().all(|byte| (b' '..=b'~').contains(byte)),
        _ => false,
    };
    if let Some((_, what)) = foreign.filter(|(magic, _)| !fits(magic)) {
        return Err(ReadError::Corrupt {
            file: name,
            format: file.format.ending(),
            reason: format!("it is {what}; unpack it, or give it the name of what it is"),
        });
    }
    let format = match file.compression {
        Compression::None => return Ok(Compression::None),
        Compression::Gzip => "gzip",
        Compression::Zstd => "zstd",
    };
    if head.is_empty() {
        return Err(ReadError::Truncated {
            file: name,
            reason: "it is empty".into(),
        });
    }
    Err(ReadError::Corrupt {
        file: name,
        format,
        reason: format!(
            "its name says {format}, its first bytes do not ({:02x?})",
            &head[..head.len().min(4)]
        ),
    })
}

/// The window of a zstd frame by its first bytes: 2^(10 + exponent) · (1 + mantissa / 8) (RFC 8878, 3.1.1.1.2). A frame of a single segment
/// has one as large as itself, which the decompressor does not keep besides.
fn zstd_window(head: &[u8]) -> u64 {
    const SINGLE_SEGMENT: u8 = 0x20;
    match head.get(4..6) {
        Some(&[descriptor, window]) if descriptor & SINGLE_SEGMENT == 0 => {
            let base = 1_u64 << (10 + (window >> 3));
            base + base / 8 * u64::from(window & 7)
        }
        _ => 0,
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

#[cfg(test)]
mod tests {
    use super::zstd_window;
    use std::io::Write;

    #[test]
    fn a_frame_says_how_large_its_window_is() {
        for log in [17, 27] {
            let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
            encoder.long_distance_matching(true).unwrap();
            encoder.window_log(log).unwrap();
            encoder.write_all(&[7; 100]).unwrap();
            encoder.flush().unwrap();
            encoder.write_all(&[7; 1000]).unwrap();
            let bytes = encoder.finish().unwrap();
            assert_eq!(zstd_window(&bytes), 1 << log);
        }
        assert_eq!(zstd_window(b"\x28\xb5\x2f\xfd"), 0);
    }
}
