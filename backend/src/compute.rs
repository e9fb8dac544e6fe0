//! The device that a run uses, and the dtype of models on it.

use crate::adapter::{Adapter, automatic};
use crate::memory::{Memory, available_memory};
use crate::self_check::{self, Verdict};
use crate::{DeviceChoice, DeviceError, DeviceKind, Dtype};
use burn::tensor::{Device, FloatDType};

#[cfg(not(any(feature = "cpu", feature = "cuda", feature = "wgpu")))]
compile_error!("enable a backend: feature `cpu`, `cuda` or `wgpu`");

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
    /// Bytes that one tensor may have on it; `None` for as many as there are.
    pub largest_tensor: Option<u64>,
    adapter: Adapter,
}

impl ComputeDevice {
    /// Finds the device that was asked for. Without a dtype, models are in bf16 on CUDA and in f32 elsewhere.
    ///
    /// `Auto` is the first GPU that can be used, else the CPU: CUDA before Metal and Vulkan, cards before what is in the processor, and never a
    /// program that only acts as one. A device of Metal or Vulkan multiplies, adds up and normalises some numbers first, and is not used if
    /// the host finds other results.
    ///
    /// # Errors
    /// If there is no such device, the build or its driver cannot use it, it lacks the dtype, or it computes wrongly.
    ///
    /// # Warnings
    /// Of devices that `Auto` passed over because they cannot be used, of f32 that is rounded, and of what works slowly: 16 bits on the CPU,
    /// and programs that act as a GPU.
    pub fn choose(choice: DeviceChoice, dtype: Option<Dtype>) -> Result<Self, DeviceError> {
        match choice {
            DeviceChoice::Auto => Self::automatic(dtype),
            DeviceChoice::Device(kind, index) => Self::named(kind, index, dtype),
        }
    }

    fn automatic(dtype: Option<Dtype>) -> Result<Self, DeviceError> {
        let kinds = DeviceKind::ACCELERATORS.iter();
        for (kind, index) in automatic(kinds.map(|&kind| (kind, kind.adapters()))) {
            match Self::named(kind, index, dtype) {
                Err(error @ (DeviceError::Refused { .. } | DeviceError::Wrong { .. })) => {
                    tracing::warn!("{error}. The next device is used instead");
                }
                chosen => return chosen,
            }
        }
        Self::named(DeviceKind::Cpu, 0, dtype)
    }

    fn named(kind: DeviceKind, index: usize, dtype: Option<Dtype>) -> Result<Self, DeviceError> {
        if kind.elsewhere().is_some() {
            return Err(DeviceError::Elsewhere(kind));
        }
        if !kind.is_built() {
            return Err(DeviceError::NotBuilt(kind));
        }
        let mut adapters = kind.adapters();
        let found = adapters.len();
        if found == 0 {
            return Err(DeviceError::NotFound(kind));
        }
        if index >= found {
            return Err(DeviceError::OutOfRange { kind, found });
        }
        let adapter = adapters.swap_remove(index);
        crate::kernels::keep();
        let opened = kind.open(index).map_err(|reason| DeviceError::Refused {
            device: called(kind, index, &adapter),
            reason,
        })?;
        let this = Self {
            device: opened.device,
            kind,
            index,
            dtype: dtype.map_or(kind.default_dtype(), FloatDType::from),
            largest_tensor: opened.largest_tensor,
            adapter,
        };
        this.has(dtype)?;
        this.computes_rightly()?;
        this.warn_if_slow();
        Ok(this)
    }

    /// Whether the dtype that was asked for is there.
    fn has(&self, dtype: Option<Dtype>) -> Result<(), DeviceError> {
        let has = |dtype: &Dtype| self.device.supports_dtype(FloatDType::from(*dtype));
        match dtype {
            Some(asked) if asked != Dtype::F32 && !has(&asked) => {
                let names = Dtype::ALL.iter().filter(|dtype| has(dtype));
                let names: Vec<&str> = names.map(|dtype| dtype.name()).collect();
                Err(DeviceError::Dtype {
                    device: self.called(),
                    dtype: asked.name(),
                    has: names.join(" and "),
                })
            }
            _ => Ok(()),
        }
    }

