//! Safetensors files, whole in one call or a batch of rows at a time.

use crate::file::temporary;
use crate::{WholeFile, WriteError, WriteErrorKind, folder_of, follow};
use safetensors::tensor::{Dtype, View};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Some rows of a tensor: its name, and numbers in their bytes, little-endian.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TensorBatch<'a> {
    /// The tensor.
    pub name: &'a str,
    /// Its number format.
    pub dtype: Dtype,
    /// The shape of these rows; the first axis counts them.
    pub shape: &'a [usize],
    /// Their numbers.
    pub bytes: &'a [u8],
}

impl<'a> TensorBatch<'a> {
    /// Rows of the tensor `name`.
    pub fn new(name: &'a str, dtype: Dtype, shape: &'a [usize], bytes: &'a [u8]) -> Self {
        Self {
            name,
            dtype,
            shape,
            bytes,
        }
    }
}

/// A file of tensors that is not as announced, or cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorFileError {
    /// The disk refuses.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// There was no batch.
    #[error("{}: there was nothing to write", .0.display())]
    Empty(PathBuf),
    /// A tensor is not as in the first batch, or has too few or too many rows.
    #[error("tensor {name} {problem}")]
    Tensor {
        /// The tensor.
        name: String,
        /// The problem.
        problem: &'static str,
    },
    /// The library refuses the tensors.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
}

/// A file under way. The number of rows of every tensor is fixed; the rest of each shape comes with the first batch, whose tensors are
/// those of the file. The bytes are where they belong as soon as they are pushed: nothing is kept in memory.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    rows: usize,
    metadata: Option<HashMap<String, String>>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: WholeFile,
    header: Map<String, Value>,
    data_start: u64,
    tensors: BTreeMap<String, Slot>,
}

/// A tensor's place in the file.
#[derive(Debug)]
struct Slot {
    dtype: Dtype,
    /// Without the rows.
    shape: Vec<usize>,
    start: u64,
    written: u64,
    len: u64,
}

impl TensorFile {
    /// A file of tensors of `rows` rows each.
    pub fn new(path: &Path, rows: usize) -> Self {
        Self {
            path: path.to_owned(),
            rows,
            metadata: None,
            open: None,
        }
    }

    /// With text in its `__metadata__`.
    #[must_use]
    pub fn with_metadata(self, metadata: HashMap<String, String>) -> Self {
        Self {
            metadata: Some(metadata),
            ..self
        }
    }

    /// Appends rows to each tensor. Names, dtypes and shapes after the first axis are those of the first batch.
    ///
    /// # Errors
    /// If they are not, there are more rows than announced, or the file cannot be written.
    pub fn push(&mut self, batch: &[TensorBatch<'_>]) -> Result<(), TensorFileError> {
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::create(
                &self.path,
                self.rows,
                self.metadata.as_ref(),
                batch,
            )?),
        };
        batch.iter().try_for_each(|part| open.push(part))
    }

    /// Puts other text into its `__metadata__`, once what it says is known: after the first batch, and not longer than the text that was given
    /// at first.
    ///
    /// # Errors
    /// If it is longer, there was no batch, or the file cannot be written.
    pub fn replace_metadata(
        &mut self,
        metadata: HashMap<String, String>,
    ) -> Result<(), TensorFileError> {
        let Some(open) = &mut self.open else {
            return Err(TensorFileError::Empty(self.path.clone()));
        };
        open.replace_metadata(&self.path, &metadata)?;
        self.metadata = Some(metadata);
        Ok(())
    }

    /// Makes sure that what was pushed is on the disk, so that a file that gets its name outlasts a power cut.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn sync(&self) -> Result<(), TensorFileError> {
        let Some(Open { file, .. }) = &self.open else {
            return Ok(());
        };
        let synced = file.as_file().sync_all();
        synced.map_err(|error| file.error(error).into())
    }

    /// Gives the file its name; returns every tensor's name and shape, in the order of their names.
    ///
    /// # Errors
    /// If a tensor has fewer rows than announced, or the file cannot be renamed.
    pub fn finish(self) -> Result<Vec<(String, Vec<usize>)>, TensorFileError> {
        let Some(open) = self.open else {
            return Err(TensorFileError::Empty(self.path));
        };
        let mut shapes = Vec::with_capacity(open.tensors.len());
        for (name, slot) in open.tensors {
            if slot.written != slot.len {
                return Err(problem(&name, "has fewer rows than announced"));
            }
            shapes.push((name, [&[self.rows], slot.shape.as_slice()].concat()));
        }
        open.file.finish()?;
        Ok(shapes)
    }
}

