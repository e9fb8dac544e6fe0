//! What wgpu does not say about an adapter, and its driver does: how much memory it has.

use burn::tensor::wgpu::wgpu::Adapter;
#[cfg(not(target_os = "macos"))]
use burn::tensor::wgpu::wgpu::hal::api::Vulkan;

/// `VK_MEMORY_HEAP_DEVICE_LOCAL_BIT`
#[cfg(not(target_os = "macos"))]
const DEVICE_LOCAL: u32 = 1;

/// The adapter's memory: its largest heap. Others are windows onto it or, where it is split, what buffers are not made in.
#[cfg(not(target_os = "macos"))]
pub(super) fn bytes(adapter: &Adapter) -> Option<u64> {
    // SAFETY: the raw adapter is only read, while `adapter` keeps it alive.
    let raw = unsafe { adapter.as_hal::<Vulkan>() }?;
    let instance = raw.shared_instance().raw_instance();
    // SAFETY: the physical device is one that this instance gave out.
    let memory =
        unsafe { instance.get_physical_device_memory_properties(raw.raw_physical_device()) };
    let heaps = memory.memory_heaps.iter();
    let heaps = heaps.take(memory.memory_heap_count as usize);
    let own = heaps.filter(|heap| heap.flags.as_raw() & DEVICE_LOCAL != 0);
    own.map(|heap| heap.size).max().filter(|&bytes| bytes > 0)
}

/// The version of Vulkan that the adapter has.
#[cfg(not(target_os = "macos"))]
pub(super) fn version(adapter: &Adapter) -> Option<String> {
    // SAFETY: the raw adapter is only read, while `adapter` keeps it alive.
    let raw = unsafe { adapter.as_hal::<Vulkan>() }?;
    let packed = raw.physical_device_capabilities().properties().api_version;
    let [major, minor, patch] = [packed >> 22 & 0x7f, packed >> 12 & 0x3ff, packed & 0xfff];
    Some(format!("Vulkan {major}.{minor}.{patch}"))
}

/// The memory that Metal recommends to stay within; on Apple's processors a part of the host's.
#[cfg(target_os = "macos")]
pub(super) fn bytes(adapter: &Adapter) -> Option<u64> {
    use burn::tensor::wgpu::wgpu::hal::api::Metal;
    use objc2_metal::MTLDevice;
    // SAFETY: the raw adapter is only read, while `adapter` keeps it alive.
    let raw = unsafe { adapter.as_hal::<Metal>() }?;
    let bytes = raw.raw_device().recommendedMaxWorkingSetSize();
    Some(bytes).filter(|&bytes| bytes > 0)
}

/// Metal's version is the system's.
#[cfg(target_os = "macos")]
pub(super) fn version(_: &Adapter) -> Option<String> {
    None
}
