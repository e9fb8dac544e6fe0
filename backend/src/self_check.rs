//! Whether a device computes what the host does.
//!
//! Drivers of GPUs are compilers, and some of them compile kernels wrongly without a word. Which kernel computes a product depends on its size,
//! so that a driver may be right at one size and wrong at another. A few operations of each kind that a model is made of, on a few thousand
//! numbers, tell more than nothing and take little time.

mod host;
mod operations;

use burn::tensor::{Device, FloatDType};
use operations::Numbers;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Results that are off by this share of the largest number or more are no rounding. In 16 bits a sum of this length is off by a tenth of it.
const WRONG: f64 = 0.05;
/// Results in f32 that are off by this share have gone through a shorter format.
const ROUNDED: f64 = 1e-4;
/// Rows, columns and length of the products that a device is asked for before it is used: one token, a few of them into more features and back,
/// many. The other operations are asked for at the last of these sizes.
const QUICK: [[usize; 3]; 4] = [[1, 80, 64], [10, 48, 16], [10, 16, 48], [48, 80, 64]];

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Verdict {
    /// As the host has it.
    Right,
    /// With fewer digits than the dtype has: what, and by how much.
    Rounded(String),
    /// Something else: what, and by how much; or that there was no result.
    Wrong(String),
}

/// How far one result is from the host's.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Deviation {
    /// The operation, and its size.
    pub what: String,
    /// The largest difference, as a share of the largest number; not a number where the device's result is none.
    pub error: f64,
}

/// Computes a few numbers on the device, and judges them.
pub(crate) fn verdict(device: &Device, dtype: FloatDType) -> Verdict {
    // A driver that fails may take burn's thread with it.
    let found = catch_unwind(AssertUnwindSafe(|| {
        let last = QUICK[QUICK.len() - 1];
        // What is cheap comes first, for a device that gets everything wrong.
        let mut all = Numbers::new(device, dtype, last).others()?;
        for size in QUICK {
            if matches!(judge(&all, dtype), Verdict::Wrong(_)) {
                break;
            }
            all.extend(Numbers::new(device, dtype, size).products()?);
        }
        Ok::<_, String>(judge(&all, dtype))
    }));
    match found {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(reason)) => Verdict::Wrong(format!("it gives no result: {reason}")),
        Err(_) => Verdict::Wrong("it gives no result".to_owned()),
    }
}

fn judge(all: &[Deviation], dtype: FloatDType) -> Verdict {
    let beyond = |limit: f64| {
        let first = all.iter().find(|it| it.error >= limit || it.error.is_nan());
        first.map(|it| {
            let (what, error) = (&it.what, it.error);
            format!("{what} is off by {error:.1e} of its largest number")
        })
    };
    if let Some(what) = beyond(WRONG) {
        Verdict::Wrong(what)
    } else if let Some(what) = beyond(ROUNDED).filter(|_| dtype == FloatDType::F32) {
        Verdict::Rounded(what)
    } else {
        Verdict::Right
    }
}

/// How far the device's products, sums, softmax, selections and attention are from the host's.
///
/// # Shapes
/// `[rows, columns, length]` of the products; attention is of as many positions as there are rows; the others are of `[rows, columns]`.
///
/// # Errors
/// What the device says where it gives no result.
pub fn deviations(
    device: &Device,
    dtype: FloatDType,
    size: [usize; 3],
) -> Result<Vec<Deviation>, String> {
    let numbers = Numbers::new(device, dtype, size);
    let mut all = numbers.products()?;
    all.extend(numbers.others()?);
    Ok(all)
}

#[cfg(test)]
mod tests;
