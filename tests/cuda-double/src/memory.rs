//! Memory: addresses with nothing behind them on the device, real memory on the host.

use crate::device::answer;
use crate::settings::settings;
use crate::state::{Copies, State, lock};
use crate::{ILLEGAL_ADDRESS, INVALID_VALUE, OUT_OF_MEMORY, SUCCESS, Status, refuse, report};
use std::alloc::{Layout, alloc, dealloc};
use std::ffi::{c_uint, c_void};

/// The first address; a device's lie far from the host's.
const FIRST: u64 = 0x7_0000_0000_0000;
/// Addresses are multiples of it, as the driver's are.
const ALIGNMENT: u64 = 512;
/// Alignment of pinned memory.
const PAGE: usize = 4096;

fn allocate(place: *mut u64, bytes: usize) -> Status {
    if bytes == 0 {
        return INVALID_VALUE;
    }
    let bytes = bytes as u64;
    let mut state = lock();
    if state.bytes + bytes > settings().memory {
        drop(state);
        return refuse(OUT_OF_MEMORY, &format!("no room for {bytes} bytes"));
    }
    // Addresses are never used again, so that one that is used after it was freed is noticed.
    let address = state.next_address.max(FIRST);
    state.next_address = address + bytes.next_multiple_of(ALIGNMENT) + ALIGNMENT;
    state.allocations.insert(address, bytes);
    state.bytes += bytes;
    state.peak_bytes = state.peak_bytes.max(state.bytes);
    state.allocated += 1;
    report::trace(|| format!("alloc {bytes} now {}", state.bytes));
    answer(place, address)
}

fn free(address: u64) -> Status {
    let mut state = lock();
    let Some(bytes) = state.allocations.remove(&address) else {
        drop(state);
        return refuse(INVALID_VALUE, "freed what was not allocated");
    };
    state.bytes -= bytes;
    report::trace(|| format!("free {bytes} now {}", state.bytes));
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAlloc_v2(place: *mut u64, bytes: usize) -> Status {
    allocate(place, bytes)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAllocAsync(place: *mut u64, bytes: usize, _stream: *mut c_void) -> Status {
    allocate(place, bytes)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFree_v2(address: u64) -> Status {
    free(address)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFreeAsync(address: u64, _stream: *mut c_void) -> Status {
    free(address)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    let all = settings().memory;
    answer(free, (all - lock().bytes) as usize);
    answer(total, all as usize)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemHostAlloc(place: *mut *mut c_void, bytes: usize, _flags: c_uint) -> Status {
    cuMemAllocHost_v2(place, bytes)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemAllocHost_v2(place: *mut *mut c_void, bytes: usize) -> Status {
    let Ok(layout) = Layout::from_size_align(bytes.max(1), PAGE) else {
        return INVALID_VALUE;
    };
    // SAFETY: the layout is not of size zero.
    let memory = unsafe { alloc(layout) };
    if memory.is_null() {
        return OUT_OF_MEMORY;
    }
    let mut state = lock();
    state.pinned.insert(memory.addr(), bytes.max(1));
    state.pinned_bytes += bytes as u64;
    state.peak_pinned_bytes = state.peak_pinned_bytes.max(state.pinned_bytes);
    answer(place, memory.cast())
}

#[unsafe(no_mangle)]
extern "C" fn cuMemFreeHost(memory: *mut c_void) -> Status {
    let mut state = lock();
    let Some(bytes) = state.pinned.remove(&memory.addr()) else {
        return INVALID_VALUE;
    };
    state.pinned_bytes = state.pinned_bytes.saturating_sub(bytes as u64);
    let Ok(layout) = Layout::from_size_align(bytes, PAGE) else {
        return INVALID_VALUE;
    };
    // SAFETY: it was allocated above, by this layout, and is forgotten now.
    unsafe { dealloc(memory.cast(), layout) };
    SUCCESS
}

/// Counts a copy whose device side is so many bytes from an address on; refuses what is not allocated.
fn copied(which: &str, address: u64, bytes: u64, copies: fn(&mut State) -> &mut Copies) -> Status {
    let mut state = lock();
    if bytes > 0 && !state.holds(address, bytes) {
        drop(state);
        return refuse(
            ILLEGAL_ADDRESS,
            &format!("{which} of {bytes} bytes at {address:#x}, which are not all allocated"),
        );
    }
    copies(&mut state).add(bytes);
    // As a link of 50 GB a second, with 5 µs to begin.
    state.clock += 5000 + bytes / 50;
    report::trace(|| format!("{which} {bytes}"));
    SUCCESS
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyHtoDAsync_v2(
    to: u64,
    _from: *const c_void,
    bytes: usize,
    _stream: *mut c_void,
) -> Status {
    copied("to_device", to, bytes as u64, |state| &mut state.to_device)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: u64,
    bytes: usize,
    _stream: *mut c_void,
) -> Status {
    // SAFETY: the caller's place has so many bytes.
    unsafe { to.cast::<u8>().write_bytes(0, bytes) };
    copied("to_host", from, bytes as u64, |state| &mut state.to_host)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemcpyDtoDAsync_v2(
    to: u64,
    from: u64,
    bytes: usize,
    _stream: *mut c_void,
) -> Status {
    if bytes > 0 && !lock().holds(from, bytes as u64) {
        return refuse(ILLEGAL_ADDRESS, "a copy from what is not allocated");
    }
    copied("on_device", to, bytes as u64, |state| &mut state.on_device)
}

#[unsafe(no_mangle)]
extern "C" fn cuMemsetD8Async(to: u64, _value: u8, bytes: usize, _stream: *mut c_void) -> Status {
    copied("set", to, bytes as u64, |state| &mut state.on_device)
}

/// A copy of rows, as the driver takes it.
#[repr(C)]
struct Copy2D {
    src_x: usize,
    src_y: usize,
    src_type: c_uint,
    src_host: *const c_void,
    src_device: u64,
    src_array: *mut c_void,
    src_pitch: usize,
    dst_x: usize,
    dst_y: usize,
    dst_type: c_uint,
    dst_host: *mut c_void,
    dst_device: u64,
    dst_array: *mut c_void,
    dst_pitch: usize,
    width: usize,
    height: usize,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuMemcpy2DAsync_v2(copy: *const Copy2D, _stream: *mut c_void) -> Status {
    const HOST: c_uint = 1;
    // SAFETY: the caller passes a description that is whole.
    let copy = unsafe { &*copy };
    let bytes = (copy.width * copy.height) as u64;
    let span = |pitch: usize| (pitch * copy.height.saturating_sub(1) + copy.width) as u64;
    if copy.dst_type == HOST {
        for row in 0..copy.height {
            let place = copy
                .dst_host
                .cast::<u8>()
                .wrapping_add(row * copy.dst_pitch);
            // SAFETY: the caller's place has so many rows of so many bytes.
            unsafe { place.write_bytes(0, copy.width) };
        }
        let status = copied("to_host", copy.src_device, span(copy.src_pitch), |state| {
            &mut state.to_host
        });
        lock().to_host.bytes -= span(copy.src_pitch) - bytes;
        return status;
    }
    let status = copied(
        "to_device",
        copy.dst_device,
        span(copy.dst_pitch),
        |state| &mut state.to_device,
    );
    lock().to_device.bytes -= span(copy.dst_pitch) - bytes;
    status
}
