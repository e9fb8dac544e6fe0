#![doc = include_str!("../README.md")]

mod attention;
#[cfg(feature = "cpu")]
mod bf16;
#[cfg(any(feature = "cuda", feature = "wgpu"))]
mod cube;
mod feature_sums;
#[cfg(feature = "cpu")]
mod host;
mod keep_largest;
mod key_values;
mod linear;
mod matmul;
#[cfg(feature = "cpu")]
mod product;
mod rms_norm;
mod rotary;
mod silu_mul;
#[cfg(feature = "cpu")]
pub mod slices;
pub mod softmax;
mod sparse_matmul;

pub use attention::causal_attention;
pub use burn;
pub use feature_sums::{FeatureSums, feature_sums};
pub use keep_largest::keep_largest;
pub use key_values::KeyValues;
pub use linear::{linear, linear_add, linear_f32};
pub use matmul::matmul;
pub use rms_norm::rms_norm;
pub use rotary::rotate_half;
pub use silu_mul::silu_mul;
pub use sparse_matmul::sparse_matmul;
