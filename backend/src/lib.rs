#![doc = include_str!("../README.md")]

mod adapter;
mod cgroup;
mod choice;
mod compute;
mod cuda;
mod dtype;
mod error;
mod host;
mod kernels;
mod kind;
mod list;
mod memory;
mod self_check;
mod size;
mod wgpu;

pub use burn;
pub use choice::{DeviceChoice, ParseDeviceError};
pub use compute::ComputeDevice;
pub use dtype::Dtype;
pub use error::DeviceError;
pub use host::{has_bf16_products, is_cpu, is_host};
pub use kind::DeviceKind;
pub use list::{DeviceInfo, devices};
pub use memory::{Memory, available_memory, total_memory};
pub use self_check::{Deviation, deviations};
pub use size::{ParseSizeError, format_bytes, parse_bytes};
