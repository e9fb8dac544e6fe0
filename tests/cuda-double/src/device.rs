//! The device: one H100, or another generation with an H100's sizes.

use crate::settings::settings;
use crate::{INVALID_DEVICE, INVALID_VALUE, SUCCESS, Status, report};
use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr;

/// Most bytes of shared memory that a block may ask for.
pub(crate) const MAX_SHARED: u64 = 232_448;
/// Most bytes of it without asking.
pub(crate) const DEFAULT_SHARED: u64 = 49_152;
pub(crate) const MAX_THREADS: u64 = 1024;
pub(crate) const MAX_BLOCK: [u32; 3] = [1024, 1024, 64];
pub(crate) const MAX_GRID: [u32; 3] = [2_147_483_647, 65_535, 65_535];

/// CUDA 13.0.
const DRIVER_VERSION: c_int = 13_000;

/// Every field of a driver's answer that a program has asked this double for, by NVIDIA's numbers.
fn attribute(which: c_int) -> c_int {
    let arch = settings().arch;
    match which {
        1..=3 => MAX_BLOCK[0] as c_int,
        4 => MAX_BLOCK[2] as c_int,
        5 => MAX_GRID[0] as c_int,
        6 | 7 => MAX_GRID[1] as c_int,
        8 => DEFAULT_SHARED as c_int,
        // Bytes of constant memory, registers of a block and of a multiprocessor.
        9 | 12 | 82 => 65_536,
        // Threads of a warp, blocks on a multiprocessor.
        10 | 106 => 32,
        // Multiprocessors, and the threads of one.
        16 => 132,
        39 => 2048,
        38 => 52_428_800,
        75 => arch / 10,
        76 => arch % 10,
        81 => 233_472,
        97 => MAX_SHARED as c_int,
        111 => 1024,
        // Concurrent kernels, copy engines, unified addresses, memory pools.
        31 | 40 | 41 | 115 => 1,
        _ => 0,
    }
}

/// Writes a result, or says that there is nowhere to write it.
pub(crate) fn answer<T>(place: *mut T, value: T) -> Status {
    if place.is_null() {
        return INVALID_VALUE;
    }
    // SAFETY: a driver's callers pass places that are valid for writing.
    unsafe { place.write(value) };
    SUCCESS
}

/// Writes a text with its closing zero into a place of so many bytes.
fn text(place: *mut c_char, len: c_int, text: &str) -> Status {
    let Ok(len) = usize::try_from(len) else {
        return INVALID_VALUE;
    };
    if place.is_null() || len == 0 {
        return INVALID_VALUE;
    }
    let bytes = &text.as_bytes()[..text.len().min(len - 1)];
    // SAFETY: the caller's place has `len` bytes, and the text with its zero is no longer.
    unsafe {
        ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), bytes.len());
        place.add(bytes.len()).write(0);
    }
    SUCCESS
}

fn known(device: c_int) -> bool {
    device == 0
}

#[unsafe(no_mangle)]
extern "C" fn cuInit(_flags: c_uint) -> Status {
    report::at_exit();
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuDriverGetVersion(version: *mut c_int) -> Status {
    answer(version, DRIVER_VERSION)
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetCount(count: *mut c_int) -> Status {
    answer(count, 1)
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGet(device: *mut c_int, ordinal: c_int) -> Status {
    if known(ordinal) {
        answer(device, ordinal)
    } else {
        INVALID_DEVICE
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetName(name: *mut c_char, len: c_int, device: c_int) -> Status {
    if !known(device) {
        return INVALID_DEVICE;
    }
    text(name, len, "NVIDIA H100 80GB HBM3 (a test double)")
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetPCIBusId(id: *mut c_char, len: c_int, device: c_int) -> Status {
    if !known(device) {
        return INVALID_DEVICE;
    }
    text(id, len, "0000:01:00.0")
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetUuid_v2(uuid: *mut [u8; 16], device: c_int) -> Status {
    if known(device) {
        answer(uuid, *b"a double of CUDA")
    } else {
        INVALID_DEVICE
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, device: c_int) -> Status {
    if known(device) {
        answer(bytes, settings().memory as usize)
    } else {
        INVALID_DEVICE
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuDeviceGetAttribute(value: *mut c_int, which: c_int, device: c_int) -> Status {
    if known(device) {
        answer(value, attribute(which))
    } else {
        INVALID_DEVICE
    }
}

/// NVRTC asks the driver for tables that no header documents, and goes on without them if it is told that there are none. Without this function
/// it crashes.
#[unsafe(no_mangle)]
extern "C" fn cuGetExportTable(_table: *mut *const c_void, _id: *const c_void) -> Status {
    crate::NOT_FOUND
}

/// The one context, which has nothing in it.
const CONTEXT: *mut c_void = ptr::without_provenance_mut(0x10);

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRetain(context: *mut *mut c_void, device: c_int) -> Status {
    if known(device) {
        answer(context, CONTEXT)
    } else {
        INVALID_DEVICE
    }
}

#[unsafe(no_mangle)]
extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: c_int) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxSetCurrent(_context: *mut c_void) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetCurrent(context: *mut *mut c_void) -> Status {
    answer(context, CONTEXT)
}

#[unsafe(no_mangle)]
extern "C" fn cuCtxGetStreamPriorityRange(least: *mut c_int, greatest: *mut c_int) -> Status {
    answer(least, 0);
    answer(greatest, -5)
}

#[unsafe(no_mangle)]
extern "C" fn cuGetErrorName(status: Status, name: *mut *const c_char) -> Status {
    let text = match status {
        crate::SUCCESS => c"CUDA_SUCCESS",
        crate::INVALID_VALUE => c"CUDA_ERROR_INVALID_VALUE",
        crate::OUT_OF_MEMORY => c"CUDA_ERROR_OUT_OF_MEMORY",
        crate::INVALID_DEVICE => c"CUDA_ERROR_INVALID_DEVICE",
        crate::INVALID_IMAGE => c"CUDA_ERROR_INVALID_IMAGE",
        crate::INVALID_HANDLE => c"CUDA_ERROR_INVALID_HANDLE",
        crate::NOT_FOUND => c"CUDA_ERROR_NOT_FOUND",
        crate::ILLEGAL_ADDRESS => c"CUDA_ERROR_ILLEGAL_ADDRESS",
        crate::LAUNCH_OUT_OF_RESOURCES => c"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
        _ => return INVALID_VALUE,
    };
    answer(name, text.as_ptr())
}

#[unsafe(no_mangle)]
extern "C" fn cuGetErrorString(status: Status, text: *mut *const c_char) -> Status {
    cuGetErrorName(status, text)
}
