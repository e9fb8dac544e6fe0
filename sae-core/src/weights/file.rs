//! One file of weights, mapped into memory.

use super::SaeLoadError;
use super::tensors::{NoFloats, Stored, Tensors};
use crate::formats::{Foreign, Theirs};
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use half::{bf16, f16};
use memmap2::Mmap;
use safetensors::Dtype;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A mapped file, and which of its tensors have been used.
pub(crate) struct WeightFile<'a> {
    path: PathBuf,
    tensors: Tensors<'a>,
    /// Which of its tensors are ours, if its names are not.
    foreign: Option<Box<Foreign>>,
    architecture: &'static str,
    used: BTreeSet<String>,
    /// That float64 is rounded has been said.
    narrowed: bool,
}

/// In which order the numbers of a tensor are read.
#[derive(Debug, Clone, Copy)]
enum Order {
    AsStored,
    Transposed,
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
        Ok(Self {
            path: path.to_owned(),
            tensors: Tensors::parse(path, bytes)?,
            foreign: None,
            architecture,
            used: BTreeSet::new(),
            narrowed: false,
        })
    }

    /// The same file with another format's names.
    pub(crate) fn of(mut self, foreign: Option<Box<Foreign>>) -> Self {
        self.foreign = foreign;
        self
    }

    /// How many numbers the file holds.
    pub(crate) fn n_values(&self) -> u64 {
        let tensors = self.tensors.iter();
        tensors.map(|(_, stored)| stored.n_values() as u64).sum()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        match &self.foreign {
            Some(foreign) => foreign.find(name).is_some(),
            None => self.tensors.get(name).is_some(),
        }
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
        if view.dtype == Dtype::F64 {
            let bytes = view.bytes().map_err(|source| self.unreadable(source))?;
            let bytes = bytes.first_chunk().copied().unwrap_or_default();
            let value = f64::from_le_bytes(bytes);
            self.check_finite(name, &[value as f32], &[])?;
            self.used.insert(name.to_owned());
            return Ok(value);
        }
        let numbers = self.numbers(name, &[])?;
        self.check_finite(name, &numbers, &[])?;
        Ok(f64::from(numbers[0]))
    }

    /// Reads one tensor of the given shape as f32: of the file's own names, or as the format has it.
    pub(crate) fn numbers(
        &mut self,
        name: &str,
        expected: &[usize],
    ) -> Result<Vec<f32>, SaeLoadError> {
        let theirs = match &self.foreign {
            Some(foreign) => foreign.find(name).cloned(),
            None => None,
        };
        let n = expected.iter().product();
        match theirs {
            None => self.plain(name, expected),
            Some(Theirs::AsIs(name)) => {
                let numbers = self.plain(&name, expected)?;
                self.check_finite(&name, &numbers, expected)?;
                Ok(numbers)
            }
            Some(Theirs::Transposed(name)) => {
                let reversed: Vec<usize> = expected.iter().rev().copied().collect();
                let numbers = self.stored(&name, &reversed, Order::Transposed)?;
                let checked = self.check_finite(&name, &numbers, expected);
                checked.map(|()| numbers).map_err(|error| match error {
                    // Where it is in the file.
                    SaeLoadError::NotFinite {
                        path,
                        name,
                        mut index,
                        found,
                    } => {
                        index.reverse();
                        SaeLoadError::NotFinite {
                            path,
                            name,
                            index,
                            found,
                        }
                    }
                    other => other,
                })
            }
            Some(Theirs::Exp(name)) => {
                let mut numbers = self.plain(&name, expected)?;
                self.check_finite(&name, &numbers, expected)?;
                for x in &mut numbers {
                    *x = x.exp();
                }
                Ok(numbers)
            }
            Some(Theirs::Scalar(name)) => {
                // A number has no axes, or one of length 1.
                let shape = self.tensors.get(&name).map(|stored| stored.shape.clone());
                let shape = shape.filter(|shape| shape == &[1]).unwrap_or_default();
                let numbers = self.plain(&name, &shape)?;
                self.check_finite(&name, &numbers, &shape)?;
                Ok(vec![numbers[0]; n])
            }
            Some(Theirs::Fill(x)) => Ok(vec![x as f32; n]),
        }
    }

    /// Reads one tensor of the file's own name, which must be finite.
    pub(crate) fn finite(
        &mut self,
        name: &str,
        expected: &[usize],
    ) -> Result<Vec<f32>, SaeLoadError> {
        let numbers = self.plain(name, expected)?;
        self.check_finite(name, &numbers, expected)?;
        Ok(numbers)
    }

    /// Reads one tensor of the file.
    fn plain(&mut self, name: &str, expected: &[usize]) -> Result<Vec<f32>, SaeLoadError> {
        self.stored(name, expected, Order::AsStored)
    }

    /// Reads one tensor of the file, in an order of its numbers.
    fn stored(
        &mut self,
        name: &str,
        expected: &[usize],
        order: Order,
    ) -> Result<Vec<f32>, SaeLoadError> {
        let view = self.view(name, expected)?.clone();
        self.used.insert(name.to_owned());
        if view.dtype == Dtype::F64 && !std::mem::replace(&mut self.narrowed, true) {
            tracing::warn!(
                "{}: weights are stored in float64 and are rounded to the dtype they run in",
                self.path.display()
            );
        }
        let numbers = match order {
            Order::AsStored => view.to_f32(),
            Order::Transposed => view.to_f32_transposed(),
        };
        numbers.map_err(|error| match error {
            NoFloats::Read(source) => self.unreadable(source),
            NoFloats::Kind => SaeLoadError::Dtype {
                path: self.path.clone(),
                name: name.to_owned(),
                found: format!("{:?}", view.dtype),
            },
        })
    }

    fn unreadable(&self, source: std::io::Error) -> SaeLoadError {
        SaeLoadError::Read {
            path: self.path.clone(),
            source,
        }
    }

    /// A tensor of the given shape, as it is stored.
    fn view(&self, name: &str, expected: &[usize]) -> Result<&Stored<'a>, SaeLoadError> {
        let view = self
            .tensors
            .get(name)
            .ok_or_else(|| SaeLoadError::Missing {
                path: self.path.clone(),
                name: name.to_owned(),
                expected: expected.to_vec(),
                architecture: self.architecture,
                found: self.tensors.names(),
            })?;
        if view.shape != expected {
            return Err(SaeLoadError::Shape {
                path: self.path.clone(),
                name: name.to_owned(),
                found: view.shape.clone(),
                expected: expected.to_vec(),
                by: self.config(),
            });
        }
        Ok(view)
    }

    /// What decides on shapes, for a message.
    fn config(&self) -> String {
        let Some(foreign) = &self.foreign else {
            return "cfg.json".to_owned();
        };
        let name = foreign.config.as_deref().and_then(Path::file_name);
        name.map_or_else(
            || "the shape of the other tensors".to_owned(),
            |name| name.to_string_lossy().into_owned(),
        )
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
        for (name, stored) in self.tensors.iter() {
            if self.used.contains(name) {
                continue;
            }
            let (path, name, found) = (self.path.clone(), name.to_owned(), stored.shape.clone());
            let architecture = self.architecture;
            match &self.foreign {
                Some(foreign) if foreign.ignores(&name) => {}
                Some(foreign) => {
                    let format = foreign.format;
                    return Err(SaeLoadError::Unknown {
                        path,
                        name,
                        found,
                        architecture,
                        format,
                    });
                }
                None => {
                    return Err(SaeLoadError::Extra {
                        path,
                        name,
                        found,
                        architecture,
                    });
                }
            }
        }
        Ok(())
    }
}

fn convert<T: burn::tensor::Element, const D: usize>(
    numbers: &[f32],
    cast: impl Fn(f32) -> T,
    shape: [usize; D],
) -> TensorData {
    TensorData::new(numbers.iter().map(|&x| cast(x)).collect::<Vec<_>>(), shape)
}
