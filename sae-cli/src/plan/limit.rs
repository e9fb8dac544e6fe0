//! How much memory there is.

use super::{Bytes, MemoryArgs};
use crate::device::Chosen;

/// The memory a run may take, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) bytes: u64,
    pub(crate) from: String,
}

/// What a GPU's driver and context take.
const DRIVER: u64 = 1 << 30;

impl Limit {
    /// What `--memory` says, else what the device has: of the host, what is free; of a GPU, all but what the driver takes.
    pub(crate) fn new(args: &MemoryArgs, on: &Chosen) -> Self {
        if let Some(Bytes(bytes)) = args.memory {
            return Self {
                bytes,
                from: "--memory".to_owned(),
            };
        }
        let (bytes, from) = if on.on_host() {
            (free(), "free memory of this machine")
        } else {
            let all = on.memory_bytes();
            (
                all.map(|bytes| bytes.saturating_sub(DRIVER)),
                "memory of the GPU, less 1 GiB for its driver",
            )
        };
        bytes.map_or_else(
            || Self {
                bytes: u64::MAX,
                from: "this system does not say".to_owned(),
            },
            |bytes| Self {
                bytes,
                from: from.to_owned(),
            },
        )
    }
}

/// Bytes of host memory that can be had without swapping, and within the limit of a container.
fn free() -> Option<u64> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some((kib * 1024).min(container().unwrap_or(u64::MAX)))
}

/// What is left of a container's memory (cgroup 2), where there is a limit.
fn container() -> Option<u64> {
    let read = |name: &str| -> Option<u64> {
        let text = std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?;
        text.trim().parse().ok()
    };
    Some(read("memory.max")?.saturating_sub(read("memory.current")?))
}
