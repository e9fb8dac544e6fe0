use super::product_by;
use crate::host::Number;
use crate::product::Operand;
use burn::tensor::bf16;
use proptest::prelude::*;

/// A matrix in a slice with gaps, or turned.
#[derive(Debug, Clone)]
struct Matrix<E> {
    data: Vec<E>,
    dims: [usize; 2],
    strides: [usize; 2],
}

#[derive(Debug, Clone, Copy)]
enum Layout {
    Rows,
    RowsWithGaps,
    Columns,
    Scattered,
}

const LAYOUTS: [Layout; 4] = [
    Layout::Rows,
    Layout::RowsWithGaps,
    Layout::Columns,
    Layout::Scattered,
];

impl<E: Number> Matrix<E> {
    fn new(numbers: &[f32], dims: [usize; 2], layout: Layout) -> Self {
        let [rows, cols] = dims;
        let strides = match layout {
            Layout::Rows => [cols, 1],
            Layout::RowsWithGaps => [cols + 3, 1],
            Layout::Columns => [1, rows],
            Layout::Scattered => [2 * cols + 1, 2],
        };
        let size = rows.max(1) * strides[0] + cols.max(1) * strides[1];
        // What lies in the gaps must not be read.
        let mut data = vec![E::narrow(f32::NAN); size];
        for (i, &x) in numbers.iter().enumerate() {
            data[i / cols * strides[0] + i % cols * strides[1]] = E::narrow(x);
        }
        Self {
            data,
            dims,
            strides,
        }
    }

    fn operand(&self) -> Operand<'_, E> {
        Operand {
            data: &self.data,
            dims: self.dims,
            strides: self.strides,
        }
    }

    /// Rounded to bf16.
    fn at(&self, row: usize, col: usize) -> f64 {
        let x = self.data[row * self.strides[0] + col * self.strides[1]];
        f64::from(bf16::from_bits(x.bf16_bits()).to_f32())
    }
}

/// The ways that this processor has.
fn ways() -> impl Iterator<Item = bool> {
    [true, false]
        .into_iter()
        .filter(|&native| !native || sae_backend::has_bf16_products())
}

fn product<X: Number, E: Number>(
    native: bool,
    x: &Matrix<X>,
    weight: &Matrix<bf16>,
    there: Option<&[f32]>,
) -> Vec<E> {
    let n = x.dims[0] * weight.dims[0];
    let mut out: Vec<E> = there.map_or_else(
        || vec![E::narrow(f32::NAN); n],
        |there| there.iter().map(|&x| E::narrow(x)).collect(),
    );
    assert_eq!(out.len(), n);
    // SAFETY: of the product's size; only ways that the processor has are asked for.
    unsafe {
        product_by(
            native,
            out.as_mut_ptr(),
            x.operand(),
            weight.operand(),
            there.is_some(),
        );
    };
    out
}

/// The product in f64, with what rounding in f32 may add to each number.
fn exact<X: Number, E: Number>(
    x: &Matrix<X>,
    weight: &Matrix<bf16>,
    there: Option<&[f32]>,
) -> Vec<(f64, f64)> {
    let ([rows, n_in], [n_out, _]) = (x.dims, weight.dims);
    let number = |i: usize| {
        let terms = (0..n_in).map(|t| x.at(i / n_out, t) * weight.at(i % n_out, t));
        let start = there.map_or(0.0, |there| f64::from(E::narrow(there[i]).wide()));
        let (sum, size) = terms.fold((start, start.abs()), |(sum, size), term| {
            (sum + term, size + term.abs())
        });
        // Each of at most n_in + 1 additions rounds by half a unit of what may be the whole sum.
        (sum, size * f64::from(f32::EPSILON) * (n_in as f64 + 1.0))
    };
    (0..rows * n_out).map(number).collect()
}

fn check<X: Number, E: Number>(x: &Matrix<X>, weight: &Matrix<bf16>, there: Option<&[f32]>) {
    let exact = exact::<X, E>(x, weight, there);
    for native in ways() {
        let found: Vec<E> = product(native, x, weight, there);
        for (i, (found, &(exact, error))) in found.iter().zip(&exact).enumerate() {
            // The result is rounded once more, to its own format.
            let least = f64::from(E::narrow((exact - error) as f32).wide());
            let most = f64::from(E::narrow((exact + error) as f32).wide());
            let found = f64::from(found.wide());
            assert!(
                least <= found && found <= most,
                "native {native}, number {i}: {found}, exactly {exact} within {error}"
            );
        }
    }
}

