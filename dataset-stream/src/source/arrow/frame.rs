//! The messages of an Arrow IPC stream or file: their lengths are looked at before anything is believed.

use std::sync::Arc;

use arrow_ipc::RecordBatch;
use arrow_schema::ArrowError;

use crate::source::bytes::Bytes;
use crate::source::error::ReadError;
use crate::source::spec::{DataFile, Origin};

/// The first bytes of the file layout, and the last.
const MAGIC: &[u8; 6] = b"ARROW1";
/// Before the length of a message, since Arrow 0.15.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Of what follows the messages, at a time.
const CHUNK: usize = 64 << 10;
/// The largest boundary that a message is put on.
const MOST_PADDING: u64 = 128;
/// A schema of a hundred thousand columns has less.
const MOST_HEADER: u64 = 256 << 20;
/// All compressed buffers of a batch together, by the sizes that they state.
const MOST_UNPACKED: u64 = 4 << 30;
/// The body of one message. Batches have some thousand rows; a larger one would fill the memory.
const MOST_BODY: u64 = 4 << 30;
/// Most bytes that a byte of zstd can unpack to; LZ4 has less.
const MOST_RATIO: u64 = 1 << 15;

/// A message.
pub(super) struct Frame {
    pub(super) header: Vec<u8>,
    pub(super) body: arrow_buffer::Buffer,
}

/// The messages of a file, in order.
pub(super) struct Frames {
    file: Arc<DataFile>,
    bytes: Bytes,
    /// Bytes read so far.
    at: u64,
    /// Whether it has the file layout, once the first bytes have been read.
    is_file: Option<bool>,
    finished: bool,
}

impl Frames {
    pub(super) fn new(file: Arc<DataFile>, bytes: Bytes) -> Self {
        Self {
            file,
            bytes,
            at: 0,
            is_file: None,
            finished: false,
        }
    }

    pub(super) fn on_disk(&self) -> u64 {
        self.bytes.on_disk()
    }

    /// The next message, before which `batches` record batches were read; `None` at the end.
    pub(super) fn next(&mut self, batches: u64) -> Result<Option<Frame>, ReadError> {
        if self.finished {
            return Ok(None);
        }
        let what = Part(self.is_file.map(|_| batches));
        let mut word = self.word(what)?;
        if self.is_file.is_none() {
            let is_file = word == MAGIC[..4];
            self.is_file = Some(is_file);
            if is_file {
                let rest = self.word(what)?;
                if rest[..2] != MAGIC[4..] {
                    return Err(self.foreign(word));
                }
                // Zeros fill it up to where the writer likes its first message to begin.
                word = self.word(what)?;
                while word == [0; 4] && self.at < MOST_PADDING {
                    word = self.word(what)?;
                }
            } else if word != CONTINUATION {
                return Err(self.foreign(word));
            }
        }
        if word == CONTINUATION {
            word = self.word(what)?;
        }
        let length = i32::from_le_bytes(word);
        if length == 0 {
            self.finished = true;
            return self.end().map(|()| None);
        }
        let length = self.checked(length.into(), MOST_HEADER, "header", what)?;
        let header = self.take(length, what)?;
        let message = arrow_ipc::root_as_message(&header)
            .map_err(|e| self.corrupt(what, &format!("its header is damaged ({e})")))?;
        let length = self.checked(message.bodyLength(), MOST_BODY, "body", what)?;
        let body = self.take(length, what)?;
        Ok(Some(Frame {
            header,
            body: arrow_buffer::Buffer::from_vec(body),
        }))
    }

    /// A length that can be: not negative, and no longer than what is left of the file.
    fn checked(&self, length: i64, most: u64, part: &str, what: Part) -> Result<usize, ReadError> {
        let wrong = || {
            let reason = format!(
                "its {part} is said to have {length} bytes, and {most} is the most that is read"
            );
            self.corrupt(what, &reason)
        };
        let length = usize::try_from(length)
            .ok()
            .filter(|&n| n as u64 <= most)
            .ok_or_else(wrong)?;
        let left = self.file.bytes.saturating_sub(self.at);
        let is_here = matches!(self.file.origin, Origin::Local);
        if is_here && length as u64 > left {
            return Err(self.truncated(what, length, left));
        }
        Ok(length)
    }

