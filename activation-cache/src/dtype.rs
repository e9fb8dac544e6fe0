//! How numbers are stored, and what that costs.

use serde::{Deserialize, Serialize};
use std::fmt;
use whole_file::Dtype;

/// The number format of cached activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum CacheDtype {
    /// 32 bits, as the model gives them.
    #[default]
    F32,
    /// 16 bits with the range of f32, rounded to nearest, ties to even.
    Bf16,
    /// 8 bits, with a scale for each token at each hook.
    Int8,
}

/// How large activations are at a hook, and how far they are from what the model gave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Precision {
    /// The hook.
    pub hook: String,
    /// Root of the mean square of the activations.
    pub rms: f64,
    /// Root of the mean square of the error, as a share of `rms`; 0 where nothing was rounded.
    pub relative_error: f64,
}

/// Sums over the numbers of a hook.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Sums {
    pub(crate) squared_error: f64,
    pub(crate) squares: f64,
}

impl Sums {
    /// Takes as much room in JSON as any sums, and are none.
    pub(crate) const NOT_YET: Self = Self {
        squared_error: f64::MIN,
        squares: f64::MIN,
    };

    pub(crate) fn add(&mut self, other: Self) {
        self.squared_error += other.squared_error;
        self.squares += other.squares;
    }

    pub(crate) fn is_possible(self) -> bool {
        let possible = |sum: f64| sum.is_finite() && sum >= 0.0;
        possible(self.squared_error) && possible(self.squares)
    }

    pub(crate) fn precision(self, hook: &str, values: u64) -> Precision {
        let share = if self.squares > 0.0 {
            self.squared_error / self.squares
        } else {
            0.0
        };
        Precision {
            hook: hook.to_owned(),
            rms: (self.squares / values.max(1) as f64).sqrt(),
            relative_error: share.sqrt(),
        }
    }
}

/// The largest magnitude of an 8-bit number here: symmetric, −128 is not used.
const MOST: f32 = 127.0;

impl CacheDtype {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// Its name: f32, bf16, int8.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// As safetensors has it.
    pub(crate) fn stored(self) -> Dtype {
        match self {
            Self::F32 => Dtype::F32,
            Self::Bf16 => Dtype::BF16,
            Self::Int8 => Dtype::I8,
        }
    }

    /// Bytes of a number, its scale left out.
    pub(crate) fn size(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
            Self::Int8 => 1,
        }
    }

    /// Whether each token has a scale.
    pub(crate) fn has_scale(self) -> bool {
        self == Self::Int8
    }

    /// Appends one token's activations at one hook, and its scale if there is one. The value that cannot be stored is an error.
    pub(crate) fn encode(
        self,
        x: &[f32],
        values: &mut Vec<u8>,
        scales: &mut Vec<u8>,
    ) -> Result<Sums, f32> {
        if let Some(&x) = x.iter().find(|x| !x.is_finite()) {
            return Err(x);
        }
        let start = values.len();
        values.resize(start + x.len() * self.size(), 0);
        let out = &mut values[start..];
        match self {
            Self::F32 => {
                for (out, x) in out.as_chunks_mut().0.iter_mut().zip(x) {
                    *out = x.to_le_bytes();
                }
                Ok(Sums::of(x, x.iter().copied()))
            }
            Self::Bf16 => {
                for (out, x) in out.as_chunks_mut().0.iter_mut().zip(x) {
                    *out = bf16(*x).to_le_bytes();
                }
                let stored = out.as_chunks().0.iter().map(|b| from_bf16(*b));
                match x.iter().zip(stored.clone()).find(|(_, s)| s.is_infinite()) {
                    Some((&x, _)) => Err(x),
                    None => Ok(Sums::of(x, stored)),
                }
            }
            Self::Int8 => {
                let scale = x.iter().fold(0.0_f32, |most, x| most.max(x.abs())) / MOST;
                scales.extend(scale.to_le_bytes());
                if scale > 0.0 {
                    for (out, x) in out.iter_mut().zip(x) {
                        let stored = round((x / scale).clamp(-MOST, MOST));
                        *out = (stored as i8).cast_unsigned();
                    }
                }
                let stored = out.iter().map(|b| f32::from(b.cast_signed()) * scale);
                Ok(Sums::of(x, stored))
            }
        }
    }

    /// Appends numbers from their bytes.
    pub(crate) fn decode(self, bytes: &[u8], scale: f32, out: &mut Vec<f32>) {
        match self {
            Self::F32 => out.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
            Self::Bf16 => out.extend(bytes.as_chunks().0.iter().map(|b| from_bf16(*b))),
            Self::Int8 => out.extend(bytes.iter().map(|b| f32::from(b.cast_signed()) * scale)),
        }
    }
}

impl Sums {
    fn of(x: &[f32], stored: impl Iterator<Item = f32>) -> Self {
        let mut sums = Self::default();
        for (&x, stored) in x.iter().zip(stored) {
            let error = f64::from(x) - f64::from(stored);
            sums.squared_error += error * error;
            sums.squares += f64::from(x) * f64::from(x);
        }
        sums
    }
}

/// The upper half of a finite f32, rounded to nearest, ties to even.
fn bf16(x: f32) -> u16 {
    let bits = x.to_bits();
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

fn from_bf16(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

/// To the nearest whole number, ties to even, for small ones: adding 1.5 · 2²³ leaves no room for fractions. Unlike the library's, it is
/// a few instructions on every processor.
fn round(x: f32) -> f32 {
    const NO_FRACTIONS: f32 = 12_582_912.0;
    (x + NO_FRACTIONS) - NO_FRACTIONS
}

impl fmt::Display for CacheDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests;
