//! The kinds of devices: one table, from which everything else follows.

use crate::adapter::{Adapter, Opened};
use crate::{cuda, host, wgpu};
use burn::tensor::FloatDType;
use serde::Serialize;

/// A kind of device that burn computes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum DeviceKind {
    /// The processor, through burn's `flex` backend.
    Cpu,
    /// NVIDIA's GPUs, through CUDA.
    Cuda,
    /// Apple's GPUs, through Metal, on macOS.
    Metal,
    /// Any GPU with a Vulkan driver, elsewhere than on macOS.
    Vulkan,
}

/// What there is to know of a kind.
struct Row {
    /// On the command line.
    name: &'static str,
    /// In sentences.
    title: &'static str,
    /// The cargo feature that brings it.
    feature: &'static str,
    /// Whether this build has it.
    built: bool,
    /// Where it exists at all, if that is not here.
    elsewhere: Option<&'static str>,
    /// The dtype of models on it when none is asked for.
    dtype: FloatDType,
    /// Whether its devices show that they compute rightly before they are used.
    checked: bool,
    /// The devices there are, in the order of their numbers; quickly, and none where this build cannot use them.
    adapters: fn() -> Vec<Adapter>,
    /// Makes one of them ready, or says why it cannot be.
    open: fn(usize) -> Result<Opened, String>,
    /// How to find out why there is none.
    check: &'static str,
}

const CPU: Row = Row {
    name: "cpu",
    title: "CPU",
    feature: "cpu",
    built: cfg!(feature = "cpu"),
    elsewhere: None,
    dtype: FloatDType::F32,
    checked: false,
    adapters: host::adapters,
    open: host::open,
    check: "",
};

const CUDA: Row = Row {
    name: "cuda",
    title: "CUDA",
    feature: "cuda",
    built: cfg!(feature = "cuda"),
    elsewhere: None,
    dtype: FloatDType::BF16,
    checked: false,
    adapters: cuda::adapters,
    open: cuda::open,
    check: "is the NVIDIA driver installed (does `nvidia-smi` list a GPU)?",
};

const METAL: Row = Row {
    name: "metal",
    title: "Metal",
    feature: "wgpu",
    built: cfg!(all(feature = "wgpu", target_os = "macos")),
    elsewhere: if cfg!(target_os = "macos") {
        None
    } else {
        Some("on macOS only")
    },
    dtype: FloatDType::F32,
    checked: true,
    adapters: wgpu::adapters,
    open: wgpu::open,
    check: "does the system's report name a GPU that has Metal?",
};

const VULKAN: Row = Row {
    name: "vulkan",
    title: "Vulkan",
    feature: "wgpu",
    built: cfg!(all(feature = "wgpu", not(target_os = "macos"))),
    elsewhere: if cfg!(target_os = "macos") {
        Some("elsewhere than on macOS, which has Metal")
    } else {
        None
    },
    dtype: FloatDType::F32,
    checked: true,
    adapters: wgpu::adapters,
    open: wgpu::open,
    check: "are the Vulkan loader and the GPU's driver installed (does `vulkaninfo --summary` list it)?",
};

impl DeviceKind {
    /// Every accelerator, the preferred one first.
    pub const ACCELERATORS: &[Self] = &[Self::Cuda, Self::Metal, Self::Vulkan];

    fn row(self) -> &'static Row {
        match self {
            Self::Cpu => &CPU,
            Self::Cuda => &CUDA,
            Self::Metal => &METAL,
            Self::Vulkan => &VULKAN,
        }
    }

    /// The name on the command line: `cpu`, `cuda`.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The name in sentences: `CPU`, `CUDA`.
    pub fn title(self) -> &'static str {
        self.row().title
    }

    /// The cargo feature that brings it: `cuda`, `wgpu`.
    pub fn feature(self) -> &'static str {
        self.row().feature
    }

    /// Whether this build can use it.
    pub fn is_built(self) -> bool {
        self.row().built
    }

    /// Where this kind exists, if it does not on this system: `on macOS only`.
    pub fn elsewhere(self) -> Option<&'static str> {
        self.row().elsewhere
    }

    /// How many devices of this kind there are that this build can use.
    pub fn count(self) -> usize {
        self.adapters().len()
    }

    /// The dtype of models on it when none is asked for.
    pub fn default_dtype(self) -> FloatDType {
        self.row().dtype
    }

    /// Whether its devices show that they compute rightly before they are used.
    pub(crate) fn is_checked(self) -> bool {
        self.row().checked
    }

    /// The devices of this kind that this build can use, in the order of their numbers.
    pub(crate) fn adapters(self) -> Vec<Adapter> {
        if self.is_built() {
            (self.row().adapters)()
        } else {
            Vec::new()
        }
    }

    /// Makes one of them ready.
    ///
    /// # Errors
    /// What its driver says if it cannot be.
    pub(crate) fn open(self, index: usize) -> Result<Opened, String> {
        (self.row().open)(index)
    }

    /// How to find out why there is none.
    pub(crate) fn check(self) -> &'static str {
        self.row().check
    }
}
