//! What the CUDA driver says about its devices.

use crate::kind::Description;

/// Name and memory of a GPU.
#[cfg(feature = "cuda")]
pub(crate) fn describe(index: usize) -> Description {
    use cudarc::driver::result::device;
    let Some(gpu) = i32::try_from(index).ok().and_then(|i| device::get(i).ok()) else {
        return Description::default();
    };
    // SAFETY: the handle is one that the driver has just given out.
    let bytes = unsafe { device::total_mem(gpu) };
    Description {
        name: device::get_name(gpu).ok(),
        memory_bytes: bytes.ok().map(|n| n as u64),
    }
}

/// This build cannot ask.
#[cfg(not(feature = "cuda"))]
pub(crate) fn describe(_: usize) -> Description {
    Description::default()
}
