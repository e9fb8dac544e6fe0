//! How much memory there is.

use crate::{cgroup, format_bytes};
use std::fmt;
use sysinfo::{MemoryRefreshKind, System};

/// An amount of memory that a run may take, and where the figure comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// Bytes; `u64::MAX` where there is no figure.
    pub bytes: u64,
    /// Where the figure comes from, for messages.
    pub from: String,
}

impl Memory {
    /// So many bytes, as `from` says.
    pub fn new(bytes: u64, from: impl Into<String>) -> Self {
        Self {
            bytes,
            from: from.into(),
        }
    }

    /// No known limit.
    pub fn unknown() -> Self {
        Self::new(u64::MAX, "this system does not say")
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes == u64::MAX {
            return write!(f, "unknown ({})", self.from);
        }
        write!(f, "{} ({})", format_bytes(self.bytes), self.from)
    }
}

/// Bytes of host memory available without swapping, within the limits of every control group (container) the process is in.
pub fn available_memory() -> Option<u64> {
    let bytes = read(System::available_memory)?;
    Some(bytes.min(cgroup::available().unwrap_or(u64::MAX)))
}

/// All memory of the host, in bytes.
pub fn total_memory() -> Option<u64> {
    read(System::total_memory)
}

fn read(figure: impl Fn(&System) -> u64) -> Option<u64> {
    let mut system = System::new();
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    Some(figure(&system)).filter(|&bytes| bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::{Memory, available_memory, total_memory};

    #[test]
    fn what_is_available_is_not_more_than_there_is() {
        let (available, total) = (available_memory().unwrap(), total_memory().unwrap());
        assert!(
            available > 0 && available <= total,
            "{available} of {total}"
        );
    }

    #[test]
    fn memory_says_where_its_figure_comes_from() {
        assert_eq!(
            Memory::new(3 << 29, "a test").to_string(),
            "1.50 GiB (a test)"
        );
        assert_eq!(
            Memory::unknown().to_string(),
            "unknown (this system does not say)"
        );
    }
}
