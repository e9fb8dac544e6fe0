//! The device that a run uses, and the dtype of models on it.

use crate::memory::{Memory, available_memory};
use crate::{DeviceChoice, DeviceKind, Dtype};
use burn::tensor::{Device, FloatDType};

#[cfg(not(any(feature = "cpu", feature = "cuda")))]
compile_error!("enable a backend: feature `cpu` or `cuda`");

/// Memory that a GPU's driver and context take, in bytes.
const DRIVER: u64 = 1 << 30;

/// A device, and the dtype of models on it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ComputeDevice {
    /// As burn has it.
    pub device: Device,
    /// Its kind.
    pub kind: DeviceKind,
    /// Which one of its kind; 0 for the CPU.
    pub index: usize,
    /// The dtype of models on it.
    pub dtype: FloatDType,
}

/// Why a device cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceError {
    /// The build lacks the kind.
    #[error(
        "this build has no {} support; build it with the feature `{}`, or use another device",
        .0.title(), .0.name()
    )]
    NotBuilt(DeviceKind),
    /// The build has the kind, the machine does not.
    #[error("no {} device was found; {} The device cpu works without one", .0.title(), .0.check())]
    NotFound(DeviceKind),
    /// There are some, but not this one.
    #[error("there is no such device; found {found}, {name}:0 to {name}:{}", .found - 1, name = .kind.name())]
    OutOfRange {
        /// The kind asked for.
        kind: DeviceKind,
        /// How many there are.
        found: usize,
    },
}

impl ComputeDevice {
    /// Finds the device that was asked for. Without a dtype, models are in f32 on the CPU and in bf16 on a GPU.
    ///
    /// # Errors
    /// If there is no such device, or the build cannot use it.
    pub fn choose(choice: DeviceChoice, dtype: Option<Dtype>) -> Result<Self, DeviceError> {
        let (kind, index) = match choice {
            DeviceChoice::Auto => {
                let kinds = DeviceKind::ACCELERATORS.iter().copied();
                let found = kinds.into_iter().find(|kind| kind.count() > 0);
                (found.unwrap_or(DeviceKind::Cpu), 0)
            }
            DeviceChoice::Device(kind, index) => (kind, index),
        };
        if !kind.is_built() {
            return Err(DeviceError::NotBuilt(kind));
        }
        match kind.count() {
            0 => return Err(DeviceError::NotFound(kind)),
            found if index >= found => return Err(DeviceError::OutOfRange { kind, found }),
            _ => {}
        }
        let device = kind.device(index).ok_or(DeviceError::NotBuilt(kind))?;
        let dtype = dtype.map_or(kind.default_dtype(), FloatDType::from);
        if kind == DeviceKind::Cpu && dtype == FloatDType::BF16 && !crate::has_bf16_products() {
            tracing::warn!(
                "this processor does not multiply bf16 numbers (AVX512_BF16): bf16 takes half the memory of f32 here, and mostly more time"
            );
        }
        Ok(Self {
            device,
            kind,
            index,
            dtype,
        })
    }

    /// As the command line names it: `cpu`, `cuda:0`.
    pub fn name(&self) -> String {
        DeviceChoice::Device(self.kind, self.index).to_string()
    }

    /// Whether this is the CPU.
    pub fn is_cpu(&self) -> bool {
        self.kind == DeviceKind::Cpu
    }

    /// `f32` or `bf16`.
    pub fn dtype_name(&self) -> &'static str {
        match self.dtype {
            FloatDType::BF16 => "bf16",
            _ => "f32",
        }
    }

    /// The memory that a run may take: on the host, the free memory; on a GPU, all but its driver's part.
    pub fn memory(&self) -> Memory {
        let (bytes, from) = if self.is_cpu() {
            (available_memory(), "free memory of this machine")
        } else {
            let all = self.kind.describe(self.index).memory_bytes;
            (
                all.map(|bytes| bytes.saturating_sub(DRIVER)),
                "memory of the GPU, less 1 GiB for its driver",
            )
        };
        bytes.map_or_else(Memory::unknown, |bytes| Memory::new(bytes, from))
    }
}

#[cfg(all(test, feature = "cpu"))]
mod tests {
    use super::{ComputeDevice, DeviceError};
    use crate::{DeviceChoice, DeviceKind, Dtype};
    use burn::tensor::FloatDType;

    #[test]
    fn the_cpu_is_always_there_and_computes_in_f32_unless_told() {
        let choice = DeviceChoice::Device(DeviceKind::Cpu, 0);
        let on = ComputeDevice::choose(choice, None).unwrap();
        assert!(on.is_cpu());
        assert_eq!(
            (on.name().as_str(), on.dtype, on.dtype_name()),
            ("cpu", FloatDType::F32, "f32")
        );
        let on = ComputeDevice::choose(choice, Some(Dtype::Bf16)).unwrap();
        assert_eq!(on.dtype_name(), "bf16");
        assert!(on.memory().bytes > 0);
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_build_without_cuda_says_so() {
        let choice = DeviceChoice::Device(DeviceKind::Cuda, 0);
        let error = ComputeDevice::choose(choice, None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "this build has no CUDA support; build it with the feature `cuda`, or use another device"
        );
    }

    #[test]
    fn messages_say_what_to_try() {
        let message = DeviceError::NotFound(DeviceKind::Cuda).to_string();
        assert_eq!(
            message,
            "no CUDA device was found; is the NVIDIA driver installed (does `nvidia-smi` list a GPU)? The device cpu works without one"
        );
        let (kind, found) = (DeviceKind::Cuda, 2);
        let message = DeviceError::OutOfRange { kind, found }.to_string();
        assert_eq!(
            message,
            "there is no such device; found 2, cuda:0 to cuda:1"
        );
    }
}
