//! Operations on slices of f32 numbers on the host: the products, sums and selections of training a sparse autoencoder.
//!
//! Tensors own their numbers and make new ones; a training step writes into the same buffers thousands of times. These functions
//! therefore take slices. Their results do not depend on the number of threads.

mod matmul;
mod top_k;
mod vectors;

pub use matmul::{Matrix, matmul};
pub use top_k::{Key, TopK};
pub use vectors::{add_scaled, dot, sum_of_squares};
pub(crate) use vectors::{add_scaled_wide, wide_dot};

/// Runs code compiled for the widest vectors this processor has. What it calls must be inlined to gain by it.
#[inline(always)]
#[allow(clippy::inline_always)] // the point is to be compiled into the caller's loop
pub fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    crate::host::vectorised(f)
}
