//! Whether tensors are on the CPU backend, whose kernels have other strengths than a GPU's.

use burn::tensor::Device;

/// Whether the device is burn's CPU backend.
///
/// Only ever a choice between two ways to compute the same.
#[cfg(feature = "cpu")]
pub(crate) fn is_cpu(device: &Device) -> bool {
    *device == Device::flex()
}

/// There is no CPU backend in this build.
#[cfg(not(feature = "cpu"))]
pub(crate) fn is_cpu(_: &Device) -> bool {
    false
}
