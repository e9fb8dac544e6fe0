//! What a file of weights says about itself: names, shapes and single numbers.

use super::tensors::{Stored, Tensors};
use super::{SaeLoadError, WeightFile};
use crate::formats::FormatError;
use safetensors::Dtype;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Larger than any dictionary, small enough that products of two sizes stay far from overflow.
const MAX_DIM: usize = 1 << 28;

/// Names, shapes and single numbers of a file; nothing large is read.
#[derive(Debug)]
pub(crate) struct Peeked {
    path: PathBuf,
    all: BTreeMap<String, (Vec<usize>, Option<f64>)>,
}

/// What a tensor of one number holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Numbers {
    One(f64),
    Missing,
    Others,
}

/// Looks into a file of weights.
pub(crate) fn peek(path: &Path) -> Result<Peeked, FormatError> {
    let as_format = |error| match error {
        SaeLoadError::Read { path, source } => FormatError::Read { path, source },
        SaeLoadError::Foreign(error) => error,
        other => FormatError::Archive {
            path: path.to_owned(),
            problem: match other {
                SaeLoadError::Format { reason, .. } => format!(
                    "is not a safetensors file: {reason}; if it was copied or downloaded, it may be incomplete"
                ),
                other => other.to_string(),
            },
        },
    };
    if !path.is_file() {
        let missing = std::io::Error::other("it is no file, or is not there");
        return Err(FormatError::Read {
            path: path.to_owned(),
            source: missing,
        });
    }
    let map = WeightFile::map(path).map_err(as_format)?;
    let tensors = Tensors::parse(path, &map).map_err(as_format)?;
    let all = tensors
        .iter()
        .map(|(name, stored)| (name.to_owned(), (stored.shape.clone(), one(stored))));
    Ok(Peeked {
        path: path.to_owned(),
        all: all.collect(),
    })
}

impl Peeked {
    /// In order.
    pub(crate) fn names(&self) -> Vec<String> {
        self.all.keys().cloned().collect()
    }

    pub(crate) fn shape(&self, name: &str) -> Option<&[usize]> {
        self.all.get(name).map(|(shape, _)| shape.as_slice())
    }

    pub(crate) fn scalar(&self, name: &str) -> Numbers {
        match self.all.get(name) {
            None => Numbers::Missing,
            Some((_, Some(x))) => Numbers::One(*x),
            Some(_) => Numbers::Others,
        }
    }

    /// The sizes of a matrix, neither of them 0.
    pub(crate) fn matrix(&self, name: &str) -> Result<[usize; 2], FormatError> {
        let at_fault = |problem| FormatError::Archive {
            path: self.path.clone(),
            problem,
        };
        match self.shape(name) {
            Some(&[rows, columns])
                if (1..=MAX_DIM).contains(&rows) && (1..=MAX_DIM).contains(&columns) =>
            {
                Ok([rows, columns])
            }
            Some(shape) => Err(at_fault(format!(
                "tensor {name} has shape {shape:?}, expected a matrix"
            ))),
            None => {
                let names: Vec<&str> = self.all.keys().take(12).map(String::as_str).collect();
                let names = if names.is_empty() {
                    "none".to_owned()
                } else {
                    names.join(", ")
                };
                Err(at_fault(format!(
                    "tensor {name} is missing; the file has {names}"
                )))
            }
        }
    }
}

/// The number of a tensor that holds one.
fn one(stored: &Stored<'_>) -> Option<f64> {
    if stored.n_values() != 1 {
        return None;
    }
    let bytes = stored.bytes().ok()?;
    match stored.dtype {
        Dtype::F64 => Some(f64::from_le_bytes(*bytes.first_chunk()?)),
        Dtype::I64 => Some(i64::from_le_bytes(*bytes.first_chunk()?) as f64),
        Dtype::I32 => Some(i32::from_le_bytes(*bytes.first_chunk()?).into()),
        _ => Some(f64::from(*stored.to_f32().ok()?.first()?)),
    }
}
