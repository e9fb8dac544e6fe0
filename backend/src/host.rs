//! Where tensors lie.

use burn::tensor::Device;

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
