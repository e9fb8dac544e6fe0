//! The tensors of one file, whatever its container: where they lie, how long they are, what they are called.

use super::{SaeLoadError, npy, pickle};
use half::{bf16, f16};
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeMap;
use std::path::Path;

/// Tensors by name, in the bytes of a mapped file. Nothing is copied until numbers are asked for.
#[derive(Debug)]
pub(crate) struct Tensors<'a> {
    all: BTreeMap<String, Stored<'a>>,
}

/// One tensor as it lies in a file.
#[derive(Debug, Clone)]
pub(crate) struct Stored<'a> {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<usize>,
    /// Steps between neighbours along each axis, in numbers; none where the rows lie one after the other.
    pub(crate) strides: Option<Vec<usize>>,
    /// From the first number on.
    pub(crate) data: &'a [u8],
}

impl<'a> Tensors<'a> {
    /// Reads names, types and shapes, which are checked against the file's size: of a safetensors file, of one that `torch.save` wrote, or
    /// of an `.npz`.
    pub(crate) fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, SaeLoadError> {
        let all = if bytes.starts_with(b"PK") {
            if npy::is_npz(bytes) {
                npy::read(path, bytes)?
            } else {
                pickle::read(path, bytes)?
            }
        } else if pickle::is_old(bytes) {
            return Err(pickle::old(path).into());
        } else {
            let file = SafeTensors::deserialize(bytes).map_err(|e| SaeLoadError::Format {
                path: path.to_owned(),
                reason: e.to_string(),
            })?;
            let stored = file.iter().map(|(name, view)| {
                let stored = Stored {
                    dtype: view.dtype(),
                    shape: view.shape().to_vec(),
                    strides: None,
                    data: view.data(),
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

    /// The numbers in the order of the axes, or `None` if they are not floats.
    pub(crate) fn to_f32(&self) -> Option<Vec<f32>> {
        let values = to_f32(self.dtype, self.data)?;
        let Some(strides) = &self.strides else {
            return Some(values);
        };
        Some(gathered(&values, &self.shape, strides))
    }

    /// The numbers of a matrix, transposed: `[rows, columns]` as `[columns, rows]`. A few rows at a time are turned into f32, so that a
    /// large matrix is in memory once.
    pub(crate) fn to_f32_transposed(&self) -> Option<Vec<f32>> {
        let &[rows, columns] = self.shape.as_slice() else {
            return None;
        };
        let mut out = vec![0.0; rows * columns];
        if self.strides.is_some() || out.is_empty() {
            transpose_into(&mut out, &self.to_f32()?, 0, rows);
            return Some(out);
        }
        let width = self.data.len() / rows;
        for (at, some) in self.data.chunks(width * BLOCK).enumerate() {
            transpose_into(&mut out, &to_f32(self.dtype, some)?, at * BLOCK, rows);
        }
        Some(out)
    }
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

/// The numbers of a view, one after the other.
fn gathered(values: &[f32], shape: &[usize], strides: &[usize]) -> Vec<f32> {
    let n = shape.iter().product();
    let mut out = Vec::with_capacity(n);
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    for _ in 0..n {
        out.push(values[at]);
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            at += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            at -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
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
    use super::{Stored, gathered};
    use safetensors::Dtype;

    #[test]
    fn views_are_read_by_their_strides() {
        let values: Vec<f32> = (0..6_u8).map(f32::from).collect();
        assert_eq!(
            gathered(&values, &[3, 2], &[1, 3]),
            [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]
        );
        assert_eq!(gathered(&values, &[], &[]), [0.0]);
        assert_eq!(gathered(&values, &[2, 0], &[1, 1]), [] as [f32; 0]);
    }

    #[test]
    fn a_transpose_is_its_definition_at_every_shape() {
        for (rows, columns) in [(1, 1), (1, 70), (70, 1), (33, 65), (64, 32)] {
            let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
            let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
            let stored = Stored {
                dtype: Dtype::F32,
                shape: vec![rows, columns],
                strides: None,
                data: &bytes,
            };
            let out = stored.to_f32_transposed().unwrap();
            for row in 0..rows {
                for column in 0..columns {
                    let (a, b) = (out[column * rows + row], values[row * columns + column]);
                    assert!((a - b).abs() < f32::EPSILON, "{rows}x{columns}");
                }
            }
            // As a view of its transpose.
            let view = Stored {
                shape: vec![columns, rows],
                strides: Some(vec![1, columns]),
                ..stored
            };
            assert_eq!(view.to_f32_transposed().unwrap(), values);
        }
    }
}
