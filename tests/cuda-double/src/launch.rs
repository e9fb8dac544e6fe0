//! Launches, checked against the device and the kernel.

use crate::device::{MAX_BLOCK, MAX_GRID, MAX_SHARED, MAX_THREADS};
use crate::state::{Kernel, lock};
use crate::{
    ILLEGAL_ADDRESS, INVALID_HANDLE, INVALID_VALUE, LAUNCH_OUT_OF_RESOURCES, SUCCESS, Status,
    refuse, report,
};
use std::ffi::{c_uint, c_void};
use std::time::Duration;

/// What a launch costs on the double's clock, in nanoseconds: no less than one costs anywhere, and more each time. A program that makes its
/// work longer until the clock shows it comes to an end.
fn cost(launches: u64) -> u64 {
    5000 + 10_000 * launches.min(1000)
}

/// What cubecl's measurement of a device's arithmetic should take: it asks for more work until the host's clock says so, without end where a
/// kernel takes no time.
const MEASUREMENT: Duration = Duration::from_millis(20);

/// Why a launch is not legal on this device, if it is not.
fn fault(
    kernel: &Kernel,
    grid: [u32; 3],
    block: [u32; 3],
    shared: u64,
) -> Option<(Status, String)> {
    let threads: u64 = block.iter().map(|&n| u64::from(n)).product();
    let name = &kernel.name;
    if grid.contains(&0) || block.contains(&0) {
        return Some((
            INVALID_VALUE,
            format!("{name}: an empty grid {grid:?} or block {block:?}"),
        ));
    }
    if (0..3).any(|i| grid[i] > MAX_GRID[i] || block[i] > MAX_BLOCK[i]) || threads > MAX_THREADS {
        return Some((
            INVALID_VALUE,
            format!(
                "{name}: grid {grid:?}, block {block:?}; at most {MAX_GRID:?}, {MAX_BLOCK:?} and {MAX_THREADS} threads"
            ),
        ));
    }
    if kernel.max_threads.is_some_and(|most| threads > most) {
        return Some((
            INVALID_VALUE,
            format!("{name}: {threads} threads, more than it was compiled for"),
        ));
    }
    if shared > kernel.max_dynamic_shared || shared + kernel.static_shared > MAX_SHARED {
        return Some((
            LAUNCH_OUT_OF_RESOURCES,
            format!(
                "{name}: {shared} bytes of shared memory; it may have {}",
                kernel.max_dynamic_shared
            ),
        ));
    }
    None
}

#[unsafe(no_mangle)]
unsafe extern "C" fn cuLaunchKernel(
    function: *mut c_void,
    grid_x: c_uint,
    grid_y: c_uint,
    grid_z: c_uint,
    block_x: c_uint,
    block_y: c_uint,
    block_z: c_uint,
    shared: c_uint,
    _stream: *mut c_void,
    parameters: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> Status {
    let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
    let mut state = lock();
    let index = function.addr().wrapping_sub(1);
    let Some(kernel) = state.kernels.get(index) else {
        return INVALID_HANDLE;
    };
    if let Some((status, why)) = fault(kernel, grid, block, u64::from(shared)) {
        drop(state);
        return refuse(status, &why);
    }
    for (i, _) in kernel.pointers.iter().enumerate().filter(|(_, is)| **is) {
        // SAFETY: a launch passes the place of each parameter that the kernel has.
        let address = unsafe { (*parameters.add(i)).cast::<u64>().read_unaligned() };
        // An empty buffer has no address.
        if address != 0 && state.allocation_of(address).is_none() {
            let why = format!(
                "{}: parameter {i} is {address:#x}, which is not allocated",
                kernel.name
            );
            drop(state);
            return refuse(ILLEGAL_ADDRESS, &why);
        }
    }
    report::trace(|| format!("launch {} {grid:?} {block:?} {shared}", kernel.name));
    let kernel = &mut state.kernels[index];
    kernel.launches += 1;
    let cost = cost(kernel.launches);
    let measures = kernel.name.starts_with("compute_direct_throughput");
    state.launches += 1;
    state.clock += cost;
    drop(state);
    if measures {
        std::thread::sleep(MEASUREMENT);
    }
    SUCCESS
}

#[cfg(test)]
mod tests {
    use super::fault;
    use crate::state::Kernel;

    #[test]
    fn what_the_device_cannot_do_is_refused() {
        let kernel = Kernel {
            name: "k".to_owned(),
            pointers: vec![],
            static_shared: 1000,
            max_dynamic_shared: 49_152,
            max_threads: Some(512),
            launches: 0,
        };
        let status = |grid, block, shared| fault(&kernel, grid, block, shared).map(|(s, _)| s);
        assert_eq!(status([1, 1, 1], [512, 1, 1], 49_152), None);
        assert_eq!(status([70_000, 1, 1], [32, 8, 1], 0), None);
        assert_eq!(status([1, 70_000, 1], [32, 8, 1], 0), Some(1));
        assert_eq!(status([0, 1, 1], [32, 1, 1], 0), Some(1));
        assert_eq!(status([1, 1, 1], [1024, 1, 1], 0), Some(1));
        assert_eq!(status([1, 1, 1], [32, 1, 1], 60_000), Some(701));
    }
}
