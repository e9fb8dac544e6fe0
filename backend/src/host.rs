//! The CPU, and where tensors lie.

use crate::adapter::{Adapter, Class, Opened};
use burn::tensor::Device;

/// The processor.
pub(crate) fn adapters() -> Vec<Adapter> {
    vec![Adapter {
        name: Some(name()),
        driver: None,
        memory_bytes: crate::total_memory(),
        class: Class::Integrated,
    }]
}

/// burn's CPU backend.
#[cfg(feature = "cpu")]
#[allow(clippy::unnecessary_wraps, reason = "one signature for every kind")]
pub(crate) fn open(_: usize) -> Result<Opened, String> {
    Ok(Opened {
        device: Device::flex(),
        largest_tensor: None,
    })
}

/// This build computes elsewhere.
#[cfg(not(feature = "cpu"))]
pub(crate) fn open(_: usize) -> Result<Opened, String> {
    Err("this build has no CPU backend".to_owned())
}

/// The processor's brand, or its architecture where it has none.
pub(crate) fn name() -> String {
    let refresh = sysinfo::CpuRefreshKind::nothing();
    let system =
        sysinfo::System::new_with_specifics(sysinfo::RefreshKind::nothing().with_cpu(refresh));
    let brand = system
        .cpus()
        .first()
        .map(|cpu| cpu.brand().trim().to_owned());
    brand
        .filter(|brand| !brand.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

/// Whether the numbers of tensors on this device can be read and written where they lie: they are in host memory, and no gradient is
/// recorded.
///
/// Only ever a choice between two ways to compute the same. burn's equality of devices ignores autodiff, so comparing with
/// `Device::flex()` alone would cut gradients off.
pub fn is_host(device: &Device) -> bool {
    is_cpu(device) && !device.is_autodiff()
}

/// Whether the device is burn's CPU backend, with or without gradients.
#[cfg(feature = "cpu")]
pub fn is_cpu(device: &Device) -> bool {
    *device == Device::flex()
}

/// Whether the device is burn's CPU backend, which this build does not have.
#[cfg(not(feature = "cpu"))]
pub fn is_cpu(_: &Device) -> bool {
    false
}

/// Whether the processor multiplies pairs of bf16 numbers in one instruction (`AVX512_BF16`). Elsewhere bf16 on the CPU saves memory and no time.
pub fn has_bf16_products() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{is_cpu, is_host};
    use burn::tensor::Device;

    #[test]
    fn a_device_that_records_gradients_is_the_cpu_but_not_the_host() {
        let plain = Device::flex();
        assert!(is_cpu(&plain) && is_host(&plain));
        let recording = Device::flex().autodiff();
        assert!(is_cpu(&recording) && !is_host(&recording));
    }
}
