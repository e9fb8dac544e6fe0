//! A device as the user names it.

use crate::DeviceKind;
use std::fmt;
use std::str::FromStr;

/// `auto`, `cpu`, or a kind of accelerator with or without a number: `cuda`, `vulkan:1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceChoice {
    /// The first accelerator there is, else the CPU.
    Auto,
    /// This one: a kind and an index, which is 0 for the CPU.
    Device(DeviceKind, usize),
}

/// Text that names no device.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a device; expected auto, cpu{}", accelerators())]
#[non_exhaustive]
pub struct ParseDeviceError {
    text: String,
}

fn accelerators() -> String {
    let names = DeviceKind::ACCELERATORS.iter().map(|kind| kind.name());
    names.fold(String::new(), |list, name| {
        list + ", " + name + ", " + name + ":N"
    })
}

impl FromStr for DeviceChoice {
    type Err = ParseDeviceError;

    fn from_str(text: &str) -> Result<Self, ParseDeviceError> {
        let unknown = || ParseDeviceError {
            text: text.to_owned(),
        };
        match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Device(DeviceKind::Cpu, 0)),
            _ => {}
        }
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, index.parse().map_err(|_| unknown())?),
            None => (text, 0),
        };
        let kinds = DeviceKind::ACCELERATORS.iter();
        let kind = kinds.copied().find(|kind| kind.name() == name);
        Ok(Self::Device(kind.ok_or_else(unknown)?, index))
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Device(DeviceKind::Cpu, _) => f.write_str("cpu"),
            Self::Device(kind, index) => write!(f, "{}:{index}", kind.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::DeviceChoice::{self, Auto, Device};
    use crate::DeviceKind::{Cpu, Cuda, Metal, Vulkan};

    #[test]
    fn devices_are_named() {
        for (text, choice) in [
            ("auto", Auto),
            ("cpu", Device(Cpu, 0)),
            ("cuda", Device(Cuda, 0)),
            ("cuda:3", Device(Cuda, 3)),
            ("vulkan", Device(Vulkan, 0)),
            ("vulkan:2", Device(Vulkan, 2)),
            ("metal:0", Device(Metal, 0)),
        ] {
            assert_eq!(text.parse(), Ok(choice));
        }
        assert_eq!(Device(Cuda, 3).to_string(), "cuda:3");
        for wrong in [
            "gpu", "wgpu", "cuda:", "cuda:-1", "vulkan:x", "cuda0", "CPU", "cpu:0",
        ] {
            let message = wrong.parse::<DeviceChoice>().expect_err(wrong).to_string();
            assert_eq!(
                message,
                format!(
                    "{wrong:?} is not a device; expected auto, cpu, cuda, cuda:N, metal, metal:N, vulkan, vulkan:N"
                )
            );
        }
    }
}
