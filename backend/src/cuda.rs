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
pub(crate) fn open(index: usize) -> Result<Opened, String> {
    // Without them burn's thread for the device would panic at the first kernel.
    // SAFETY: the call looks for the compiler's library under its names.
    let compiler = unsafe { cudarc::nvrtc::sys::is_culib_present() };
    if !compiler || cubecl::cuda::install::cuda_path().is_none() {
        let missing = if compiler {
            "its headers were"
        } else {
            "it was"
        };
        return Err(format!(
            "kernels are compiled by NVRTC, and {missing} not found. Install CUDA 13's toolkit; or `pip install nvidia-cuda-nvrtc \
             nvidia-cuda-runtime nvidia-cuda-cccl`, and set CUDA_PATH to the folder nvidia/cu13 of site-packages and LD_LIBRARY_PATH to its lib"
        ));
    }
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
