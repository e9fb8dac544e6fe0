//! x / √(mean x² + ε), times a weight: a cube for each row.

use super::launch::{cubes, element, empty, rows, units, vector_size};
use super::reduce::{cube_sum, sum_of};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

#[cube(launch)]
fn kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    weight: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    n_rows: u32,
    width: u32,
    eps: f32,
    #[comptime] units: usize,
    #[comptime] plane: bool,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS;
    if row >= n_rows as usize {
        terminate!();
    }
    let vectors = width as usize / N::value();
    let start = row * vectors;
    let mut squares = 0.0_f32;
    let mut i = UNIT_POS as usize;
    while i < vectors {
        let values = Vector::<f32, N>::cast_from(x[start + i]);
        squares += sum_of::<N>(values * values);
        i += units;
    }
    let mean = cube_sum(squares, units, plane) / f32::cast_from(width);
    let scale = Vector::<f32, N>::new((mean + eps).sqrt());
    let mut i = UNIT_POS as usize;
    while i < vectors {
        let values = Vector::<f32, N>::cast_from(x[start + i]);
        // Rounded to the stream's dtype before the weight, as transformers does.
        out[start + i] = Vector::<F, N>::cast_from(values / scale) * weight[i];
        i += units;
    }
}

pub(super) fn launch(x: CubeTensor, weight: CubeTensor, eps: f32) -> CubeTensor {
    let (x, n_rows, width) = rows(x);
    let weight = into_contiguous(weight);
    let out = empty(&x, x.meta.shape().clone(), x.dtype);
    if n_rows == 0 || width == 0 {
        return out;
    }
    let (units, plane) = units(&x);
    kernel::launch(
        &x.client.clone(),
        cubes(&x, n_rows),
        CubeDim::new_1d(units),
        vector_size(&x, width),
        x.clone().into_buffer_arg(),
        weight.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        n_rows as u32,
        width as u32,
        eps,
        units as usize,
        plane,
        element(&x),
    );
    out
}
