//! Where to compute.

use crate::cli::{Dtype, Global};
use anyhow::{Result, bail};
use burn::tensor::{Device, FloatDType};
use serde::Serialize;
use std::str::FromStr;

#[cfg(not(any(feature = "cpu", feature = "cuda")))]
compile_error!("enable a backend: feature `cpu` or `cuda`");

/// `--device`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unknown = || format!("{text:?} is none of auto, cpu, cuda, cuda:N");
        match text {
            "auto" => Ok(Self::Auto),
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => {
                let index = text.strip_prefix("cuda:").and_then(|n| n.parse().ok());
                index.map(Self::Cuda).ok_or_else(unknown)
            }
        }
    }
}

/// A device that was chosen, and the number format to use on it.
#[derive(Debug, Clone)]
pub(crate) struct Chosen {
    pub(crate) device: Device,
    /// As `--device` would name it.
    pub(crate) name: String,
    pub(crate) dtype: FloatDType,
}

impl Chosen {
    /// Resolves `--device` and `--dtype`.
    pub(crate) fn new(global: &Global) -> Result<Self> {
        let gpus = cuda_count();
        let cuda = match global.device {
            DeviceChoice::Auto => (gpus > 0).then_some(0),
            DeviceChoice::Cpu => None,
            DeviceChoice::Cuda(index) => {
                check_cuda(index, gpus)?;
                Some(index)
            }
        };
        let (device, name) = match cuda {
            Some(index) => (cuda_device(index), format!("cuda:{index}")),
            None => (cpu_device()?, "cpu".to_owned()),
        };
        let dtype = match (global.dtype, cuda) {
            (Some(Dtype::F32), _) | (None, None) => FloatDType::F32,
            (Some(Dtype::Bf16), _) | (None, Some(_)) => FloatDType::BF16,
        };
        if dtype == FloatDType::BF16 && cuda.is_none() {
            tracing::warn!(
                "bf16 on the CPU is much slower than f32: its weights are converted at every use"
            );
        }
        Ok(Self {
            device,
            name,
            dtype,
        })
    }

    /// Whether this is the CPU.
    pub(crate) fn on_host(&self) -> bool {
        self.name == "cpu"
    }

    /// All the memory of a GPU, in bytes, if its driver says.
    pub(crate) fn memory_bytes(&self) -> Option<u64> {
        let index = self.name.strip_prefix("cuda:")?.parse().ok()?;
        gpu(index).1
    }

    /// `f32` or `bf16`.
    pub(crate) fn dtype_name(&self) -> &'static str {
        match self.dtype {
            FloatDType::BF16 => "bf16",
            _ => "f32",
        }
    }
}

fn check_cuda(index: usize, gpus: usize) -> Result<()> {
    if !cfg!(feature = "cuda") {
        bail!(
            "--device cuda: this sae was built for the CPU only; build it with `cargo install --path sae-cli --features cuda`, or use --device cpu"
        );
    }
    if gpus == 0 {
        bail!(
            "--device cuda: no CUDA device was found; is the NVIDIA driver installed (does `nvidia-smi` list a GPU)? --device cpu works without one"
        );
    }
    if index >= gpus {
        bail!(
            "--device cuda:{index}: there is no such device; found {gpus}, cuda:0 to cuda:{}",
            gpus - 1
        );
    }
    Ok(())
}

#[cfg(feature = "cuda")]
fn cuda_count() -> usize {
    Device::enumerate(burn::tensor::DeviceType::Cuda)
        .iter()
        .count()
}

#[cfg(not(feature = "cuda"))]
fn cuda_count() -> usize {
    0
}

#[cfg(feature = "cuda")]
fn cuda_device(index: usize) -> Device {
    Device::cuda(index)
}

#[cfg(not(feature = "cuda"))]
fn cuda_device(_: usize) -> Device {
    unreachable!("check_cuda has refused it")
}

#[cfg(feature = "cpu")]
#[expect(clippy::unnecessary_wraps, reason = "fails where the feature is off")]
fn cpu_device() -> Result<Device> {
    Ok(Device::flex())
}

#[cfg(not(feature = "cpu"))]
fn cpu_device() -> Result<Device> {
    bail!("--device cpu: this sae was built for CUDA only, and no CUDA device was found")
}

/// One line of `sae devices`.
#[derive(Debug, Serialize)]
pub(crate) struct DeviceInfo {
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) index: usize,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) available: bool,
    /// Why not, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<&'static str>,
}

/// The CPU and every GPU; a line saying why where there is no GPU.
pub(crate) fn list() -> Vec<DeviceInfo> {
    let built = cfg!(feature = "cpu");
    let cpu = DeviceInfo {
        name: proc_field("/proc/cpuinfo", "model name")
            .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
        kind: "cpu",
        index: 0,
        memory_bytes: total_memory(),
        available: built,
        reason: (!built).then_some("this sae was built without the cpu feature"),
    };
    let mut devices = vec![cpu];
    let gpus = cuda_count();
    devices.extend((0..gpus).map(|index| {
        let (name, memory_bytes) = gpu(index);
        DeviceInfo {
            name: name.unwrap_or_else(|| format!("CUDA device {index}")),
            kind: "cuda",
            index,
            memory_bytes,
            available: true,
            reason: None,
        }
    }));
    if gpus == 0 {
        let reason = if cfg!(feature = "cuda") {
            "no CUDA device or driver was found"
        } else {
            "this sae was built without the cuda feature"
        };
        devices.push(DeviceInfo {
            name: "CUDA".to_owned(),
            kind: "cuda",
            index: 0,
            memory_bytes: None,
            available: false,
            reason: Some(reason),
        });
    }
    devices
}

/// The driver's name of a GPU, and its memory in bytes.
#[cfg(feature = "cuda")]
fn gpu(index: usize) -> (Option<String>, Option<u64>) {
    use cudarc::driver::result::device;
    let Some(gpu) = i32::try_from(index).ok().and_then(|i| device::get(i).ok()) else {
        return (None, None);
    };
    // SAFETY: the handle is one that the driver has just given out.
    let bytes = unsafe { device::total_mem(gpu) };
    (device::get_name(gpu).ok(), bytes.ok().map(|n| n as u64))
}

#[cfg(not(feature = "cuda"))]
fn gpu(_: usize) -> (Option<String>, Option<u64>) {
    (None, None)
}

fn total_memory() -> Option<u64> {
    let line = proc_field("/proc/meminfo", "MemTotal")?;
    line.trim_end_matches("kB")
        .trim()
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

/// The value of the first `field : value` line of a file; `None` on systems without it.
fn proc_field(file: &str, field: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .find(|(name, _)| name.trim() == field)
        .map(|(_, value)| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::DeviceChoice::{self, Auto, Cpu, Cuda};

    #[test]
    fn devices_are_named() {
        let parsed = ["auto", "cpu", "cuda", "cuda:3"].map(str::parse::<DeviceChoice>);
        assert_eq!(parsed, [Ok(Auto), Ok(Cpu), Ok(Cuda(0)), Ok(Cuda(3))]);
        for wrong in ["gpu", "cuda:", "cuda:-1", "cuda0", "CPU"] {
            let message = wrong.parse::<DeviceChoice>().expect_err(wrong);
            assert_eq!(
                message,
                format!("{wrong:?} is none of auto, cpu, cuda, cuda:N")
            );
        }
    }
}
