//! What the statistics of sparsity need of dense features: sums over rows, and over the rows of each group by column.

use super::launch::{UNITS, cubes, element, empty, rows, units, vector_size};
use super::reduce::{cube_sum, sum_of};
use burn::tensor::DType;
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// 1 where a value is not zero.
#[cube]
fn fires<N: Size>(values: Vector<f32, N>) -> Vector<f32, N> {
    let zero = Vector::<f32, N>::new(0.0_f32);
    let one = Vector::<f32, N>::new(1.0_f32);
    select_many(values.not_equal(&zero), one, zero)
}

#[cube(launch)]
fn row_kernel<F: Float, N: Size>(
    x: &[Vector<F, N>],
    out: &mut [f32],
    n_rows: u32,
    width: u32,
    #[comptime] units: usize,
    #[comptime] plane: bool,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS;
    if row >= n_rows as usize {
        terminate!();
    }
    let vectors = width as usize / N::value();
    let mut count = 0.0_f32;
    let mut sum = 0.0_f32;
    let mut i = UNIT_POS as usize;
    while i < vectors {
        let values = Vector::<f32, N>::cast_from(x[row * vectors + i]);
        count += sum_of::<N>(fires::<N>(values));
        sum += sum_of::<N>(values.abs());
        i += units;
    }
    let count = cube_sum(count, units, plane);
    let sum = cube_sum(sum, units, plane);
    if UNIT_POS == 0 {
        out[2 * row] = count;
        out[2 * row + 1] = sum;
    }
}

/// `[n, m]` → `[n, 2]`, f32: how many values are not zero, and the sum of magnitudes.
pub(super) fn launch_rows(x: CubeTensor) -> CubeTensor {
    let (x, n_rows, width) = rows(x);
    let out = empty(&x, [n_rows, 2], DType::F32);
    if n_rows == 0 {
        return out;
    }
    let (units, plane) = units(&x);
    row_kernel::launch(
        &x.client.clone(),
        cubes(&x, n_rows),
        CubeDim::new_1d(units),
        vector_size(&x, width),
        x.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        n_rows as u32,
        width as u32,
        units as usize,
        plane,
        element(&x),
    );
    out
}

#[cube(launch)]
fn column_kernel<F: Float, I: Numeric, N: Size>(
    x: &[Vector<F, N>],
    kept: &[I],
    out: &mut [Vector<f32, N>],
    groups: u32,
    rows_per_group: u32,
    width: u32,
    #[define(F, I)] _dtypes: [ElemType; 2],
) {
    let vectors = width as usize / N::value();
    let (group, column) = (ABSOLUTE_POS / vectors, ABSOLUTE_POS % vectors);
    if group >= groups as usize {
        terminate!();
    }
    let mut count = Vector::<f32, N>::new(0.0_f32);
    let mut sum = Vector::<f32, N>::new(0.0_f32);
    let mut largest = Vector::<f32, N>::new(0.0_f32);
    for i in 0..rows_per_group as usize {
        let row = group * rows_per_group as usize + i;
        if u32::cast_from(kept[row]) != 0 {
            let values = Vector::<f32, N>::cast_from(x[row * vectors + column]);
            count += fires::<N>(values);
            let magnitudes = values.abs();
            sum += magnitudes;
            largest = max(largest, magnitudes);
        }
    }
    let size = groups as usize * vectors;
    let place = group * vectors + column;
    out[place] = count;
    out[size + place] = sum;
    out[2 * size + place] = largest;
}

/// `[g·p, m]`, `kept`: `[g·p]` → `[3, g, m]`, f32: how many of a group's kept rows fire in a column, the sum of magnitudes, the largest.
pub(super) fn launch_columns(x: CubeTensor, kept: CubeTensor, rows_per_group: usize) -> CubeTensor {
    let (x, n_rows, width) = rows(x);
    let kept = into_contiguous(kept);
    let groups = n_rows / rows_per_group.max(1);
    let out = empty(&x, [3, groups, width], DType::F32);
    if groups == 0 || width == 0 {
        return out;
    }
    // What is written is f32, wider than what may be read.
    let size = vector_size(&x, width).min(vector_size(&out, width));
    let units = UNITS.min(x.client.properties().hardware.max_units_per_cube);
    column_kernel::launch(
        &x.client.clone(),
        cubes(&x, (groups * width / size).div_ceil(units as usize)),
        CubeDim::new_1d(units),
        size,
        x.clone().into_buffer_arg(),
        kept.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        groups as u32,
        rows_per_group as u32,
        width as u32,
        [element(&x), element(&kept)],
    );
    out
}
