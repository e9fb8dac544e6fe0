//! Whether a device computes what the host does.
//!
//! Drivers of GPUs are compilers, and some of them compile kernels wrongly without a word. A few operations of each kind that a model is made of,
//! on a few thousand numbers, tell.

use burn::tensor::activation::softmax;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData, bf16, f16};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Results that are off by this share of the largest number or more are no rounding. In 16 bits a sum of this length is off by a tenth of it.
const WRONG: f64 = 0.05;
/// Results in f32 that are off by this share have gone through a shorter format.
const ROUNDED: f64 = 1e-4;
/// Rows, columns and length of the product that a device is asked for before it is used.
const QUICK: [usize; 3] = [48, 80, 64];

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
    let found = catch_unwind(AssertUnwindSafe(|| deviations(device, dtype, QUICK)));
    match found {
        Ok(Ok(all)) => judge(&all, dtype),
        Ok(Err(reason)) => Verdict::Wrong(format!("it gives no result: {reason}")),
        Err(_) => Verdict::Wrong("it gives no result".to_owned()),
    }
}

fn judge(all: &[Deviation], dtype: FloatDType) -> Verdict {
    let beyond = |limit: f64| {
        // Not a number is beyond every limit.
        let first = all.iter().find(|it| !(it.error < limit));
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

/// How far the device's products, sums, softmax and selections are from the host's.
///
/// # Shapes
/// `[rows, columns, length]` of the products; the others are of `[rows, columns]`.
///
/// # Errors
/// What the device says where it gives no result.
pub fn deviations(
    device: &Device,
    dtype: FloatDType,
    [rows, columns, length]: [usize; 3],
) -> Result<Vec<Deviation>, String> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut numbers = |n: usize| (0..n).map(|_| random.rounded(dtype)).collect::<Vec<f32>>();
    let (a, b) = (numbers(rows * length), numbers(length * columns));
    let x = numbers(rows * columns);
    let on_device = |values: &[f32], shape: [usize; 2]| {
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::<2>::from_data(data, (device, DType::from(dtype)))
    };
    let [left, right] = [
        on_device(&a, [rows, length]),
        on_device(&b, [length, columns]),
    ];
    // As weights lie: one row for each output.
    let transposed = on_device(&transpose(&b, columns), [columns, length]);
    let wide = on_device(&x, [rows, columns]);
    let picked: Vec<usize> = (0..rows).map(|i| (i * 7 + 3) % rows).collect();
    let indices: Vec<i32> = picked.iter().map(|&i| i as i32).collect();
    let indices = Tensor::<1, Int>::from_data(indices.as_slice(), device);

    let product = host::product(&a, &b, [rows, columns, length]);
    let size = format!("{rows} × {length} and {length} × {columns} numbers");
    let each = format!("{rows} rows of {columns} numbers");
    let results = [
        (
            format!("a product of {size}"),
            left.clone().matmul(right),
            product.clone(),
        ),
        (
            format!("a product with weights, of {size},"),
            left.matmul(transposed.transpose()),
            product,
        ),
        (
            format!("the sum of {each}"),
            wide.clone().sum_dim(1),
            host::each_row(&x, columns, |row| vec![row.iter().sum()]),
        ),
        (
            format!("the largest of {each}"),
            wide.clone().max_dim(1),
            host::each_row(&x, columns, |row| {
                vec![row.iter().copied().fold(f64::MIN, f64::max)]
            }),
        ),
        (
            format!("a softmax of {each}"),
            softmax(wide.clone(), 1),
            host::each_row(&x, columns, host::softmax),
        ),
        (
            format!("a selection from {each}"),
            wide.select(0, indices),
            host::select(&x, columns, &picked),
        ),
    ];
    let compared = results.into_iter().map(|(what, found, expected)| {
        let error = error(found, &expected)?;
        Ok(Deviation { what, error })
    });
    compared.collect()
}

/// The largest difference, as a share of the largest number that is expected.
fn error(found: Tensor<2>, expected: &[f64]) -> Result<f64, String> {
    let data = found.try_into_data().map_err(|error| error.to_string())?;
    let found: Vec<f32> = data
        .convert::<f32>()
        .try_to_vec()
        .map_err(|error| format!("{error:?}"))?;
    let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let pairs = found.iter().zip(expected);
    let differences = pairs.map(|(&found, &expected)| (f64::from(found) - expected).abs());
    // `max` would forget what is not a number.
    let most = differences.fold(
        0.0,
        |most: f64, x| if x <= most || most.is_nan() { most } else { x },
    );
    Ok(if found.len() == expected.len() {
        most / largest
    } else {
        f64::NAN
    })
}

fn transpose(values: &[f32], columns: usize) -> Vec<f32> {
    let column = |j: usize| values.iter().skip(j).step_by(columns).copied();
    (0..columns).flat_map(column).collect()
}

/// The same on the host, in f64.
mod host {
    pub(super) fn product(a: &[f32], b: &[f32], [rows, columns, length]: [usize; 3]) -> Vec<f64> {
        let entry = |i: usize, j: usize| {
            let terms =
                (0..length).map(|k| f64::from(a[i * length + k]) * f64::from(b[k * columns + j]));
            terms.sum::<f64>()
        };
        let all = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
        all.map(|(i, j)| entry(i, j)).collect()
    }

    pub(super) fn each_row(x: &[f32], columns: usize, f: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
        let rows = x.chunks(columns);
        rows.flat_map(|row| f(&row.iter().map(|&x| f64::from(x)).collect::<Vec<_>>()))
            .collect()
    }

    pub(super) fn softmax(row: &[f64]) -> Vec<f64> {
        let total: f64 = row.iter().map(|x| x.exp()).sum();
        row.iter().map(|x| x.exp() / total).collect()
    }

    pub(super) fn select(x: &[f32], columns: usize, picked: &[usize]) -> Vec<f64> {
        let rows = picked.iter();
        rows.flat_map(|i| &x[i * columns..(i + 1) * columns])
            .map(|&x| f64::from(x))
            .collect()
    }
}

/// Marsaglia's xorshift: the same numbers everywhere.
struct Random(u64);

impl Random {
    /// Between −1 and 1, and exact in the dtype.
    fn rounded(&mut self, dtype: FloatDType) -> f32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let x = (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0;
        match dtype {
            FloatDType::F16 => f16::from_f32(x).to_f32(),
            FloatDType::BF16 => bf16::from_f32(x).to_f32(),
            _ => x,
        }
    }
}

#[cfg(test)]
mod tests;
