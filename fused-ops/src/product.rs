//! Matrix products on the CPU, by the `gemm` crate.

use gemm::Parallelism;

/// Multiplications below which a second thread does not pay.
const MIN_PARALLEL: usize = 192 * 192 * 192;

/// A matrix in a slice, by the distances of its rows and of its columns.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operand<'a, E = f32> {
    pub(crate) data: &'a [E],
    /// Rows and columns.
    pub(crate) dims: [usize; 2],
    /// How far apart two rows are, and two columns.
    pub(crate) strides: [usize; 2],
}

impl<E> Operand<'_, E> {
    pub(crate) fn transpose(self) -> Self {
        let ([rows, cols], [row, col]) = (self.dims, self.strides);
        Self {
            dims: [cols, rows],
            strides: [col, row],
            ..self
        }
    }

    /// Asserts that the last element lies in the slice, and with it, strides not being negative, all others.
    pub(crate) fn check(&self) {
        let ([rows, cols], [row, col]) = (self.dims, self.strides);
        if rows > 0 && cols > 0 {
            assert!((rows - 1) * row + (cols - 1) * col < self.data.len());
        }
    }
}

/// out = a·b, or out += a·b; `out` is row-major.
///
/// # Safety
/// `out` is valid for writing as many values as the product has, and for reading them where it is added to; nothing else refers to it.
///
/// # Panics
/// If the inner dimensions differ, or an operand is larger than its slice.
pub(crate) unsafe fn product(out: *mut f32, a: Operand<'_>, b: Operand<'_>, add: bool) {
    let ([m, k], [_, n]) = (a.dims, b.dims);
    let parallelism = if m * n * k < MIN_PARALLEL {
        Parallelism::None
    } else {
        Parallelism::Rayon(0)
    };
    // SAFETY: as the caller says.
    unsafe { product_on(parallelism, out, a, b, add) };
}

/// out = a·b, on this thread: the caller uses the others.
///
/// # Safety
/// As [`product`].
///
/// # Panics
/// As [`product`].
pub(crate) unsafe fn product_here(out: *mut f32, a: Operand<'_>, b: Operand<'_>) {
    // SAFETY: as the caller says.
    unsafe { product_on(Parallelism::None, out, a, b, false) };
}

/// # Safety
/// As [`product`].
unsafe fn product_on(
    parallelism: Parallelism,
    out: *mut f32,
    a: Operand<'_>,
    b: Operand<'_>,
    add: bool,
) {
    let ([m, k], [inner, n]) = (a.dims, b.dims);
    assert_eq!(k, inner, "the inner dimensions differ");
    a.check();
    b.check();
    let ([a_row, a_col], [b_row, b_col]) = (a.strides, b.strides);
    // SAFETY: `check` has found every element of both operands inside their slices; the caller vouches for `out`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            n as isize,
            add,
            a.data.as_ptr(),
            a_col as isize,
            a_row as isize,
            b.data.as_ptr(),
            b_col as isize,
            b_row as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
