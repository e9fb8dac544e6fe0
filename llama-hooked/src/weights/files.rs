//! Safetensors files, mapped into memory.

use super::LlamaLoadError;
use super::decode::{Stored, Target, decode};
use burn::tensor::TensorData;
use memmap2::Mmap;
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The tensors of one model, in one file or several.
#[derive(Debug)]
pub(crate) struct WeightFiles {
    files: Vec<MappedFile>,
    tensors: BTreeMap<String, StoredTensor>,
    /// Whether names came without [`PREFIX`], which they have now.
    lacked_prefix: bool,
}

/// The prefix of names in a model that has a head; a model without one is saved without it.
const PREFIX: &str = "model.";
/// Compared at a time, in bytes.
const PIECE: usize = 16 << 20;

#[derive(Debug)]
struct MappedFile {
    path: PathBuf,
    map: Mmap,
}

/// A tensor that has been checked to lie within its file.
#[derive(Debug)]
struct StoredTensor {
    file: usize,
    dtype: safetensors::Dtype,
    shape: Vec<usize>,
    offset: usize,
    len: usize,
}

impl WeightFiles {
    /// Maps the files and reads their headers; no tensor is read.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, LlamaLoadError> {
        if paths.is_empty() {
            return Err(LlamaLoadError::NoWeights);
        }
        let files = paths
            .iter()
            .map(|path| MappedFile::open(path))
            .collect::<Result<Vec<_>, _>>()?;
        let mut tensors = BTreeMap::<String, StoredTensor>::new();
        for (file, MappedFile { path, map }) in files.iter().enumerate() {
            let format = |e: safetensors::SafeTensorError| LlamaLoadError::Format {
                path: path.clone(),
                reason: e.to_string(),
            };
            for (name, view) in SafeTensors::deserialize(map).map_err(format)?.tensors() {
                let offset = view.data().as_ptr().addr() - map.as_ptr().addr();
                let tensor = StoredTensor {
                    file,
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    offset,
                    len: view.data().len(),
                };
                if let Some(other) = tensors.insert(name.clone(), tensor) {
                    return Err(LlamaLoadError::Duplicate {
                        name,
                        first: files[other.file].path.clone(),
                        second: path.clone(),
                    });
                }
            }
        }
        let lacked_prefix = tensors.contains_key("embed_tokens.weight")
            && !tensors.keys().any(|name| name.starts_with(PREFIX));
        if lacked_prefix {
            let renamed = tensors.into_iter().map(|(name, tensor)| {
                let whole = if name.starts_with("lm_head.") {
                    name
                } else {
                    format!("{PREFIX}{name}")
                };
                (whole, tensor)
            });
            tensors = renamed.collect();
        }
        Ok(Self {
            files,
            tensors,
            lacked_prefix,
        })
    }

    /// Whether the files name their tensors without `model.`, as a model without a head is saved.
    pub(crate) fn lacked_prefix(&self) -> bool {
        self.lacked_prefix
    }

    /// Whether both tensors exist and differ, compared bit for bit.
    pub(crate) fn differ(&self, a: &str, b: &str) -> bool {
        let (Some(a), Some(b)) = (self.tensors.get(a), self.tensors.get(b)) else {
            return false;
        };
        if (a.dtype, &a.shape) != (b.dtype, &b.shape) {
            return true;
        }
        (0..a.len).step_by(PIECE).any(|start| {
            let len = PIECE.min(a.len - start);
            let [a, b] = [a, b].map(|tensor| {
                let (map, offset) = (&self.files[tensor.file].map, tensor.offset + start);
                (map, offset, &map[offset..offset + len])
            });
            let differ = a.2 != b.2;
            release(a.0, a.1, len);
            release(b.0, b.1, len);
            differ
        })
    }

    /// Every tensor's name, its file and its shape, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Path, &[usize])> {
        self.tensors.iter().map(|(name, tensor)| {
            (
                name.as_str(),
                self.files[tensor.file].path.as_path(),
                tensor.shape.as_slice(),
            )
        })
    }

    /// Checks that the tensor exists, of this shape and made of floats.
    pub(crate) fn check(&self, name: &str, expected: &[usize]) -> Result<(), LlamaLoadError> {
        self.find(name, expected).map(|_| ())
    }

    /// Reads one tensor and releases the pages it was read from.
    pub(crate) fn read(
        &self,
        name: &str,
        shape: &[usize],
        target: Target,
    ) -> Result<TensorData, LlamaLoadError> {
        let (tensor, stored) = self.find(name, shape)?;
        let map = &self.files[tensor.file].map;
        let data = decode(
            &map[tensor.offset..tensor.offset + tensor.len],
            stored,
            target,
            shape,
        );
        release(map, tensor.offset, tensor.len);
        Ok(data)
    }

    /// Some rows of a matrix, in the order asked for.
    pub(crate) fn read_rows(
        &self,
        name: &str,
        shape: [usize; 2],
        rows: &[usize],
        target: Target,
    ) -> Result<TensorData, LlamaLoadError> {
        let (tensor, stored) = self.find(name, &shape)?;
        let map = &self.files[tensor.file].map;
        let row_bytes = tensor.len / shape[0];
        let mut bytes = Vec::with_capacity(rows.len() * row_bytes);
        for &row in rows {
            bytes.extend_from_slice(&map[tensor.offset..][row * row_bytes..][..row_bytes]);
        }
        release(map, tensor.offset, tensor.len);
        Ok(decode(&bytes, stored, target, &[rows.len(), shape[1]]))
    }

    /// A range of the rows of a matrix.
    pub(crate) fn read_range(
        &self,
        name: &str,
        shape: [usize; 2],
        rows: Range<usize>,
        target: Target,
    ) -> Result<TensorData, LlamaLoadError> {
        let (tensor, stored) = self.find(name, &shape)?;
        let map = &self.files[tensor.file].map;
        let row_bytes = tensor.len / shape[0];
        let (offset, len) = (
            tensor.offset + rows.start * row_bytes,
            rows.len() * row_bytes,
        );
        let data = decode(
            &map[offset..offset + len],
            stored,
            target,
            &[rows.len(), shape[1]],
        );
        release(map, offset, len);
        Ok(data)
    }

    fn find(
        &self,
        name: &str,
        expected: &[usize],
    ) -> Result<(&StoredTensor, Stored), LlamaLoadError> {
        let tensor = self
            .tensors
            .get(name)
            .ok_or_else(|| self.missing(name, expected))?;
        let path = &self.files[tensor.file].path;
        if tensor.shape != expected {
            return Err(LlamaLoadError::Shape {
                path: path.clone(),
                name: name.to_owned(),
                found: tensor.shape.clone(),
                expected: expected.to_vec(),
            });
        }
        let stored = Stored::new(tensor.dtype).ok_or_else(|| LlamaLoadError::Dtype {
            path: path.clone(),
            name: name.to_owned(),
            found: format!("{:?}", tensor.dtype),
        })?;
        Ok((tensor, stored))
    }

    fn missing(&self, name: &str, expected: &[usize]) -> LlamaLoadError {
        let first = self.files[0].path.display();
        let files = match self.files.len() {
            1 => first.to_string(),
            n => format!("{first} and {} more files", n - 1),
        };
        let hint = if name == "lm_head.weight" {
            "; if the unembedding is the embedding, config.json should say \"tie_word_embeddings\": true"
        } else {
            ""
        };
        LlamaLoadError::Missing {
            name: name.to_owned(),
            expected: expected.to_vec(),
            files,
            hint,
        }
    }
}

impl MappedFile {
    fn open(path: &Path) -> Result<Self, LlamaLoadError> {
        let read = |source| LlamaLoadError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(read)?;
        if !file.metadata().map_err(read)?.is_file() {
            return Err(LlamaLoadError::Format {
                path: path.to_owned(),
                reason: "it is not a regular file".to_owned(),
            });
        }
        // SAFETY: the map is read-only and private. As with every map of a file, another process that shortens the file while it
        // is read can end this one; models in use are not rewritten in place.
        let map = unsafe { Mmap::map(&file) }.map_err(read)?;
        Ok(Self {
            path: path.to_owned(),
            map,
        })
    }
}

/// Gives pages back at once rather than when memory runs short: pages that have been read are never read again, and count towards
/// the process until then.
#[cfg(unix)]
fn release(map: &Mmap, offset: usize, len: usize) {
    // SAFETY: the pages are those of a read-only map of a file: read again, they come from the file again.
    let advised =
        unsafe { map.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, offset, len) };
    if let Err(error) = advised {
        tracing::debug!(%error, "pages of a weight file could not be released early");
    }
}

#[cfg(not(unix))]
fn release(_: &Mmap, _: usize, _: usize) {}
