//! Where and how the device trains.

use crate::architecture::TrainArchitecture;
use crate::check::OptionError;
use burn::tensor::{DType, Device, FloatDType};

/// Where an SAE is trained, and how its products are computed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DeviceOptions {
    /// The device that weights, moments and gradients lie on, all of them in f32.
    pub device: Device,
    /// What operands of the large products are cast to, and results from: `F32` or `BF16`. The small gradients of a large batch would vanish in f16.
    pub product_dtype: FloatDType,
    /// Bytes of a piece's pre-activations in f32: tokens are taken together up to this size. About six times as much is in use at a
    /// time. The batchtopk architectures keep the pre-activations of the whole batch besides.
    pub piece_bytes: usize,
}

impl DeviceOptions {
    /// On a device, with products in f32 and pieces of 256 MiB.
    pub fn new(device: &Device) -> Self {
        Self {
            device: device.clone(),
            product_dtype: FloatDType::F32,
            piece_bytes: 256 << 20,
        }
    }

    /// Tokens of a piece of a batch: about the same for all pieces, so that none is small.
    pub(super) fn piece_tokens(&self, rows: usize, d_sae: usize) -> usize {
        let most = (self.piece_bytes / 4 / d_sae.max(1)).max(1);
        rows.div_ceil(rows.div_ceil(most).max(1)).max(1)
    }

    /// Looks for what the device cannot do.
    pub(super) fn check(&self, architecture: TrainArchitecture) -> Result<(), TrainDeviceError> {
        if architecture == TrainArchitecture::MatchingPursuit {
            return Err(TrainDeviceError::Architecture(architecture));
        }
        let known = matches!(self.product_dtype, FloatDType::F32 | FloatDType::BF16);
        if known && self.device.supports_dtype(DType::from(self.product_dtype)) {
            Ok(())
        } else {
            Err(TrainDeviceError::Dtype(self.product_dtype))
        }
    }
}

/// Why an SAE cannot be trained on a device.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TrainDeviceError {
    /// A setting cannot work, on any device.
    #[error(transparent)]
    Options(#[from] OptionError),
    /// The architecture is trained on the host only.
    #[error("{0} is trained on the CPU only")]
    Architecture(TrainArchitecture),
    /// Products cannot be computed so.
    #[error("the device has no matrix products in {0:?}; expected F32, or BF16 where it has them")]
    Dtype(FloatDType),
}
