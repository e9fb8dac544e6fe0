//! Vulkan and Metal: both are reached through wgpu, each on its own systems.

#[cfg(feature = "wgpu")]
mod list;
#[cfg(feature = "wgpu")]
mod memory;
#[cfg(feature = "wgpu")]
mod open;

#[cfg(feature = "wgpu")]
pub(crate) use {list::adapters, open::open};

/// This build cannot ask.
#[cfg(not(feature = "wgpu"))]
pub(crate) fn adapters() -> Vec<crate::adapter::Adapter> {
    Vec::new()
}

/// This build cannot open one.
#[cfg(not(feature = "wgpu"))]
pub(crate) fn open(_: usize) -> Result<crate::adapter::Opened, String> {
    Err("this build has neither Vulkan nor Metal".to_owned())
}