    fn computes_rightly(&self) -> Result<(), DeviceError> {
        if !self.kind.is_checked() {
            return Ok(());
        }
        match self_check::verdict(&self.device, self.dtype) {
            Verdict::Right => Ok(()),
            Verdict::Rounded(what) => {
                tracing::warn!("{} rounds its numbers: {what}", self.called());
                Ok(())
            }
            Verdict::Wrong(what) => Err(DeviceError::Wrong {
                device: self.called(),
                what,
            }),
        }
    }

    fn warn_if_slow(&self) {
        if self.is_cpu() && self.dtype == FloatDType::BF16 && !crate::has_bf16_products() {
            tracing::warn!(
                "this processor does not multiply bf16 numbers (AVX512_BF16): bf16 takes half the memory of f32 here, and mostly more time"
            );
        } else if self.is_cpu() && self.dtype == FloatDType::F16 {
            tracing::warn!(
                "f16 on the CPU is much slower than f32: its weights are converted at every use"
            );
        } else if !self.is_cpu() && self.adapter.is_software() {
            tracing::warn!(
                "{} is a program on the processor that acts as a GPU; the device cpu is faster",
                self.called()
            );
        }
    }

    /// As the command line names it: `cpu`, `cuda:0`.
    pub fn name(&self) -> String {
        DeviceChoice::Device(self.kind, self.index).to_string()
    }

    /// Its name, and what the device calls itself.
    fn called(&self) -> String {
        called(self.kind, self.index, &self.adapter)
    }

    /// Whether this is the CPU.
    pub fn is_cpu(&self) -> bool {
        self.kind == DeviceKind::Cpu
    }

    /// `f32`, `bf16` or `f16`.
    pub fn dtype_name(&self) -> &'static str {
        let named = Dtype::ALL.iter().find(|it| self.dtype == (**it).into());
        named.map_or("f32", |dtype| dtype.name())
    }

    /// Bytes of one number of the model.
    pub fn bytes_per_number(&self) -> u64 {
        match self.dtype {
            FloatDType::F16 | FloatDType::BF16 => 2,
            _ => 4,
        }
    }

    /// The memory that a run may take: on the host, the free memory; on a card, all but its driver's part; on a GPU that shares the host's
    /// memory, the less of both.
    pub fn memory(&self) -> Memory {
        if self.is_cpu() {
            let free = available_memory();
            return free.map_or_else(Memory::unknown, |bytes| {
                Memory::new(bytes, "free memory of this machine")
            });
        }
        of_gpu(
            &self.adapter,
            self.adapter
                .shares_memory()
                .then(available_memory)
                .flatten(),
        )
    }
}

/// The memory of a GPU, some of the host's `free` memory if it shares that.
fn of_gpu(adapter: &Adapter, free: Option<u64>) -> Memory {
    match (adapter.memory_bytes, free) {
        (Some(all), Some(free)) if all < free => Memory::new(
            all,
            "the part of this machine's memory that the GPU can use",
        ),
        (_, Some(free)) => Memory::new(free, "free memory of this machine, which the GPU shares"),
        (Some(all), None) => Memory::new(
            all.saturating_sub(DRIVER),
            "memory of the GPU, less 1 GiB for its driver",
        ),
        (None, None) => Memory::unknown(),
    }
}

fn called(kind: DeviceKind, index: usize, adapter: &Adapter) -> String {
    let number = DeviceChoice::Device(kind, index).to_string();
    match &adapter.name {
        Some(name) => format!("{number} ({name})"),
        None => number,
    }
}

#[cfg(test)]
mod tests;
