//! The kinds of devices: one table, from which everything else follows.

use crate::cuda;
use burn::tensor::{Device, FloatDType};
use serde::Serialize;

/// Name and memory of one accelerator, where they are known.
#[derive(Debug, Clone, Default)]
pub(crate) struct Description {
    /// Its name, as the driver has it.
    pub(crate) name: Option<String>,
    /// Its total memory, in bytes.
    pub(crate) memory_bytes: Option<u64>,
}

/// Declares the accelerators. Each is named by its cargo feature, by burn's `DeviceType` and by `--device`.
macro_rules! accelerators {
    ($($kind:ident $feature:tt: $title:literal, device $device:expr, dtype $dtype:ident, describe $describe:path, check $check:literal;)+) => {
        /// A kind of device that burn computes on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        #[serde(rename_all = "lowercase")]
        #[non_exhaustive]
        pub enum DeviceKind {
            /// The processor, through burn's `flex` backend.
            Cpu,
            $(#[doc = $title] $kind,)+
        }

        impl DeviceKind {
            /// Every accelerator, the preferred one first.
            pub const ACCELERATORS: &[Self] = &[$(Self::$kind),+];

            /// The name on the command line, and of the cargo feature: `cpu`, `cuda`.
            pub fn name(self) -> &'static str {
                match self {
                    Self::Cpu => "cpu",
                    $(Self::$kind => $feature,)+
                }
            }

            /// The name in sentences: `CPU`, `CUDA`.
            pub fn title(self) -> &'static str {
                match self {
                    Self::Cpu => "CPU",
                    $(Self::$kind => $title,)+
                }
            }

            /// Whether this build can use it.
            pub fn is_built(self) -> bool {
                match self {
                    Self::Cpu => cfg!(feature = "cpu"),
                    $(Self::$kind => cfg!(feature = $feature),)+
                }
            }

            /// How many devices of this kind there are that this build can use.
            pub fn count(self) -> usize {
                match self {
                    Self::Cpu => usize::from(cfg!(feature = "cpu")),
                    $(
                        #[cfg(feature = $feature)]
                        Self::$kind => Device::enumerate(burn::tensor::DeviceType::$kind).iter().count(),
                        #[cfg(not(feature = $feature))]
                        Self::$kind => 0,
                    )+
                }
            }

            /// One of them, by its index; `None` if the build has no such kind.
            pub(crate) fn device(self, index: usize) -> Option<Device> {
                match self {
                    #[cfg(feature = "cpu")]
                    Self::Cpu => { let _ = index; Some(Device::flex()) }
                    #[cfg(not(feature = "cpu"))]
                    Self::Cpu => { let _ = index; None }
                    $(
                        #[cfg(feature = $feature)]
                        Self::$kind => Some($device(index)),
                        #[cfg(not(feature = $feature))]
                        Self::$kind => None,
                    )+
                }
            }

            /// The dtype of models on it when none is asked for.
            pub fn default_dtype(self) -> FloatDType {
                match self {
                    Self::Cpu => FloatDType::F32,
                    $(Self::$kind => FloatDType::$dtype,)+
                }
            }

            /// Name and memory of one of them.
            pub(crate) fn describe(self, index: usize) -> Description {
                match self {
                    Self::Cpu => Description::default(),
                    $(Self::$kind => $describe(index),)+
                }
            }

            /// How to find out why there is none.
            pub(crate) fn check(self) -> &'static str {
                match self {
                    Self::Cpu => "",
                    $(Self::$kind => $check,)+
                }
            }
        }
    };
}

accelerators! {
    Cuda "cuda": "CUDA", device Device::cuda, dtype BF16, describe cuda::describe,
        check "is the NVIDIA driver installed (does `nvidia-smi` list a GPU)?";
}
