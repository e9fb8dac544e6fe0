//! Matrices that stay in their file: mapped, and turned into f32 row by row where they are needed.

use crate::weights::{SaeLoadError, Stored, Tensors, WeightFile, to_f32};
use memmap2::Mmap;
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A mapped file of safetensors, and where its tensors lie in it.
#[derive(Debug)]
pub(super) struct MappedFile {
    path: PathBuf,
    map: Mmap,
    tensors: BTreeMap<String, Lies>,
    what: &'static str,
}

/// Where a tensor lies.
#[derive(Debug, Clone)]
struct Lies {
    dtype: Dtype,
    shape: Vec<usize>,
    start: usize,
}

/// A matrix within a tensor: `rows` of `columns` neighbours, `stride` numbers from one row to the next.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    file: Arc<MappedFile>,
    dtype: Dtype,
    /// Bytes before the first number.
    start: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    stride: usize,
}

impl MappedFile {
    /// Maps a file and reads its header, which is checked against its size. `what` names the kind of dictionary in messages.
    pub(super) fn open(path: &Path, what: &'static str) -> Result<Arc<Self>, SaeLoadError> {
        let unreadable = |source| SaeLoadError::Read {
            path: path.to_owned(),
            source,
        };
        // Opening a pipe would wait for somebody who writes into it.
        if !std::fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(unreadable(std::io::Error::other(
                "it is a folder, a pipe or a device",
            )));
        }
        let map = WeightFile::map(path)?;
        let mut tensors = BTreeMap::new();
        for (name, stored) in Tensors::parse(path, &map)?.iter() {
            let start = stored.start_in(&map).ok_or_else(|| SaeLoadError::Format {
                path: path.to_owned(),
                reason: format!("a {what} is read where it lies, which needs safetensors"),
            })?;
            let Stored { dtype, shape, .. } = stored;
            let (dtype, shape) = (*dtype, shape.clone());
            tensors.insert(
                name.to_owned(),
                Lies {
                    dtype,
                    shape,
                    start,
                },
            );
        }
        Ok(Arc::new(Self {
            path: path.to_owned(),
            map,
            tensors,
            what,
        }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.tensors.get(name).map(|lies| lies.shape.as_slice())
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// A tensor of this shape, as rows of its last axis.
    pub(super) fn tensor(
        self: &Arc<Self>,
        name: &str,
        expected: &[usize],
    ) -> Result<Matrix, SaeLoadError> {
        let lies = self
            .tensors
            .get(name)
            .ok_or_else(|| SaeLoadError::Missing {
                path: self.path.clone(),
                name: name.to_owned(),
                expected: expected.to_vec(),
                architecture: self.what,
                found: self.names().collect::<Vec<_>>().join(", "),
            })?;
        if lies.shape != expected {
            return Err(SaeLoadError::Shape {
                path: self.path.clone(),
                name: name.to_owned(),
                found: lies.shape.clone(),
                expected: expected.to_vec(),
                by: "the other tensors".to_owned(),
            });
        }
        if !matches!(
            lies.dtype,
            Dtype::F32 | Dtype::F16 | Dtype::BF16 | Dtype::F64
        ) {
            return Err(SaeLoadError::Dtype {
                path: self.path.clone(),
                name: name.to_owned(),
                found: format!("{:?}", lies.dtype),
            });
        }
        let columns = expected.last().copied().unwrap_or(1);
        let rows = expected.iter().product::<usize>() / columns.max(1);
        Ok(Matrix {
            file: self.clone(),
            dtype: lies.dtype,
            start: lies.start,
            rows,
            columns,
            stride: columns,
        })
    }

    /// The numbers of a small tensor, which must be finite.
    pub(super) fn numbers(
        self: &Arc<Self>,
        name: &str,
        expected: &[usize],
    ) -> Result<Vec<f32>, SaeLoadError> {
        self.tensor(name, expected)?.finite(name)
    }
}

impl Matrix {
    /// Every `every`-th row from `first` on, `rows` of them.
    ///
    /// # Panics
    /// If there are not as many.
    pub(super) fn part(&self, first: usize, every: usize, rows: usize) -> Self {
        assert!(
            rows == 0 || first + (rows - 1) * every < self.rows,
            "a part lies within the tensor"
        );
        Self {
            start: self.start + first * self.stride * width(self.dtype),
            rows,
            stride: self.stride * every,
            ..self.clone()
        }
    }

    /// Some rows, one after the other.
    ///
    /// # Panics
    /// If there is no such row.
    pub(super) fn take(&self, rows: &[u32], into: &mut Vec<f32>) {
        for &row in rows {
            into.extend_from_slice(&self.row(row as usize));
        }
    }

    /// All rows.
    pub(super) fn all(&self) -> Vec<f32> {
        if self.stride == self.columns {
            return self.at(self.start, self.rows * self.columns);
        }
        let rows = 0..self.rows;
        rows.flat_map(|row| self.row(row)).collect()
    }

    /// All rows, if their numbers are finite; thresholds may be infinite.
    pub(super) fn finite(&self, name: &str) -> Result<Vec<f32>, SaeLoadError> {
        let numbers = self.all();
        let may_be_infinite = name.contains("threshold");
        let bad = |x: &f32| x.is_nan() || x.is_infinite() && !may_be_infinite;
        match numbers.iter().position(bad) {
            None => Ok(numbers),
            Some(at) => Err(SaeLoadError::NotFinite {
                path: self.file.path.clone(),
                name: name.to_owned(),
                index: vec![at / self.columns.max(1), at % self.columns.max(1)],
                found: numbers[at],
            }),
        }
    }

    /// One row.
    pub(super) fn row(&self, row: usize) -> Vec<f32> {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        let start = self.start + row * self.stride * width(self.dtype);
        self.at(start, self.columns)
    }

    fn at(&self, start: usize, n: usize) -> Vec<f32> {
        let bytes = &self.file.map[start..start + n * width(self.dtype)];
        to_f32(self.dtype, bytes).expect("floats, as was checked when the tensor was found")
    }
}

fn width(dtype: Dtype) -> usize {
    match dtype {
        Dtype::F64 => 8,
        Dtype::F32 => 4,
        _ => 2,
    }
}
