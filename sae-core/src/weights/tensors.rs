//! The tensors of one file, whatever its container: where they lie, how long they are, what they are called.

use super::{SaeLoadError, npy, pickle};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// Tensors by name, in the bytes of a mapped file or in an archive. Nothing is copied until numbers are asked for.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    all: BTreeMap<String, Stored<'a>>,
}

/// One tensor as it lies in a file.
#[derive(Debug, Clone)]
pub(crate) struct Stored<'a> {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data<'a>,
}

/// Where the numbers of a tensor are.
#[derive(Debug, Clone)]
pub(crate) enum Data<'a> {
    /// In the mapped file, one row after the other.
    Mapped(&'a [u8]),
    /// In a file of `PyTorch`, which is read when they are asked for.
    Pickled(pytorch_reader::Tensor),
}

/// Numbers that cannot be had as floats.
#[derive(Debug)]
pub(crate) enum NoFloats {
    /// They are of another kind.
    Kind,
    /// The file cannot be read.
    Read(io::Error),
}

impl<'a> Tensors<'a> {
    /// Reads names, types and shapes, which are checked against the file's size: of a safetensors file, of one that `torch.save` wrote, or
    /// of an `.npz`.
    pub(crate) fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, SaeLoadError> {
        let all = if npy::is_npz(bytes) {
            npy::read(path, bytes)?
        } else if bytes.starts_with(b"PK") || is_old_pickle(bytes) {
            pickle::read(path, bytes.len())?
        } else {
            let file = SafeTensors::deserialize(bytes).map_err(|e| SaeLoadError::Format {
                path: path.to_owned(),
                reason: e.to_string(),
            })?;
            let stored = file.iter().map(|(name, view)| {
                let stored = Stored {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    data: Data::Mapped(view.data()),
                };
                (name.to_owned(), stored)
            });
            stored.collect()
        };
        Ok(Self { all })
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Stored<'a>> {
        self.all.get(name)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Stored<'a>)> {
        self.all
            .iter()
            .map(|(name, stored)| (name.as_str(), stored))
    }

    /// The names, for a message.
    pub(crate) fn names(&self) -> String {
        if self.all.is_empty() {
            return "none".to_owned();
        }
        let names: Vec<_> = self.all.keys().map(String::as_str).collect();
        names.join(", ")
    }
}

impl Stored<'_> {
    pub(crate) fn n_values(&self) -> usize {
        self.shape.iter().product()
    }

    /// Where the numbers begin in the bytes of the mapped file; none if they are in an archive.
    pub(crate) fn start_in(&self, map: &[u8]) -> Option<usize> {
        match &self.data {
            Data::Mapped(bytes) => (bytes.as_ptr() as usize).checked_sub(map.as_ptr() as usize),
            Data::Pickled(_) => None,
        }
    }

    /// The numbers as they lie, one row after the other.
    pub(crate) fn bytes(&self) -> io::Result<Cow<'_, [u8]>> {
        match &self.data {
            Data::Mapped(bytes) => Ok(Cow::Borrowed(bytes)),
            Data::Pickled(tensor) => tensor.read().map(Cow::Owned),
        }
    }

    /// The numbers in the order of the axes.
    pub(crate) fn to_f32(&self) -> Result<Vec<f32>, NoFloats> {
        let bytes = self.bytes().map_err(NoFloats::Read)?;
        to_f32(self.dtype, &bytes).ok_or(NoFloats::Kind)
    }

    /// The numbers of a matrix, transposed: `[rows, columns]` as `[columns, rows]`. A few rows at a time are turned into f32, so that a
    /// large matrix is in memory once.
    pub(crate) fn to_f32_transposed(&self) -> Result<Vec<f32>, NoFloats> {
        let &[rows, columns] = self.shape.as_slice() else {
            return Err(NoFloats::Kind);
        };
        let mut out = vec![0.0; rows * columns];
        if out.is_empty() {
            return Ok(out);
        }
        let bytes = self.bytes().map_err(NoFloats::Read)?;
        let width = bytes.len() / rows;
        for (at, some) in bytes.chunks(width * BLOCK).enumerate() {
            let values = to_f32(self.dtype, some).ok_or(NoFloats::Kind)?;
            transpose_into(&mut out, &values, at * BLOCK, rows);
        }
        Ok(out)
    }
}

/// Whether the file is a pickle by itself, as torch wrote it before version 1.6.
fn is_old_pickle(bytes: &[u8]) -> bool {
    // Of a safetensors file the length of its header comes first, and then its brace.
    bytes.first() == Some(&0x80)
        && bytes.get(1).is_some_and(|version| *version <= 5)
        && bytes.get(8) != Some(&b'{')
}

/// Rows, and columns, that are transposed at a time: they stay in the cache.
const BLOCK: usize = 32;

/// Puts rows from `first` on in their place in a matrix whose columns they are.
fn transpose_into(out: &mut [f32], values: &[f32], first: usize, rows: usize) {
    let columns = out.len() / rows.max(1);
    for left in (0..columns).step_by(BLOCK) {
        for (row, values) in values.chunks_exact(columns).enumerate() {
            for column in left..(left + BLOCK).min(columns) {
                out[column * rows + first + row] = values[column];
            }
        }
    }
}

/// Little-endian floats as f32, or `None` for other kinds of numbers.
pub(crate) fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::F16 => each(bytes, |b| f16::from_le_bytes(b).to_f32()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f32()),
        _ => return None,
    })
}

fn each<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|b| number(*b))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::{Data, Stored};
    use safetensors::Dtype;

    #[test]
    fn a_transpose_is_its_definition_at_every_shape() {
        for (rows, columns) in [(1, 1), (1, 70), (70, 1), (33, 65), (64, 32)] {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            let stored = Stored {
                dtype: Dtype::F32,
                shape: vec![rows, columns],
                data: Data::Mapped(&bytes),
            };
            let out = stored.to_f32_transposed().unwrap();
            for row in 0..rows {
                for column in 0..columns {
                    let (a, b) = (out[column * rows + row], values[row * columns + column]);
                    assert!((a - b).abs() < f32::EPSILON, "{rows}x{columns}");
                }
            }
        }
    }
}
