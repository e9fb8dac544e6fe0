//! Arrays that `numpy.savez` wrote: a zip archive of `.npy` files.
//!
//! A `.npy` file is a magic word, a version, the length of a header, the header (a Python dictionary) and the numbers; see
//! `numpy.lib.format`.

use super::tensors::{Data, Stored};
use crate::formats::FormatError;
use safetensors::Dtype;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::path::Path;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

/// Of the entries of an archive.
const ENDING: &str = ".npy";
const MAGIC: &[u8] = b"\x93NUMPY";

/// Whether a file is an archive of arrays of numpy.
pub(super) fn is_npz(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK")
        && ZipArchive::new(Cursor::new(bytes)).is_ok_and(|archive| {
            let is_array =
                |name: Result<Cow<'_, str>, _>| name.is_ok_and(|name| name.ends_with(ENDING));
            !archive.is_empty() && archive.file_names().all(is_array)
        })
}

/// The arrays by name, in the bytes of the archive: `numpy.savez` does not compress.
pub(super) fn read<'a>(
    path: &Path,
    bytes: &'a [u8],
) -> Result<BTreeMap<String, Stored<'a>>, FormatError> {
    let at_fault = |problem: String| FormatError::Archive {
        path: path.to_owned(),
        problem,
    };
    let damaged = |error: ZipError| at_fault(format!("is a damaged zip archive: {error}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    let mut arrays = BTreeMap::new();
    for at in 0..archive.len() {
        let entry = archive.by_index_raw(at).map_err(damaged)?;
        let name = entry.name().map_err(damaged)?;
        let name = name.trim_end_matches(ENDING).to_owned();
        if entry.compression() != CompressionMethod::Stored {
            return Err(at_fault(format!(
                "has a compressed array, {name:?}; expected one that numpy.savez wrote, not numpy.savez_compressed"
            )));
        }
        let place = |at: u64| usize::try_from(at).ok();
        let data = entry.data_start().and_then(place).zip(place(entry.size()));
        let data = data.and_then(|(start, n)| bytes.get(start..start.checked_add(n)?));
        let data = data.ok_or_else(|| {
            at_fault(format!(
                "is cut short: its array {name:?} reaches beyond the end"
            ))
        })?;
        let array =
            array(data).map_err(|why| at_fault(format!("has an array {name:?} that {why}")))?;
        arrays.insert(name, array);
    }
    Ok(arrays)
}

fn array(bytes: &[u8]) -> Result<Stored<'_>, String> {
    let header = header(bytes).ok_or("is no .npy file")?;
    let (text, data) = header;
    let word = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}':"))?;
        Some(rest.trim_start())
    };
    let descr = word("descr").unwrap_or_default();
    let (dtype, width) = match descr.split('\'').nth(1) {
        Some("<f4") => (Dtype::F32, 4),
        Some("<f8") => (Dtype::F64, 8),
        Some("<f2") => (Dtype::F16, 2),
        Some("<i4") => (Dtype::I32, 4),
        Some("<i8") => (Dtype::I64, 8),
        other => {
            return Err(format!(
                "has the type {:?}; expected little-endian floats",
                other.unwrap_or("unknown")
            ));
        }
    };
    if word("fortran_order").is_some_and(|rest| rest.starts_with("True")) {
        return Err("lies column by column (fortran_order); expected row by row".to_owned());
    }
    let shape = word("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or("has no shape")?;
    let axes = shape
        .split(',')
        .map(str::trim)
        .filter(|axis| !axis.is_empty());
    let shape = axes.map(str::parse).collect::<Result<Vec<usize>, _>>();
    let shape = shape.map_err(|_| "has a shape that is not made of numbers")?;
    let n = shape
        .iter()
        .try_fold(width, |n: usize, &by| n.checked_mul(by));
    if n != Some(data.len()) {
        return Err(format!(
            "has shape {shape:?} and {} bytes, which do not fit",
            data.len()
        ));
    }
    Ok(Stored {
        dtype,
        shape,
        data: Data::Mapped(data),
    })
}

fn header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let (n, rest) = if version[0] == 1 {
        let (n, rest) = rest.split_first_chunk::<2>()?;
        (u16::from_le_bytes(*n) as usize, rest)
    } else {
        let (n, rest) = rest.split_first_chunk::<4>()?;
        (u32::from_le_bytes(*n) as usize, rest)
    };
    let (text, data) = rest.split_at_checked(n)?;
    Some((std::str::from_utf8(text).ok()?, data))
}