/// Numbers without a pattern, of both signs, of sizes between 2⁻⁸ and 2⁸.
fn numbers(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..n)
        .map(|_| {
            let bits = next();
            let size = ((bits >> 40) % 17) as f32 - 8.0;
            ((bits & 0xFFFF) as f32 / 32_768.0 - 1.0) * size.exp2()
        })
        .collect()
}

fn case(
    [rows, n_in, n_out]: [usize; 3],
    layouts: [Layout; 2],
    seed: u64,
) -> (Vec<f32>, Matrix<bf16>, Vec<f32>, Layout) {
    let x = numbers(rows * n_in, seed);
    let weight = Matrix::new(&numbers(n_out * n_in, seed + 1), [n_out, n_in], layouts[1]);
    (x, weight, numbers(rows * n_out, seed + 2), layouts[0])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn is_the_product_of_the_rounded_numbers_for_any_shape_and_layout(
        rows in 0_usize..70,
        n_in in 0_usize..100,
        n_out in 0_usize..75,
        layouts in [0_usize..4, 0_usize..4],
        seed in any::<u32>(),
    ) {
        let layouts = layouts.map(|i| LAYOUTS[i]);
        let dims = [rows, n_in, n_out];
        let (x, weight, there, layout) = case(dims, layouts, u64::from(seed));
        let (wide, half) = (
            Matrix::<f32>::new(&x, [rows, n_in], layout),
            Matrix::<bf16>::new(&x, [rows, n_in], layout),
        );
        for there in [None, Some(there.as_slice())] {
            check::<f32, f32>(&wide, &weight, there);
            check::<bf16, bf16>(&half, &weight, there);
            check::<bf16, f32>(&half, &weight, there);
        }
    }
}

/// Large enough for threads, for several panels a task and for several blocks of rows.
#[test]
fn large_products_are_the_same_in_parts() {
    for dims in [
        [130, 97, 1031],
        [600, 33, 170],
        [8, 513, 1100],
        [3, 1025, 300],
        [1, 700, 900],
    ] {
        for layout in [Layout::Rows, Layout::Columns] {
            let (x, weight, _, _) = case(dims, [Layout::Rows, layout], 5);
            let x = Matrix::new(&x, [dims[0], dims[1]], Layout::Rows);
            check::<bf16, bf16>(&x, &weight, None);
        }
    }
}

#[test]
#[allow(clippy::float_cmp)] // sums of ones are exact
fn what_is_no_number_or_infinite_reaches_its_row_and_output_and_no_other() {
    let [rows, n_in, n_out] = [14, 35, 37];
    for rows in [rows, 3] {
        let mut x = vec![1.0_f32; rows * n_in];
        let mut w = vec![1.0_f32; n_out * n_in];
        (x[n_in + 34], w[2 * n_in + 5], w[36 * n_in]) = (f32::NAN, f32::INFINITY, f32::NAN);
        let x = Matrix::<f32>::new(&x, [rows, n_in], Layout::Rows);
        let w = Matrix::new(&w, [n_out, n_in], Layout::Rows);
        for native in ways() {
            let found: Vec<f32> = product(native, &x, &w, None);
            for (i, found) in found.iter().enumerate() {
                match (i / n_out, i % n_out) {
                    (1, _) | (_, 36) => assert!(found.is_nan(), "{native} {i}"),
                    (_, 2) => assert_eq!(*found, f32::INFINITY, "{native} {i}"),
                    _ => assert_eq!(*found, 35.0, "{native} {i}"),
                }
            }
        }
    }
}

#[test]
#[should_panic(expected = "the inner dimensions differ")]
fn widths_must_agree() {
    let x = Matrix::<f32>::new(&[1.0; 6], [2, 3], Layout::Rows);
    let w = Matrix::new(&[1.0; 4], [1, 4], Layout::Rows);
    let _: Vec<f32> = product(false, &x, &w, None);
}
