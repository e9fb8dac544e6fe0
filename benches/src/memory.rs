//! The memory of this process, from Linux; 0 elsewhere.

/// The most that was resident so far, in MiB.
pub fn peak_mb() -> u64 {
    status("VmHWM:")
}

/// Resident memory now, in MiB.
pub fn resident_mb() -> u64 {
    status("VmRSS:")
}

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = found.and_then(|kib| kib.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
}
