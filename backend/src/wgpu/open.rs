//! Adapters made ready to compute.

use super::list;
use crate::adapter::{Adapter, Opened};
use burn::tensor::wgpu::wgpu::Limits;
use burn::tensor::wgpu::{WgpuBackend, WgpuInitError};
use burn::tensor::{Device, DeviceKind};
use std::sync::{Mutex, PoisonError};

#[cfg(target_os = "macos")]
const API: WgpuBackend = WgpuBackend::Metal;
#[cfg(not(target_os = "macos"))]
const API: WgpuBackend = WgpuBackend::Vulkan;

/// Those that are ready: burn makes each once.
static OPENED: Mutex<Vec<(usize, Opened)>> = Mutex::new(Vec::new());

/// Makes an adapter ready.
///
/// # Errors
/// What its driver says if it cannot be.
pub(crate) fn open(index: usize) -> Result<Opened, String> {
    let mut ready = OPENED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, opened)) = ready.iter().find(|(at, _)| *at == index) {
        return Ok(opened.clone());
    }
    let (adapter, kind) = list::get(index).ok_or("there is no such device")?;
    let options = Device::wgpu_options()
        .device_kind(kind.clone())
        .graphics_api(API);
    let opened = match options.init_with_setup() {
        Ok((device, setup)) => Opened {
            device,
            largest_tensor: largest_tensor(&setup.device.limits(), adapter),
        },
        // The program around this library made it ready by itself.
        Err(WgpuInitError::Registration { .. }) => Opened {
            device: by_kind(kind),
            largest_tensor: None,
        },
        Err(error) => return Err(error.to_string()),
    };
    ready.push((index, opened.clone()));
    Ok(opened)
}

#[cfg(target_os = "macos")]
fn by_kind(kind: DeviceKind) -> Device {
    Device::metal(kind)
}

#[cfg(not(target_os = "macos"))]
fn by_kind(kind: DeviceKind) -> Device {
    Device::vulkan(kind)
}

/// A tensor lies in one buffer, all of which a kernel sees. With addresses of 64 bits, for which cubecl says so in this way, the memory
/// is the limit.
fn largest_tensor(limits: &Limits, adapter: &Adapter) -> Option<u64> {
    match limits.max_storage_buffer_binding_size {
        u64::MAX => adapter.memory_bytes,
        seen => Some(seen.min(limits.max_buffer_size)),
    }
}