impl Open {
    fn create(
        path: &Path,
        rows: usize,
        metadata: Option<&HashMap<String, String>>,
        batch: &[TensorBatch<'_>],
    ) -> Result<Self, TensorFileError> {
        let mut header = Map::new();
        if let Some(metadata) = metadata {
            header.insert("__metadata__".to_owned(), json!(metadata));
        }
        let mut tensors = BTreeMap::new();
        let mut start = 0;
        // Wide numbers first, so that each tensor is aligned to its own: torch takes views of the file.
        let mut batch: Vec<_> = batch.iter().collect();
        batch.sort_by_key(|part| std::cmp::Reverse(part.dtype.bitsize()));
        for part in batch {
            let Some((_, shape)) = part.shape.split_first() else {
                return Err(problem(part.name, "has no axis of rows"));
            };
            let full = [&[rows], shape].concat();
            let len = bytes_of(&full, part.dtype)
                .ok_or_else(|| problem(part.name, "is too large for a file"))?;
            let entry =
                json!({ "dtype": part.dtype, "shape": full, "data_offsets": [start, start + len] });
            header.insert(part.name.to_owned(), entry);
            tensors.insert(
                part.name.to_owned(),
                Slot {
                    dtype: part.dtype,
                    shape: shape.to_vec(),
                    start,
                    written: 0,
                    len,
                },
            );
            start += len;
        }
        let mut text = json!(header).to_string();
        // Tensors begin at a multiple of eight bytes.
        while !text.len().is_multiple_of(8) {
            text.push(' ');
        }
        let data_start = 8 + text.len() as u64;
        let mut file = WholeFile::create(path)?;
        let mut begin = || {
            file.write_all(&(text.len() as u64).to_le_bytes())?;
            file.write_all(text.as_bytes())?;
            file.as_file().set_len(data_start + start)
        };
        match begin() {
            Ok(()) => Ok(Self {
                file,
                header,
                data_start,
                tensors,
            }),
            Err(error) => Err(file.error(error).into()),
        }
    }

    fn replace_metadata(
        &mut self,
        path: &Path,
        metadata: &HashMap<String, String>,
    ) -> Result<(), TensorFileError> {
        self.header
            .insert("__metadata__".to_owned(), json!(metadata));
        let mut text = json!(self.header).to_string();
        let room = self.data_start as usize - 8;
        if text.len() > room {
            return Err(TensorFileError::Format {
                path: path.to_owned(),
                reason: "the metadata is longer than it was at first".to_owned(),
            });
        }
        text.extend(std::iter::repeat_n(' ', room - text.len()));
        let file = &mut self.file;
        let written = file.seek(SeekFrom::Start(8));
        let written = written.and_then(|_| file.write_all(text.as_bytes()));
        written.map_err(|error| self.file.error(error).into())
    }

    fn push(&mut self, part: &TensorBatch<'_>) -> Result<(), TensorFileError> {
        let name = part.name;
        let slot = self
            .tensors
            .get_mut(name)
            .ok_or_else(|| problem(name, "came with a later batch only"))?;
        let same = slot.dtype == part.dtype
            && part
                .shape
                .split_first()
                .is_some_and(|(_, s)| s == slot.shape)
            && bytes_of(part.shape, part.dtype) == Some(part.bytes.len() as u64);
        if !same {
            return Err(problem(name, "has changed between batches"));
        }
        let len = part.bytes.len() as u64;
        if slot.written + len > slot.len {
            return Err(problem(name, "has more rows than announced"));
        }
        let at = SeekFrom::Start(self.data_start + slot.start + slot.written);
        let file = &mut self.file;
        let written: io::Result<()> = file.seek(at).and_then(|_| file.write_all(part.bytes));
        slot.written += len;
        written.map_err(|error| self.file.error(error).into())
    }
}

/// Writes a file of tensors, whole. A [`View`] may bring a tensor to the host when its bytes are asked for.
///
/// # Errors
/// If the file cannot be written.
pub fn save_tensors<V: View>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, V)>,
) -> Result<(), TensorFileError> {
    let io = |error| WriteErrorKind::from(error).of(path);
    let real = follow(path);
    // The library makes a temporary file of its own beside the one that it is told. In a folder of ours, what a killed process leaves has a name
    // that is known.
    let folder = temporary(0o777).tempdir_in(folder_of(&real)).map_err(io)?;
    let temporary = folder.path().join("tensors");
    let new = std::fs::File::create(&temporary).map_err(io)?;
    let permissions = new.metadata().map_err(io)?.permissions();
    safetensors::serialize_to_file(tensors, None, &temporary).map_err(|error| {
        TensorFileError::Format {
            path: path.to_owned(),
            reason: error.to_string(),
        }
    })?;
    // Its own file nobody else may read.
    std::fs::set_permissions(&temporary, permissions).map_err(io)?;
    Ok(std::fs::rename(&temporary, real).map_err(io)?)
}

fn bytes_of(shape: &[usize], dtype: Dtype) -> Option<u64> {
    let values = shape
        .iter()
        .try_fold(1_u64, |n, &axis| n.checked_mul(axis as u64))?;
    Some(values.checked_mul(dtype.bitsize() as u64)?.div_ceil(8))
}

fn problem(name: &str, problem: &'static str) -> TensorFileError {
    TensorFileError::Tensor {
        name: name.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests;
