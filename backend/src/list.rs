//! Every device there is.

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
    /// Its total memory, in bytes; `None` if unknown.
    pub memory_bytes: Option<u64>,
    /// Whether this build can use it.
    pub available: bool,
    /// Why not, if it cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The CPU and every accelerator; for a kind without a device, an entry that says why.
pub fn devices() -> Vec<DeviceInfo> {
    let mut devices = vec![cpu()];
    for &kind in DeviceKind::ACCELERATORS {
        let count = kind.count();
        devices.extend((0..count).map(|index| accelerator(kind, index)));
        if count == 0 {
            devices.push(missing(kind));
        }
    }
    devices
}

fn cpu() -> DeviceInfo {
    let available = DeviceKind::Cpu.is_built();
    DeviceInfo {
        name: cpu_name(),
        kind: DeviceKind::Cpu,
        index: 0,
        memory_bytes: total_memory(),
        available,
        reason: (!available).then(|| not_built(DeviceKind::Cpu)),
    }
}

fn accelerator(kind: DeviceKind, index: usize) -> DeviceInfo {
    let found = kind.describe(index);
    DeviceInfo {
        name: found
            .name
            .unwrap_or_else(|| format!("{} device {index}", kind.title())),
        kind,
        index,
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
        memory_bytes: None,
        available: false,
        reason: Some(reason),
    }
}

fn not_built(kind: DeviceKind) -> String {
    format!("this build lacks the {} feature", kind.name())
}

/// The processor's brand, or its architecture where it has none.
fn cpu_name() -> String {
    let refresh = sysinfo::CpuRefreshKind::nothing();
    let system =
        sysinfo::System::new_with_specifics(sysinfo::RefreshKind::nothing().with_cpu(refresh));
    let brand = system
        .cpus()
        .first()
        .map(|cpu| cpu.brand().trim().to_owned());
    brand
        .filter(|brand| !brand.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned())
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
            assert!(found.iter().any(|device| device.kind == *kind));
        }
        for device in &found {
            assert_eq!(device.available, device.reason.is_none(), "{device:?}");
        }
    }
}
