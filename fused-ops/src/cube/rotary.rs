//! Rotary position embedding: a unit for each pair of vectors that turn together.

use super::launch::{UNITS, cubes, element, empty, vector_size};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// `positions` counts the rows of the angles: p, or b·p where each row of the batch has its own.
#[cube(launch)]
fn kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    cos: &[Vector<f32, N>],
    sin: &[Vector<f32, N>],
    out: &mut [Vector<F, N>],
    heads: u32,
    half: u32,
    positions: u32,
    #[define(F)] _dtype: ElemType,
) {
    let vectors = half as usize / N::value();
    let pair = ABSOLUTE_POS;
    if pair >= out.len() / 2 {
        terminate!();
    }
    let (head, at) = (pair / vectors, pair % vectors);
    let angle = (head / heads as usize % positions as usize) * vectors + at;
    let first = head * 2 * vectors + at;
    let second = first + vectors;
    let (cos, sin) = (cos[angle], sin[angle]);
    let a = Vector::<f32, N>::cast_from(x[first]);
    let b = Vector::<f32, N>::cast_from(x[second]);
    out[first] = Vector::<F, N>::cast_from(a * cos - b * sin);
    out[second] = Vector::<F, N>::cast_from(b * cos + a * sin);
}

pub(super) fn launch(x: CubeTensor, cos: CubeTensor, sin: CubeTensor) -> CubeTensor {
    let (x, cos, sin) = (
        into_contiguous(x),
        into_contiguous(cos),
        into_contiguous(sin),
    );
    let out = empty(&x, x.meta.shape().clone(), x.dtype);
    let [_, _, heads, d_head] = x.meta.shape().dims::<4>();
    let elements: usize = x.meta.shape().iter().product();
    if elements == 0 {
        return out;
    }
    let half = d_head / 2;
    let positions = cos.meta.shape()[0] * cos.meta.shape()[1];
    // Angles are f32: what of them is read at once limits the vector.
    let size = vector_size(&cos, half);
    let units = UNITS.min(x.client.properties().hardware.max_units_per_cube);
    kernel::launch(
        &x.client.clone(),
        cubes(&x, (elements / 2 / size).div_ceil(units as usize)),
        CubeDim::new_1d(units),
        size,
        x.clone().into_buffer_arg(),
        cos.into_buffer_arg(),
        sin.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        heads as u32,
        half as u32,
        positions as u32,
        element(&x),
    );
    out
}
