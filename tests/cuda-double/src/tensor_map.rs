//! Tensor maps: what Hopper's copy engine is told of a tensor. Checked by the driver's documented rules.

use crate::state::lock;
use crate::{INVALID_VALUE, SUCCESS, Status, refuse};
use std::ffi::{c_int, c_uint, c_void};

#[unsafe(no_mangle)]
unsafe extern "C" fn cuTensorMapEncodeTiled(
    map: *mut [u64; 16],
    _dtype: c_int,
    rank: c_uint,
    address: *mut c_void,
    dims: *const u64,
    strides: *const u64,
    tile: *const c_uint,
    element_strides: *const c_uint,
    _interleave: c_int,
    _swizzle: c_int,
    _promotion: c_int,
    _fill: c_int,
) -> Status {
    let rank = rank as usize;
    if !(1..=5).contains(&rank) {
        return refuse(INVALID_VALUE, "a tensor map of a rank that is not 1 to 5");
    }
    // SAFETY: the caller passes as many numbers as the rank says, and one stride less.
    let (dims, strides, tile, steps) = unsafe {
        (
            std::slice::from_raw_parts(dims, rank),
            std::slice::from_raw_parts(strides, rank - 1),
            std::slice::from_raw_parts(tile, rank),
            std::slice::from_raw_parts(element_strides, rank),
        )
    };
    let address = address.addr() as u64;
    let good = address.is_multiple_of(16)
        && lock().allocation_of(address).is_some()
        && dims.iter().all(|&n| n > 0 && n <= 1 << 32)
        && strides.iter().all(|&n| n.is_multiple_of(16) && n < 1 << 40)
        && tile.iter().all(|&n| n > 0 && n <= 256)
        && steps.iter().all(|&n| n > 0 && n <= 8);
    if !good {
        return refuse(
            INVALID_VALUE,
            &format!(
                "a tensor map at {address:#x}: sizes {dims:?}, strides {strides:?}, tile {tile:?}, steps {steps:?}"
            ),
        );
    }
    // SAFETY: the caller's place holds a map.
    unsafe { map.write([0; 16]) };
    SUCCESS
}
