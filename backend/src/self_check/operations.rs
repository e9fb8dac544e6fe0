//! The operations on the device, and how far each is from the host's.

use super::{Deviation, host};
use burn::tensor::activation::{silu, softmax};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{DType, Device, FloatDType, Int, Tensor, TensorData, bf16, f16};

/// Heads and their width in the attention that is asked for.
const HEADS: [usize; 2] = [2, 32];

/// The same numbers on the host and on the device.
pub(super) struct Numbers<'a> {
    device: &'a Device,
    dtype: FloatDType,
    size: [usize; 3],
    /// `[rows, length]`, `[length, columns]` and `[rows, columns]`
    a: Vec<f32>,
    b: Vec<f32>,
    x: Vec<f32>,
    /// `[heads, rows, width]` each
    attended: [Vec<f32>; 3],
}

/// A result of the device, and what it should be.
type Result1 = (String, Tensor<1>, Vec<f64>);

impl<'a> Numbers<'a> {
    pub(super) fn new(device: &'a Device, dtype: FloatDType, size: [usize; 3]) -> Self {
        let [rows, columns, length] = size;
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut numbers = |n: usize| (0..n).map(|_| random.rounded(dtype)).collect::<Vec<f32>>();
        let head = HEADS[0] * rows * HEADS[1];
        Self {
            device,
            dtype,
            size,
            a: numbers(rows * length),
            b: numbers(length * columns),
            x: numbers(rows * columns),
            attended: [numbers(head), numbers(head), numbers(head)],
        }
    }

    fn put<const D: usize>(&self, values: &[f32], shape: [usize; D]) -> Tensor<D> {
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::from_data(data, (self.device, DType::from(self.dtype)))
    }

    /// A product of matrices, one with weights as they lie, and one of a batch.
    pub(super) fn products(&self) -> Result<Vec<Deviation>, String> {
        let [rows, columns, length] = self.size;
        let left = self.put(&self.a, [rows, length]);
        let right = self.put(&self.b, [length, columns]);
        let weights = self.put(&host::transpose(&self.b, columns), [columns, length]);
        let expected = host::product(&self.a, &self.b, self.size);
        let size = format!("{rows} × {length} and {length} × {columns} numbers");
        let batch = |x: Tensor<2>| Tensor::cat(vec![x.clone().unsqueeze::<3>(), x.unsqueeze()], 0);
        compare(vec![
            (
                format!("a product of {size}"),
                left.clone().matmul(right.clone()).flatten(0, 1),
                expected.clone(),
            ),
            (
                format!("a product with weights, of {size},"),
                left.clone().matmul(weights.transpose()).flatten(0, 1),
                expected.clone(),
            ),
            (
                format!("a batch of products of {size}"),
                batch(left).matmul(batch(right)).flatten(0, 2),
                [expected.clone(), expected].concat(),
            ),
        ])
    }

    /// Sums, maxima, softmax, selections, an activation function, and attention.
    pub(super) fn others(&self) -> Result<Vec<Deviation>, String> {
        let [rows, columns, _] = self.size;
        let wide = self.put(&self.x, [rows, columns]);
        let each = format!("{rows} rows of {columns} numbers");
        let of_rows = |f: fn(&[f64]) -> Vec<f64>| host::each_row(&self.x, columns, f);
        let mut results: Vec<Result1> = vec![
            (
                format!("the sum of {each}"),
                wide.clone().sum_dim(1).flatten(0, 1),
                of_rows(|row| vec![row.iter().sum()]),
            ),
            (
                format!("the largest of {each}"),
                wide.clone().max_dim(1).flatten(0, 1),
                of_rows(|row| vec![row.iter().copied().fold(f64::MIN, f64::max)]),
            ),
            (
                format!("a softmax of {each}"),
                softmax(wide.clone(), 1).flatten(0, 1),
                of_rows(host::softmax),
            ),
            (
                format!("SiLU of {each}"),
                silu(wide.clone()).flatten(0, 1),
                of_rows(|row| row.iter().map(|x| x / (1.0 + (-x).exp())).collect()),
            ),
        ];
        results.extend(self.selections(wide));
        results.push(self.attention());
        compare(results)
    }

    /// Rows by their indices, and one number of each row by its own.
    fn selections(&self, wide: Tensor<2>) -> [Result1; 2] {
        let [rows, columns, _] = self.size;
        let at = |i: usize, n: usize| (i * 7 + 3) % n;
        let indices = |n: usize| -> Vec<i32> { (0..rows).map(|i| at(i, n) as i32).collect() };
        let ints = |values: Vec<i32>| Tensor::<1, Int>::from_data(values.as_slice(), self.device);
        let picked = (0..rows).flat_map(|i| &self.x[at(i, rows) * columns..][..columns]);
        let each = (0..rows).map(|i| f64::from(self.x[i * columns + at(i, columns)]));
        let size = format!("{rows} rows of {columns} numbers");
        [
            (
                format!("a selection from {size}"),
                wide.clone().select(0, ints(indices(rows))).flatten(0, 1),
                picked.map(|&x| f64::from(x)).collect(),
            ),
            (
                format!("a number of each of {size}"),
                wide.gather(1, ints(indices(columns)).unsqueeze_dim(1))
                    .flatten(0, 1),
                each.collect(),
            ),
        ]
    }

    fn attention(&self) -> Result1 {
        let [heads, dh] = HEADS;
        let positions = self.size[0];
        let [q, k, v] = [0, 1, 2].map(|i| self.put(&self.attended[i], [1, heads, positions, dh]));
        let options = AttentionModuleOptions {
            is_causal: true,
            ..Default::default()
        };
        let [q_, k_, v_] = &self.attended;
        (
            format!("causal attention over {positions} positions"),
            attention(q, k, v, None, None, options).flatten(0, 3),
            host::attention([q_, k_, v_], [heads, positions, dh]),
        )
    }
}

fn compare(results: Vec<Result1>) -> Result<Vec<Deviation>, String> {
    let compared = results.into_iter().map(|(what, found, expected)| {
        let error = error(found, &expected)?;
        Ok(Deviation { what, error })
    });
    compared.collect()
}

/// The largest difference, as a share of the largest number that is expected.
pub(super) fn error(found: Tensor<1>, expected: &[f64]) -> Result<f64, String> {
    let data = found.try_into_data().map_err(|error| error.to_string())?;
    let found: Vec<f32> = data
        .convert::<f32>()
        .try_to_vec()
        .map_err(|error| format!("{error:?}"))?;
    if found.len() != expected.len() {
        return Ok(f64::NAN);
    }
    let largest = expected.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
    let pairs = found.iter().zip(expected);
    let differences = pairs.map(|(&found, &expected)| (f64::from(found) - expected).abs());
    // `max` would forget what is not a number.
    let most = differences.fold(
        0.0,
        |most: f64, x| {
            if x <= most || most.is_nan() { most } else { x }
        },
    );
    Ok(most / largest)
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
