//! Autoencoders: SAELens' and other people's.

use crate::scratch::{self, files, folder as scratch_folder};
use burn::tensor::Device;
use sae_core::{RunDir, Sae, SaeConfig, SaeLoadOptions};
use std::path::Path;

/// Values of the widest autoencoder that is loaded: a configuration alone may ask for any size.
const MOST_PARAMS: u64 = 1 << 16;

pub(crate) fn config(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data)
        && let Ok(config) = SaeConfig::from_json(text, Path::new("cfg.json"))
    {
        std::hint::black_box(config.to_json());
    }
}

/// What `sae` does with a folder: describes it, and loads the weights.
fn open(path: &Path) {
    let _ = RunDir::describe(path);
    let Ok(run) = RunDir::open(path) else { return };
    std::hint::black_box((run.files(), run.mean_log_sparsity(), run.dead_fraction()));
    if run.n_params().is_ok_and(|n| n <= MOST_PARAMS) {
        let options = SaeLoadOptions::new(&Device::flex());
        std::hint::black_box(Sae::load(path, &options).is_ok());
    }
}

/// `sae_weights.safetensors` of a small SAE.
pub(crate) fn weights(data: &[u8]) {
    let path = scratch::file("weights.safetensors", data);
    let config = SaeConfig::new(sae_core::Architecture::Standard, 4, 8);
    let options = SaeLoadOptions::new(&Device::flex());
    std::hint::black_box(Sae::load_weights(config, &path, &options).is_ok());
}

/// `cfg.json`, the weights, then the sparsity.
pub(crate) fn folder(data: &[u8]) {
    open(&files(
        "run",
        &[
            "cfg.json",
            "sae_weights.safetensors",
            "sparsity.safetensors",
        ],
        data,
    ));
}

/// The pickle of `dictionary_learning`, then its configuration.
pub(crate) fn pickle(data: &[u8]) {
    open(&files("pickle", &["ae.pt", "config.json"], data));
    open(&scratch_folder().join("pickle").join("ae.pt"));
}

/// The archive of Gemma Scope.
pub(crate) fn npz(data: &[u8]) {
    open(&files("npz", &["params.npz"], data));
}
