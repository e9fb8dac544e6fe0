//! Kernels of GPUs that were compiled and compared once, kept for the next run.

/// Has burn keep compiled kernels beside what it finds of their speed, both in the user's cache directory (`cubecl` in it). A `cubecl.toml`
/// here or above, and cubecl's environment variables, may say otherwise. Only the first call counts, and only before a device is opened.
#[cfg(any(feature = "cuda", feature = "wgpu"))]
pub(crate) fn keep() {
    use cubecl::config::cache::CacheConfig;
    use cubecl::config::{CubeClRuntimeConfig, RuntimeConfig};
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let mut config = CubeClRuntimeConfig::from_current_dir().override_from_env();
        config.compilation.cache = true;
        // Else they would lie in `target` of whatever Rust project the program is started in.
        if matches!(config.environment.path, CacheConfig::Target) {
            config.environment.path = CacheConfig::Global;
        }
        CubeClRuntimeConfig::try_set(config);
    });
}

/// This build compiles none.
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
pub(crate) fn keep() {}