    fn word(&mut self, what: Part) -> Result<[u8; 4], ReadError> {
        let bytes = self.take(4, what)?;
        let mut word = [0; 4];
        word.copy_from_slice(&bytes);
        Ok(word)
    }

    /// So many bytes. The buffer grows as they come: a length alone reserves nothing.
    fn take(&mut self, length: usize, what: Part) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        let got = self.bytes.read_up_to(length, &mut bytes)?;
        self.at += got as u64;
        if got < length {
            return Err(self.truncated(what, length, got as u64));
        }
        Ok(bytes)
    }

    /// After the last message: nothing in a stream; in a file the list of batches, and the magic again.
    fn end(&mut self) -> Result<(), ReadError> {
        if self.is_file != Some(true) {
            return Ok(());
        }
        let mut tail = Vec::new();
        loop {
            let mut chunk = Vec::new();
            let got = self.bytes.read_up_to(CHUNK, &mut chunk)?;
            self.at += got as u64;
            tail.extend_from_slice(&chunk);
            tail.drain(..tail.len().saturating_sub(MAGIC.len()));
            if got < CHUNK {
                break;
            }
        }
        if tail != MAGIC {
            return Err(ReadError::Truncated {
                file: self.file.name.to_string(),
                reason: "it does not end as Arrow files do".into(),
            });
        }
        Ok(())
    }

    fn foreign(&self, head: [u8; 4]) -> ReadError {
        ReadError::Corrupt {
            file: self.file.name.to_string(),
            format: "Arrow",
            reason: format!(
                "its first bytes are those of neither an Arrow file nor an Arrow stream ({head:02x?})"
            ),
        }
    }

    fn corrupt(&self, what: Part, reason: &str) -> ReadError {
        ReadError::Corrupt {
            file: self.file.name.to_string(),
            format: "Arrow",
            reason: format!("{what}: {reason}"),
        }
    }

    fn truncated(&self, what: Part, wanted: usize, left: u64) -> ReadError {
        ReadError::Truncated {
            file: self.file.name.to_string(),
            reason: format!("{what} goes on for {wanted} bytes, and there are {left}"),
        }
    }
}

/// Names a message by the record batches before it; the schema has none before it.
#[derive(Clone, Copy)]
struct Part(Option<u64>);

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(batches) => write!(f, "record batch {batches}"),
            None => f.write_str("its schema"),
        }
    }
}

/// Makes sure that a batch's buffers lie in its body, and do not claim to unpack to more than they can.
pub(super) fn check_body(batch: RecordBatch<'_>, body: &[u8]) -> Result<(), ArrowError> {
    let wrong = |reason: String| Err(ArrowError::IpcError(reason));
    let compressed = batch.compression().is_some();
    let mut unpacked = 0_u64;
    for (i, buffer) in batch.buffers().into_iter().flatten().enumerate() {
        let range = usize::try_from(buffer.offset())
            .ok()
            .zip(usize::try_from(buffer.length()).ok())
            .and_then(|(start, length)| Some(start..start.checked_add(length)?));
        let Some(bytes) = range.and_then(|range| body.get(range)) else {
            return wrong(format!(
                "buffer {i} is said to have {} bytes from {} on, in a body of {}",
                buffer.length(),
                buffer.offset(),
                body.len()
            ));
        };
        let claimed = bytes.first_chunk().map(|&bytes| i64::from_le_bytes(bytes));
        if let Some(claimed) = claimed.filter(|_| compressed) {
            // -1: not compressed after all. Others below 0 are the library's to refuse.
            let claimed = u64::try_from(claimed).unwrap_or(0);
            unpacked = unpacked.saturating_add(claimed);
            let most = (bytes.len() as u64).saturating_mul(MOST_RATIO);
            if claimed > most || unpacked > MOST_UNPACKED {
                return wrong(format!(
                    "buffer {i} has {} bytes compressed and is said to unpack to {claimed}",
                    bytes.len()
                ));
            }
        }
    }
    Ok(())
}
