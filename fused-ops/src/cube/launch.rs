//! What every launch needs.

use burn::tensor::{DType, Shape};
use burn_cubecl::cubecl::ir::ElemType;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;

/// Units that work on one row together.
pub(super) const UNITS: u32 = 256;

/// A tensor without gaps, its rows, and the length of one.
pub(super) fn rows(x: CubeTensor) -> (CubeTensor, usize, usize) {
    let x = into_contiguous(x);
    let width = x.meta.shape().last().copied().unwrap_or(1);
    let elements: usize = x.meta.shape().iter().product();
    (x, elements / width.max(1), width)
}

/// How many values of a row are read at once: the most that divides it.
pub(super) fn vector_size(x: &CubeTensor, width: usize) -> usize {
    let sizes = x.client.io_optimized_vector_sizes(x.dtype.size());
    sizes
        .filter(|size| width.is_multiple_of(*size))
        .max()
        .unwrap_or(1)
}

/// A tensor with nothing in it yet.
pub(super) fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    burn_cubecl::ops::numeric::empty_device_contiguous_dtype(
        like.client.clone(),
        like.device.clone(),
        shape.into(),
        dtype,
    )
}

/// As many cubes as asked for, or a few more where they do not fit along one axis.
pub(super) fn cubes(x: &CubeTensor, count: usize) -> CubeCount {
    let most = x.client.properties().hardware.max_cube_count.0.min(65_535) as usize;
    let across = count.min(most).max(1);
    CubeCount::Static(across as u32, count.div_ceil(across).max(1) as u32, 1)
}

/// Units of a cube that reduces a row, and whether they are one plane: as many as a plane has where all planes are of one width, else a power
/// of two that the device has.
pub(super) fn units(x: &CubeTensor) -> (u32, bool) {
    let hardware = &x.client.properties().hardware;
    let width = hardware.plane_size_max;
    if width > 1 && width == hardware.plane_size_min {
        return (width, true);
    }
    let most = hardware.max_units_per_cube.max(1);
    (UNITS.min(1 << most.ilog2()), false)
}

/// The type of a tensor's elements in a kernel.
pub(super) fn element(x: &CubeTensor) -> ElemType {
    burn::backend::cubecl::dtype_to_storage_type(x.dtype)
}
