//! The k largest values of each row, the others zero: a cube for each row.
//!
//! A value's key is its f32 bits, of what is positive (or of its magnitude): such bits are ordered as the values are. The k-th largest key
//! is found eight bits at a time, from the top, each time by a histogram of the keys that agree so far. Where values are equal, lower
//! columns go first, as on the CPU.

use super::launch::{cubes, element, empty, rows, units};
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

#[cube(launch)]
fn kernel<F: Float>(
    x: &[F],
    out: &mut [F],
    n_rows: u32,
    width: u32,
    k: u32,
    #[comptime] by_magnitude: bool,
    #[comptime] units: usize,
    #[define(F)] _dtype: ElemType,
) {
    let row = CUBE_POS;
    if row >= n_rows as usize {
        terminate!();
    }
    let unit = UNIT_POS as usize;
    let start = row * width as usize;
    let histogram = Shared::<[Atomic<u32>]>::new_slice(256usize);
    // The bits found so far, and how many keys are still to be found below what is larger.
    let mut found = Shared::<[u32]>::new_slice(3usize);
    if unit == 0 {
        found[0] = 0;
        found[1] = k;
        found[2] = 0;
    }
    sync_cube();

    #[unroll]
    for pass in 0..4u32 {
        let shift = 24 - 8 * pass;
        let mut bin = unit;
        while bin < 256 {
            histogram[bin].store(0);
            bin += units;
        }
        sync_cube();
        let prefix = found[0];
        let mut i = unit;
        while i < width as usize {
            let bits = key::<F>(x[start + i], by_magnitude);
            // In two steps: a shift by 32 is not defined.
            let agrees = (bits >> shift) >> 8 == (prefix >> shift) >> 8;
            if bits != 0 && agrees {
                histogram[((bits >> shift) & 255) as usize].fetch_add(1);
            }
            i += units;
        }
        sync_cube();
        if unit == 0 && found[1] > 0 {
            let wanted = found[1];
            let mut larger = 0u32;
            let mut digit = 0u32;
            let mut here = 0u32;
            let mut done = false;
            for j in 0..256u32 {
                let bin = 255 - j;
                if !done {
                    let count = histogram[bin as usize].load();
                    if larger + count >= wanted {
                        digit = bin;
                        here = count;
                        done = true;
                    } else {
                        larger += count;
                    }
                }
            }
            if done {
                found[0] = prefix | (digit << shift);
                found[1] = wanted - larger;
                found[2] = here;
            } else {
                // There are fewer than k that count: all of them stay.
                found[0] = 0;
                found[1] = 0;
                found[2] = 0;
            }
        }
        sync_cube();
    }

    let bar = found[0];
    let ties_kept = found[1];
    let ties = found[2];
    let in_order = bar != 0 && ties > ties_kept;
    if !in_order {
        let mut i = unit;
        while i < width as usize {
            let value = x[start + i];
            let bits = key::<F>(value, by_magnitude);
            let mut kept = F::from_int(0);
            if bits != 0 && bits >= bar {
                kept = value;
            }
            out[start + i] = kept;
            i += units;
        }
    } else {
        // Ties are counted from the left, a stretch of the row at a time.
        let mut counts = Shared::<[u32]>::new_slice(units);
        let mut before = 0u32;
        let mut first = 0usize;
        while first < width as usize {
            let i = first + unit;
            let mut bits = 0u32;
            if i < width as usize {
                bits = key::<F>(x[start + i], by_magnitude);
            }
            let tie = bits == bar;
            counts[unit] = u32::cast_from(tie);
            sync_cube();
            let mut rank = before;
            let mut all = before;
            for j in 0..units {
                let count = counts[j];
                if j < unit {
                    rank += count;
                }
                all += count;
            }
            if i < width as usize {
                let mut kept = F::from_int(0);
                if bits > bar || (tie && rank < ties_kept) {
                    kept = x[start + i];
                }
                out[start + i] = kept;
            }
            before = all;
            first += units;
            sync_cube();
        }
    }
}

pub(super) fn launch(x: CubeTensor, k: usize, by_magnitude: bool) -> CubeTensor {
    let (x, n_rows, width) = rows(x);
    assert!(k > 0, "at least one value is kept");
    let out = empty(&x, x.meta.shape().clone(), x.dtype);
    if n_rows == 0 || width == 0 {
        return out;
    }
    let units = units(&x);
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
        element(&x),
    );
    out
}
