//! Environment variables.

use std::sync::OnceLock;

/// What the double was told.
#[derive(Debug)]
pub(crate) struct Settings {
    /// `CUDA_DOUBLE_ARCH`: compute capability times ten; 90 if not given, an H100's.
    pub(crate) arch: i32,
    /// `CUDA_DOUBLE_MEMORY`: bytes on the device; an H100's 79.6 GiB if not given.
    pub(crate) memory: u64,
    /// `CUDA_DOUBLE_REPORT`: where the counts are written when the process ends, as JSON.
    pub(crate) report: Option<String>,
    /// `CUDA_DOUBLE_PTX`: a folder for every kernel's PTX.
    pub(crate) ptx: Option<String>,
    /// `CUDA_DOUBLE_SOURCES`: a folder for the source of every kernel that the double of NVRTC is given.
    pub(crate) sources: Option<String>,
    /// `CUDA_DOUBLE_TRACE`: a file that takes a line for each call.
    pub(crate) trace: Option<String>,
}

pub(crate) fn settings() -> &'static Settings {
    static SETTINGS: OnceLock<Settings> = OnceLock::new();
    SETTINGS.get_or_init(|| {
        let text = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let number = |name: &str| text(name)?.parse().ok();
        Settings {
            arch: number("CUDA_DOUBLE_ARCH").map_or(90, |n| n as i32),
            memory: number("CUDA_DOUBLE_MEMORY").unwrap_or(85_520_809_984),
            report: text("CUDA_DOUBLE_REPORT"),
            ptx: text("CUDA_DOUBLE_PTX"),
            sources: text("CUDA_DOUBLE_SOURCES"),
            trace: text("CUDA_DOUBLE_TRACE"),
        }
    })
}
