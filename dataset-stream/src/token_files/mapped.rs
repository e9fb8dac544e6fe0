//! A table in a file, mapped.

use std::fs::File;
use std::path::{Path, PathBuf};

use memmap2::Mmap;
use safetensors::{Dtype, SafeTensors};

use super::{KEY, METADATA, TableError, TableMetadata};

/// A tensor of ids in a mapped safetensors file.
#[derive(Debug)]
pub(crate) struct Mapped {
    map: Mmap,
    path: PathBuf,
    key: String,
    dtype: Dtype,
    /// Where the tensor starts in the file.
    start: usize,
    pub(crate) rows: usize,
    pub(crate) context_size: usize,
    pub(crate) metadata: Option<TableMetadata>,
}

impl Mapped {
    /// Maps the file and finds the tensor: `wanted`, else the one that looks like the table.
    pub(crate) fn open(path: &Path, wanted: Option<&str>) -> Result<Self, TableError> {
        let io = |source| TableError::Io {
            doing: "read",
            path: path.to_owned(),
            source,
        };
        let corrupt = |reason: String| TableError::Corrupt {
            path: path.to_owned(),
            reason,
        };
        let found = std::fs::metadata(path).map_err(io)?;
        // Asked before it is opened: opening a pipe waits for somebody who writes into it.
        if !found.is_file() {
            return Err(corrupt("it is a folder, a pipe or a device".into()));
        }
        let file = File::open(path).map_err(io)?;
        if found.len() == 0 {
            return Err(corrupt("it is empty".into()));
        }
        // SAFETY: the map is read only; that nobody changes the file underneath is the documented condition, as for every
        // reader that maps files.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        let (header, all) = SafeTensors::read_metadata(&map).map_err(|e| corrupt(e.to_string()))?;
        let key = choose(path, &all.offset_keys(), wanted)?;
        let info = all
            .info(&key)
            .ok_or_else(|| corrupt(format!("tensor {key:?} has no entry")))?;
        let &[rows, context_size @ 1..=usize::MAX] = info.shape.as_slice() else {
            return Err(TableError::Shape {
                path: path.to_owned(),
                key,
                shape: info.shape.clone(),
            });
        };
        let dtype = info.dtype;
        if !matches!(dtype, Dtype::U16 | Dtype::U32 | Dtype::I32 | Dtype::I64) {
            return Err(TableError::Dtype {
                path: path.to_owned(),
                key,
                dtype: format!("{dtype:?}"),
            });
        }
        let entry = all
            .metadata()
            .as_ref()
            .and_then(|entries| entries.get(METADATA));
        let metadata = entry
            .map(|json| serde_json::from_str(json))
            .transpose()
            .map_err(|e| corrupt(format!("its metadata entry {METADATA:?}: {e}")))?;
        let start = 8 + header + info.data_offsets.0;
        Ok(Self {
            map,
            path: path.to_owned(),
            key,
            dtype,
            start,
            rows,
            context_size,
            metadata,
        })
    }

    /// Bytes of one id as it is stored.
    pub(crate) fn bytes_per_id(&self) -> usize {
        match self.dtype {
            Dtype::U16 => 2,
            Dtype::I64 => 8,
            _ => 4,
        }
    }

    /// Appends row `row`, which must be one of the table's.
    pub(crate) fn read_row(&self, row: usize, out: &mut Vec<u32>) -> Result<(), TableError> {
        let row_bytes = self.context_size * self.bytes_per_id();
        let bytes = &self.map[self.start + row * row_bytes..][..row_bytes];
        let bad = match self.dtype {
            Dtype::U16 => convert(bytes, |b: [u8; 2]| u16::from_le_bytes(b).into(), out),
            Dtype::U32 => convert(bytes, |b: [u8; 4]| u32::from_le_bytes(b).into(), out),
            Dtype::I32 => convert(bytes, |b: [u8; 4]| i32::from_le_bytes(b).into(), out),
            _ => convert(bytes, i64::from_le_bytes, out),
        };
        match bad {
            None => Ok(()),
            Some((column, value)) => {
                let (path, key) = (self.path.clone(), self.key.clone());
                Err(TableError::NotAnId {
                    path,
                    key,
                    row,
                    column,
                    value,
                })
            }
        }
    }
}

fn choose(path: &Path, keys: &[String], wanted: Option<&str>) -> Result<String, TableError> {
    let has = |key: &str| keys.iter().any(|k| k == key);
    match wanted {
        Some(key) if has(key) => return Ok(key.into()),
        None if has(KEY) => return Ok(KEY.into()),
        None if has("input_ids") => return Ok("input_ids".into()),
        None if keys.len() == 1 => return Ok(keys[0].clone()),
        _ => {}
    }
    let wanted = wanted.map_or_else(
        || format!("{KEY:?} or \"input_ids\""),
        |key| format!("{key:?}"),
    );
    let mut found: Vec<_> = keys.iter().take(10).map(|key| format!("{key:?}")).collect();
    match keys.len() {
        0 => found.push("none".into()),
        n if n > 10 => found.push(format!("{} more", n - 10)),
        _ => {}
    }
    Err(TableError::NoTensor {
        path: path.to_owned(),
        wanted,
        found: found.join(", "),
    })
}

/// Appends values as ids; the first that is none, and where it is.
fn convert<const N: usize>(
    bytes: &[u8],
    value: impl Fn([u8; N]) -> i64,
    out: &mut Vec<u32>,
) -> Option<(usize, i64)> {
    let (values, _) = bytes.as_chunks::<N>();
    for (at, &bytes) in values.iter().enumerate() {
        let value = value(bytes);
        match u32::try_from(value) {
            Ok(id) => out.push(id),
            Err(_) => return Some((at, value)),
        }
    }
    None
}
