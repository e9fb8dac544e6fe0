//! Reductions over the units of a cube.
//!
//! Where the device's planes all have one width, a cube is one plane, whose units see one another's values. Elsewhere (Intel's vary) they go
//! through shared memory, by halves. The order of sums is fixed in both.

#![allow(
    unused_assignments,
    reason = "a kernel's variable has a value before a choice that is made when it is compiled"
)]

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// The sum of every unit's value, for all of them.
#[cube]
pub(super) fn cube_sum(value: f32, #[comptime] units: usize, #[comptime] plane: bool) -> f32 {
    let mut sum = value;
    if plane {
        sum = plane_sum(value);
    } else {
        sum = by_halves(value, units, false);
    }
    sum
}

/// The largest of every unit's value, for all of them.
#[cube]
pub(super) fn cube_max(value: f32, #[comptime] units: usize, #[comptime] plane: bool) -> f32 {
    let mut largest = value;
    if plane {
        largest = plane_max(value);
    } else {
        largest = by_halves(value, units, true);
    }
    largest
}

/// The sum or the largest of every unit's value, through shared memory.
#[cube]
fn by_halves(value: f32, #[comptime] units: usize, #[comptime] largest: bool) -> f32 {
    let mut shared = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut step = CUBE_DIM as usize / 2;
    while step > 0 {
        if unit < step {
            let (own, other) = (shared[unit], shared[unit + step]);
            if largest {
                shared[unit] = max(own, other);
            } else {
                shared[unit] = own + other;
            }
        }
        sync_cube();
        step /= 2;
    }
    let result = shared[0];
    // Before the memory is used again.
    sync_cube();
    result
}

/// The sum of the values of the units before this one.
#[cube]
pub(super) fn sum_before(value: f32, #[comptime] units: usize, #[comptime] plane: bool) -> f32 {
    let mut sum = 0.0_f32;
    if plane {
        sum = plane_exclusive_sum(value);
    } else {
        let mut shared = Shared::<[f32]>::new_slice(units);
        let unit = UNIT_POS as usize;
        shared[unit] = value;
        sync_cube();
        for i in 0..unit {
            sum += shared[i];
        }
        sync_cube();
    }
    sum
}

/// The sum of a vector's values.
#[cube]
pub(super) fn sum_of<N: Size>(values: Vector<f32, N>) -> f32 {
    let mut sum = 0.0_f32;
    #[unroll]
    for i in 0..N::value() {
        sum += values.extract(i);
    }
    sum
}

/// The largest of a vector's values.
#[cube]
pub(super) fn max_of<N: Size>(values: Vector<f32, N>) -> f32 {
    let mut largest = values.extract(0usize);
    #[unroll]
    for i in 1..N::value() {
        let value = values.extract(i);
        if value > largest {
            largest = value;
        }
    }
    largest
}
