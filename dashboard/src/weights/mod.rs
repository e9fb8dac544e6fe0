//! Figures that follow from the SAE's weights alone, without a token of text.

mod alignment;
mod lens;
mod neighbours;
mod top;

pub use alignment::{alignment, decoder_norms};
pub use lens::{Unembedding, lens};
pub use neighbours::decoder_neighbours;

use burn::tensor::{DType, Tensor};

/// The decoder directions of some features, one after the other.
///
/// # Shapes
/// `w_dec`: `[d_sae, d]` → `d` entries per feature of `which`.
///
/// # Panics
/// If a feature is not below `d_sae`.
pub fn decoder_rows(w_dec: &Tensor<2>, which: &[u32]) -> Vec<f32> {
    to_f32s(rows(w_dec, which))
}

/// Numbers on the host.
fn to_f32s(x: Tensor<2>) -> Vec<f32> {
    let data = x.cast(DType::F32).into_data();
    data.try_into_vec().expect("was cast to f32")
}

/// Rows of a matrix by their numbers; a run of them is not gathered.
fn rows(matrix: &Tensor<2>, which: &[u32]) -> Tensor<2> {
    let is_run = which.windows(2).all(|pair| pair[1] == pair[0] + 1);
    match which.first() {
        Some(&first) if is_run => matrix.clone().narrow(0, first as usize, which.len()),
        _ => {
            let indices: Vec<i32> = which.iter().map(|i| i.cast_signed()).collect();
            let indices = Tensor::from_ints(indices.as_slice(), &matrix.device());
            matrix.clone().select(0, indices)
        }
    }
}

#[cfg(test)]
mod tests;
