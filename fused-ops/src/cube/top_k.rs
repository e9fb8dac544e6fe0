//! The k largest values of each row, the others zero: a cube for each row.
//!
//! A value's key is its f32 bits, of what is positive (or of its magnitude): such bits are ordered as the values are. The k-th largest key is
//! found bit by bit, from the top, each time by counting the keys that are no smaller: 31 times over a row, which a cache holds, whatever k
//! is. Where values are equal, lower columns go first, as on the CPU.

use super::launch::{cubes, element, empty, rows, units};
use super::reduce::{cube_sum, sum_before};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::tensor::CubeTensor;

/// What a value counts as: 0 where it cannot be kept.
#[cube]
fn key<F: Float>(value: F, #[comptime] by_magnitude: bool) -> u32 {
    let value = f32::cast_from(value);
    let mut counted = value;
    if by_magnitude {
        counted = value.abs();
    } else if value <= 0.0_f32 {
        counted = 0.0_f32;
    }
    u32::reinterpret(counted)
}

/// How many keys of a row are no smaller than `least`.
#[cube]
fn count<F: Float>(
    x: &[F],
    start: usize,
    width: usize,
    least: u32,
    #[comptime] by_magnitude: bool,
    #[comptime] units: usize,
    #[comptime] plane: bool,
) -> f32 {
    let mut found = 0.0_f32;
    let mut i = UNIT_POS as usize;
    while i < width {
        if key::<F>(x[start + i], by_magnitude) >= least {
            found += 1.0_f32;
        }
        i += units;
    }
    cube_sum(found, units, plane)
}

#[cube(launch)]
fn kernel<F: Float>(
    x: &[F],
    out: &mut [F],
    n_rows: u32,
    width: u32,
    k: u32,
    #[comptime] by_magnitude: bool,
    #[comptime] units: usize,
    #[comptime] plane: bool,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS;
    if row >= n_rows as usize {
        terminate!();
    }
    let width = width as usize;
    let start = row * width;
    let wanted = f32::cast_from(k);
    let mut bar = 0u32;
    for i in 0..31u32 {
        let candidate = bar | (1u32 << (30 - i));
        if count::<F>(x, start, width, candidate, by_magnitude, units, plane) >= wanted {
            bar = candidate;
        }
    }
    let larger = count::<F>(x, start, width, bar + 1, by_magnitude, units, plane);
    let ties_kept = wanted - larger;
    let mut ties_before = 0.0_f32;
    let mut first = 0usize;
    while first < width {
        let i = first + UNIT_POS as usize;
        let mut bits = 0u32;
        let mut value = F::from_int(0);
        if i < width {
            value = x[start + i];
            bits = key::<F>(value, by_magnitude);
        }
        let mut tie = 0.0_f32;
        if bits != 0 && bits == bar {
            tie = 1.0_f32;
        }
        let rank = ties_before + sum_before(tie, units, plane);
        if i < width {
            let mut kept = F::from_int(0);
            if bits > bar || (tie > 0.0_f32 && rank < ties_kept) {
                kept = value;
            }
            out[start + i] = kept;
        }
        ties_before += cube_sum(tie, units, plane);
        first += units;
    }
}

pub(super) fn launch(x: CubeTensor, k: usize, by_magnitude: bool) -> CubeTensor {
    let (x, n_rows, width) = rows(x);
    assert!(k > 0, "at least one value is kept");
    let out = empty(&x, x.meta.shape().clone(), x.dtype);
    if n_rows == 0 || width == 0 {
        return out;
    }
    let (units, plane) = units(&x);
    kernel::launch(
        &x.client.clone(),
        cubes(&x, n_rows),
        CubeDim::new_1d(units),
        x.clone().into_buffer_arg(),
        out.clone().into_buffer_arg(),
        n_rows as u32,
        width as u32,
        k as u32,
        by_magnitude,
        units as usize,
        plane,
        element(&x),
    );
    out
}
