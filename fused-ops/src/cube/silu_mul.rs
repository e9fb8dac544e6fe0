//! silu(gate) · up: a unit for each vector of values.

use super::launch::{UNITS, cubes, element, empty, vector_size};
use burn_cubecl::cubecl;
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

#[cube(launch)]
fn kernel<F: Float, N: Size>(
    gate: &[Vector<F, N>],
    up: &[Vector<F, N>],
    out: &mut [Vector<F, N>],
    #[define(F)] _dtype: ElemType,
) {
    let i = ABSOLUTE_POS;
    if i >= out.len() {
        terminate!();
    }
    let x = Vector::<f32, N>::cast_from(gate[i]);
    let one = Vector::<f32, N>::new(1.0_f32);
    let zero = Vector::<f32, N>::new(0.0_f32);
    // For −x beyond 88 the exponential is infinite and the quotient −0, as it should be.
    let silu = x / (one + (zero - x).exp());
    out[i] = Vector::<F, N>::cast_from(silu) * up[i];
}

pub(super) fn launch(gate: CubeTensor, up: CubeTensor) -> CubeTensor {
    let (gate, up) = (into_contiguous(gate), into_contiguous(up));
    let out = empty(&gate, gate.meta.shape().clone(), gate.dtype);
    let elements: usize = gate.meta.shape().iter().product();
    if elements == 0 {
        return out;
    }
    let size = vector_size(&gate, elements);
    let units = UNITS.min(gate.client.properties().hardware.max_units_per_cube);
    kernel::launch(
        &gate.client.clone(),
        cubes(&gate, (elements / size).div_ceil(units as usize)),
        CubeDim::new_1d(units),
        size,
        gate.clone().into_buffer_arg(),
        up.into_buffer_arg(),
        out.clone().into_buffer_arg(),
        element(&gate),
    );
    out
}
