//! Which model, SAE and features an existing page shows.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::Source;

/// An overview that is larger, in bytes, is not believed: one of a million features has some 30 MB.
const MOST_BYTES: u64 = 1 << 30;
const OPENING: &[u8] = b"<script type=\"application/octet-stream\" id=\"overview\">";
/// Columns of `d_sae` entries before `shown`.
const COLUMNS: usize = 6;

/// The model, the SAE and the features that a page shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageContents {
    /// Where its dashboards come from.
    pub source: Source,
    /// Width of the dictionary.
    pub d_sae: u32,
    /// Which features have a page, ascending.
    pub shown: Vec<u32>,
}

/// Why that cannot be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContentsError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is something else, or damaged.
    #[error("{} is not a page of features: {reason}", path.display())]
    NotAPage {
        /// The file.
        path: PathBuf,
        /// How that shows.
        reason: &'static str,
    },
}

#[derive(Deserialize)]
struct Header {
    source: Source,
    d_sae: u32,
    n_shown: u32,
}

impl PageContents {
    /// Reads what a page, the one file or the `index.html` of a folder, says about itself.
    ///
    /// # Errors
    /// [`ContentsError`] for a file that is not there, or is no such page.
    pub fn of(path: impl AsRef<Path>) -> Result<Self, ContentsError> {
        read(path.as_ref(), |contents, _| contents)
    }
}

/// What a page says about itself, and the columns of its overview after that.
pub(crate) fn read<T>(
    path: &Path,
    take: impl FnOnce(PageContents, &[u8]) -> T,
) -> Result<T, ContentsError> {
    let not_a_page = |reason| ContentsError::NotAPage {
        path: path.to_owned(),
        reason,
    };
    let read_error = |source| ContentsError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(read_error)?;
    let packed = overview(&mut BufReader::new(file).bytes()).map_err(read_error)?;
    let packed = packed.ok_or_else(|| not_a_page("it has no overview"))?;
    let gzip = STANDARD.decode(packed).ok();
    let gzip = gzip.ok_or_else(|| not_a_page("its overview is not base64"))?;
    let mut bytes = Vec::new();
    let unpacked = flate2::read::GzDecoder::new(&gzip[..])
        .take(MOST_BYTES)
        .read_to_end(&mut bytes);
    unpacked.map_err(|_| not_a_page("its overview is not gzip"))?;
    let parsed = parse(&bytes).ok_or_else(|| not_a_page("its overview is not of this form"))?;
    Ok(take(parsed.0, parsed.1))
}

/// The text between the opening of the overview's element and the next `<`.
fn overview(
    bytes: &mut impl Iterator<Item = std::io::Result<u8>>,
) -> std::io::Result<Option<Vec<u8>>> {
    let mut matched = 0;
    for byte in bytes.by_ref().take(MOST_BYTES as usize) {
        let byte = byte?;
        // Nothing in the opening but its first byte begins it again.
        matched = match byte {
            b if b == OPENING[matched] => matched + 1,
            b if b == OPENING[0] => 1,
            _ => 0,
        };
        if matched == OPENING.len() {
            let packed = bytes
                .take(MOST_BYTES as usize)
                .take_while(|byte| !matches!(byte, Ok(b'<')));
            return packed.collect::<std::io::Result<_>>().map(Some);
        }
    }
    Ok(None)
}

fn parse(bytes: &[u8]) -> Option<(PageContents, &[u8])> {
    let (length, rest) = bytes.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (json, columns) = rest.split_at_checked(length)?;
    let Header {
        source,
        d_sae,
        n_shown,
    } = serde_json::from_slice(json).ok()?;
    let shown = columns.get(COLUMNS * 4 * d_sae as usize..)?;
    let n = n_shown as usize;
    // Lists of tokens may follow.
    let shown = shown.get(..n.checked_mul(4)?)?;
    let entry = |i: usize| u32::from_le_bytes([0, 1, 2, 3].map(|plane| shown[plane * n + i]));
    let sums = (0..n).scan(0_u32, |sum, i| {
        *sum = sum.checked_add(entry(i))?;
        Some(*sum)
    });
    let shown: Vec<u32> = sums.collect();
    let is_sound = shown.len() == n && shown.last().is_none_or(|&last| last < d_sae);
    let contents = PageContents {
        source,
        d_sae,
        shown,
    };
    is_sound.then_some((contents, columns))
}
