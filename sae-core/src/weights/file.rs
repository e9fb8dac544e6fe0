//! One safetensors file, mapped into memory.

use super::SaeLoadError;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A mapped file, and which of its tensors have been used.
pub(crate) struct WeightFile<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    architecture: &'static str,
    used: BTreeSet<String>,
    /// That float64 is rounded has been said.
    narrowed: bool,
}

impl<'a> WeightFile<'a> {
    /// Maps a file into memory.
    pub(crate) fn map(path: &Path) -> Result<Mmap, SaeLoadError> {
        let read = |source| SaeLoadError::Read {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(read)?;
        // SAFETY: the map is read-only and dropped when loading ends; a file truncated by another process meanwhile would end
        // this one with SIGBUS, as for every program that maps its weights.
        unsafe { Mmap::map(&file) }.map_err(read)
    }

    /// Reads the header, which is checked against the file's size; no tensor is read.
    pub(crate) fn parse(
        path: &Path,
        bytes: &'a [u8],
        architecture: &'static str,
    ) -> Result<Self, SaeLoadError> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|e| SaeLoadError::Format {
            path: path.to_owned(),
            reason: e.to_string(),
        })?;
        Ok(Self {
            path: path.to_owned(),
            tensors,
            architecture,
            used: BTreeSet::new(),
            narrowed: false,
        })
    }

    /// How many numbers the file holds.
    pub(crate) fn n_values(&self) -> u64 {
        let tensors = self.tensors.iter();
        tensors
            .map(|(_, view)| view.shape().iter().product::<usize>() as u64)
            .sum()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// Reads one tensor of the given shape onto the device, with its numbers changed on the way.
    pub(crate) fn read<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        device: &Device,
        dtype: FloatDType,
        change: impl FnOnce(&mut [f32]),
    ) -> Result<Tensor<D>, SaeLoadError> {
        let mut numbers = self.numbers(name, &shape)?;
        self.check_finite(name, &numbers, &shape)?;
        change(&mut numbers);
        let (data, dtype) = match dtype {
            FloatDType::F32 => (TensorData::new(numbers, shape), DType::F32),
            FloatDType::F16 => (convert(&numbers, f16::from_f32, shape), DType::F16),
            FloatDType::BF16 => (convert(&numbers, bf16::from_f32, shape), DType::BF16),
            other => return Err(SaeLoadError::Target(other)),
        };
        Ok(Tensor::from_data(data, (device, dtype)))
    }

    /// Reads a tensor without axes, in full precision where that is how it is stored.
    pub(crate) fn scalar(&mut self, name: &str) -> Result<f64, SaeLoadError> {
        let view = self.view(name, &[])?;
        if let (Dtype::F64, Ok(bytes)) = (view.dtype(), view.data().try_into()) {
            let value = f64::from_le_bytes(bytes);
            self.check_finite(name, &[value as f32], &[])?;
            self.used.insert(name.to_owned());
            return Ok(value);
        }
        let numbers = self.numbers(name, &[])?;
        self.check_finite(name, &numbers, &[])?;
        Ok(f64::from(numbers[0]))
    }

    /// Reads one tensor of the given shape as f32.
    pub(crate) fn numbers(
        &mut self,
        name: &str,
        expected: &[usize],
    ) -> Result<Vec<f32>, SaeLoadError> {
        let view = self.view(name, expected)?;
        self.used.insert(name.to_owned());
        if view.dtype() == Dtype::F64 && !std::mem::replace(&mut self.narrowed, true) {
            tracing::warn!(
                "{}: weights are stored in float64 and are rounded to the dtype they run in",
                self.path.display()
            );
        }
        to_f32(view.dtype(), view.data()).ok_or_else(|| SaeLoadError::Dtype {
            path: self.path.clone(),
            name: name.to_owned(),
            found: format!("{:?}", view.dtype()),
        })
    }

    /// A tensor of the given shape, as it is stored.
    fn view(&self, name: &str, expected: &[usize]) -> Result<TensorView<'a>, SaeLoadError> {
        let view = self
            .tensors
            .tensor(name)
            .map_err(|_| SaeLoadError::Missing {
                path: self.path.clone(),
                name: name.to_owned(),
                expected: expected.to_vec(),
                architecture: self.architecture,
                found: self.names(),
            })?;
        if view.shape() != expected {
            return Err(SaeLoadError::Shape {
                path: self.path.clone(),
                name: name.to_owned(),
                found: view.shape().to_vec(),
                expected: expected.to_vec(),
            });
        }
        Ok(view)
    }

    /// Refuses weights that would make every figure NaN. An infinite threshold is only a feature that is switched off, or always on.
    fn check_finite(
        &self,
        name: &str,
        numbers: &[f32],
        shape: &[usize],
    ) -> Result<(), SaeLoadError> {
        let may_be_infinite = name.ends_with("threshold");
        let bad = |x: &f32| x.is_nan() || (x.is_infinite() && !may_be_infinite);
        let Some(at) = numbers.iter().position(bad) else {
            return Ok(());
        };
        // Of a tensor that is not empty: the last axis varies fastest.
        let mut rest = at;
        let mut index: Vec<usize> = shape
            .iter()
            .rev()
            .map(|&n| {
                let i = rest % n;
                rest /= n;
                i
            })
            .collect();
        index.reverse();
        Err(SaeLoadError::NotFinite {
            path: self.path.clone(),
            name: name.to_owned(),
            index,
            found: numbers[at],
        })
    }

    /// Drops the factor of a fine-tuning that SAELens no longer does, if it does nothing.
    pub(crate) fn drop_scaling_factor(&mut self, d_sae: usize) -> Result<(), SaeLoadError> {
        if self.has("scaling_factor")
            && self
                .numbers("scaling_factor", &[d_sae])?
                .iter()
                .any(|&s| (s - 1.0).abs() > 0.0)
        {
            return Err(SaeLoadError::ScalingFactor {
                path: self.path.clone(),
            });
        }
        Ok(())
    }

    /// Checks that every tensor of the file has been used.
    pub(crate) fn finish(self) -> Result<(), SaeLoadError> {
        for (name, view) in self.tensors.tensors() {
            if !self.used.contains(&name) {
                return Err(SaeLoadError::Extra {
                    path: self.path,
                    name,
                    found: view.shape().to_vec(),
                    architecture: self.architecture,
                });
            }
        }
        Ok(())
    }

    fn names(&self) -> String {
        let mut names: Vec<_> = self.tensors.names().into_iter().collect();
        names.sort_unstable();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    }
}

fn convert<T: burn::tensor::Element, const D: usize>(
    numbers: &[f32],
    cast: impl Fn(f32) -> T,
    shape: [usize; D],
) -> TensorData {
    TensorData::new(numbers.iter().map(|&x| cast(x)).collect::<Vec<_>>(), shape)
}

/// Little-endian floats as f32, or `None` for other kinds of numbers.
pub(crate) fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    Some(match dtype {
        Dtype::F32 => bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|b| f32::from_le_bytes(*b))
            .collect(),
        Dtype::F64 => bytes
            .as_chunks::<8>()
            .0
            .iter()
            .map(|b| f64::from_le_bytes(*b) as f32)
            .collect(),
        Dtype::F16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| f16::from_le_bytes(*b).to_f32())
            .collect(),
        Dtype::BF16 => bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|b| bf16::from_le_bytes(*b).to_f32())
            .collect(),
        _ => return None,
    })
}
