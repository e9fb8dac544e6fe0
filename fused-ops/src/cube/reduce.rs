//! Reductions over the units of a cube, by halves: the order is fixed, and no width of a plane is assumed.

use burn_cubecl::cubecl;
use burn_cubecl::cubecl::prelude::*;

/// The sum of every unit's value, for all of them.
#[cube]
pub(super) fn cube_sum(value: f32, #[comptime] units: usize) -> f32 {
    let mut shared = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut step = CUBE_DIM as usize / 2;
    while step > 0 {
        if unit < step {
            let other = shared[unit + step];
            shared[unit] += other;
        }
        sync_cube();
        step /= 2;
    }
    shared[0]
}

/// The largest of every unit's value, for all of them.
#[cube]
pub(super) fn cube_max(value: f32, #[comptime] units: usize) -> f32 {
    let mut shared = Shared::<[f32]>::new_slice(units);
    let unit = UNIT_POS as usize;
    shared[unit] = value;
    sync_cube();
    let mut step = CUBE_DIM as usize / 2;
    while step > 0 {
        if unit < step {
            let other = shared[unit + step];
            if other > shared[unit] {
                shared[unit] = other;
            }
        }
        sync_cube();
        step /= 2;
    }
    shared[0]
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
