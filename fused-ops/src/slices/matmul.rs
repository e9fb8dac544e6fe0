//! Matrix products.

use crate::product::{Operand, product};

/// A matrix in a slice: row-major, or the transpose of one that is.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a>(Operand<'a>);

impl<'a> Matrix<'a> {
    /// Rows one after the other.
    ///
    /// # Panics
    /// If there are not `rows · cols` numbers.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        assert_eq!(
            data.len(),
            rows * cols,
            "{} numbers are no matrix of {rows} by {cols}",
            data.len()
        );
        Self(Operand {
            data,
            dims: [rows, cols],
            strides: [cols, 1],
        })
    }

    /// The same numbers with rows and columns exchanged; nothing is moved.
    #[must_use]
    pub fn transpose(self) -> Self {
        Self(self.0.transpose())
    }
}

/// out = a·b, or out += a·b.
///
/// # Shapes
/// `a`: `[m, k]`, `b`: `[k, n]`, `out`: `m · n` numbers, row-major.
///
/// # Panics
/// If the shapes do not fit.
pub fn matmul(out: &mut [f32], a: Matrix<'_>, b: Matrix<'_>, add: bool) {
    let ([m, _], [_, n]) = (a.0.dims, b.0.dims);
    assert_eq!(out.len(), m * n, "the product is {m} by {n}");
    // SAFETY: `out` has the product's size and is borrowed by nobody else.
    unsafe { product(out.as_mut_ptr(), a.0, b.0, add) };
}

#[cfg(test)]
mod tests {
    use super::{Matrix, matmul};
    use proptest::prelude::*;

    fn numbers(n: usize) -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-2.0_f32..2.0, n)
    }

    fn case() -> impl Strategy<Value = (usize, usize, usize, Vec<f32>, Vec<f32>, Vec<f32>)> {
        (1..40_usize, 1..40_usize, 0..40_usize).prop_flat_map(|(m, n, k)| {
            (
                Just(m),
                Just(n),
                Just(k),
                numbers(m * k),
                numbers(k * n),
                numbers(m * n),
            )
        })
    }

    proptest! {
        #[test]
        fn is_the_sum_of_products_for_either_layout((m, n, k, a, b, out) in case(), flags in 0..8_u8) {
            let (turn_a, turn_b, add) = (flags & 1 > 0, flags & 2 > 0, flags & 4 > 0);
            let at = |turned: bool, rows: usize, cols: usize, r: usize, c: usize| {
                if turned { c * rows + r } else { r * cols + c }
            };
            let mut found = out.clone();
            let left = if turn_a { Matrix::new(&a, k, m).transpose() } else { Matrix::new(&a, m, k) };
            let right = if turn_b { Matrix::new(&b, n, k).transpose() } else { Matrix::new(&b, k, n) };
            matmul(&mut found, left, right, add);
            for i in 0..m {
                for j in 0..n {
                    let product: f32 = (0..k).map(|t| a[at(turn_a, m, k, i, t)] * b[at(turn_b, k, n, t, j)]).sum();
                    let expected = product + if add { out[i * n + j] } else { 0.0 };
                    prop_assert!((found[i * n + j] - expected).abs() < 1e-3);
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "inner dimensions")]
    fn shapes_must_fit() {
        matmul(
            &mut [0.0; 4],
            Matrix::new(&[0.0; 6], 2, 3),
            Matrix::new(&[0.0; 4], 2, 2),
            false,
        );
    }
}
