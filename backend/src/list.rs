//! Every device there is.

use crate::adapter::Adapter;
use crate::{DeviceKind, total_memory};
use serde::Serialize;

/// A device, or why there is none of its kind.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DeviceInfo {
    /// The name that the hardware or its driver gives.
    pub name: String,
    /// Its kind.
    pub kind: DeviceKind,
    /// Which one of its kind.
    pub index: usize,
    /// The driver, its version, and the version of the interface; `None` if unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Its total memory, in bytes; `None` if unknown.
    pub memory_bytes: Option<u64>,
    /// Whether it is a program on the processor that acts as a GPU. Such a device is used only if it is named.
    pub software: bool,
    /// Whether this build can use it.
    pub available: bool,
    /// Why not, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The CPU and every accelerator; for a kind without a device, an entry that says why. Kinds that this system never has are left out.
///
/// Nothing is computed: whether a device computes rightly shows when it is [chosen](crate::ComputeDevice::choose).
pub fn devices() -> Vec<DeviceInfo> {
    let mut devices = vec![cpu()];
    let here = DeviceKind::ACCELERATORS
        .iter()
        .filter(|kind| kind.elsewhere().is_none());
    for &kind in here {
        let found = kind.adapters();
        if found.is_empty() {
            devices.push(missing(kind));
        }
        let numbered = found.into_iter().enumerate();
        devices.extend(numbered.map(|(index, adapter)| accelerator(kind, index, adapter)));
    }
    devices
}

fn cpu() -> DeviceInfo {
    let available = DeviceKind::Cpu.is_built();
    DeviceInfo {
        name: crate::host::name(),
        kind: DeviceKind::Cpu,
        index: 0,
        driver: None,
        memory_bytes: total_memory(),
        software: false,
        available,
        reason: (!available).then(|| not_built(DeviceKind::Cpu)),
    }
}

fn accelerator(kind: DeviceKind, index: usize, found: Adapter) -> DeviceInfo {
    DeviceInfo {
        software: found.is_software(),
        name: found
            .name
            .unwrap_or_else(|| format!("{} device {index}", kind.title())),
        kind,
        index,
        driver: found.driver,
        memory_bytes: found.memory_bytes,
        available: true,
        reason: None,
    }
}

fn missing(kind: DeviceKind) -> DeviceInfo {
    let reason = if kind.is_built() {
        format!("no {} device or driver was found", kind.title())
    } else {
        not_built(kind)
    };
    DeviceInfo {
        name: kind.title().to_owned(),
        kind,
        index: 0,
        driver: None,
        memory_bytes: None,
        software: false,
        available: false,
        reason: Some(reason),
    }
}

fn not_built(kind: DeviceKind) -> String {
    format!("this build lacks the {} feature", kind.feature())
}

#[cfg(test)]
mod tests {
    use super::devices;
    use crate::DeviceKind;

    #[test]
    fn every_kind_is_listed_with_a_device_or_a_reason() {
        let found = devices();
        assert_eq!(found[0].kind, DeviceKind::Cpu);
        assert!(!found[0].name.is_empty());
        for kind in DeviceKind::ACCELERATORS {
            let listed = found.iter().any(|device| device.kind == *kind);
            assert_eq!(listed, kind.elsewhere().is_none(), "{kind:?}");
        }
        for device in &found {
            assert_eq!(device.available, device.reason.is_none(), "{device:?}");
        }
    }
}
