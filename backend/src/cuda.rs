//! What the CUDA driver says about its devices.

use crate::adapter::{Adapter, Opened};

/// The GPUs that the driver lists, with name and memory.
#[cfg(feature = "cuda")]
pub(crate) fn adapters() -> Vec<Adapter> {
    use cudarc::driver::{CudaContext, sys};
    // burn's own listing would ask the drivers of every other kind as well.
    // SAFETY: the call looks for the driver's library under its names.
    if !unsafe { sys::is_culib_present() } {
        return Vec::new();
    }
    let count = CudaContext::device_count().unwrap_or(0);
    let indices = 0..usize::try_from(count).unwrap_or(0);
    indices.map(describe).collect()
}

#[cfg(feature = "cuda")]
fn describe(index: usize) -> Adapter {
    use cudarc::driver::result::device;
    let Some(gpu) = i32::try_from(index).ok().and_then(|i| device::get(i).ok()) else {
        return Adapter::default();
    };
    // SAFETY: the handle is one that the driver has just given out.
    let bytes = unsafe { device::total_mem(gpu) };
    Adapter {
        name: device::get_name(gpu).ok(),
        memory_bytes: bytes.ok().map(|n| n as u64),
        ..Adapter::default()
    }
}

/// A GPU; burn opens it when the first tensor comes.
#[cfg(feature = "cuda")]
#[allow(clippy::unnecessary_wraps, reason = "one signature for every kind")]
pub(crate) fn open(index: usize) -> Result<Opened, String> {
    Ok(Opened {
        device: burn::tensor::Device::cuda(index),
        largest_tensor: None,
    })
}

/// This build cannot ask.
#[cfg(not(feature = "cuda"))]
pub(crate) fn adapters() -> Vec<Adapter> {
    Vec::new()
}

/// This build cannot open one.
#[cfg(not(feature = "cuda"))]
pub(crate) fn open(_: usize) -> Result<Opened, String> {
    Err("this build has no CUDA".to_owned())
}
