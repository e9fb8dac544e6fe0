//! The speed of the `gemm` crate on a matrix product: the floor that everything on the CPU is compared with.

use gemm::Parallelism;
use std::time::{Duration, Instant};

/// `[rows, in]` times `[out, in]` transposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Rows of the left matrix.
    pub rows: usize,
    /// The size of the axis that is summed over.
    pub n_in: usize,
    /// Columns of the product.
    pub n_out: usize,
}

impl Product {
    /// Multiplications and additions.
    pub fn flops(self) -> f64 {
        2.0 * self.rows as f64 * self.n_in as f64 * self.n_out as f64
    }
}

/// Billions of operations per second, the median of at least five runs, into memory that is reused.
pub fn product_gflops(product: Product) -> f64 {
    let Product { rows, n_in, n_out } = product;
    let x: Vec<f32> = (0..rows * n_in).map(|i| (i % 13) as f32 - 6.0).collect();
    let w: Vec<f32> = (0..n_out * n_in).map(|i| (i % 7) as f32 - 3.0).collect();
    let mut out = vec![0.0_f32; rows * n_out];
    let mut run = || {
        let start = Instant::now();
        // SAFETY: the three slices have the sizes that the dimensions and strides say.
        unsafe {
            gemm::gemm(
                rows,
                n_out,
                n_in,
                out.as_mut_ptr(),
                1,
                n_out as isize,
                false,
                x.as_ptr(),
                1,
                n_in as isize,
                w.as_ptr(),
                n_in as isize,
                1,
                0.0,
                1.0,
                false,
                false,
                false,
                Parallelism::Rayon(0),
            );
        }
        start.elapsed()
    };
    run();
    let mut times: Vec<Duration> = Vec::new();
    while times.len() < 5 || times.iter().sum::<Duration>() < Duration::from_millis(200) {
        times.push(run());
    }
    times.sort();
    product.flops() / times[times.len() / 2].as_secs_f64() / 1e9
}
