//! Settings of training.

use crate::scratch;
use sae_train::RunConfig;

pub(crate) fn config(data: &[u8]) {
    if let Ok((config, _)) = RunConfig::read(scratch::file("train.json", data)) {
        std::hint::black_box(config.to_json());
    }
}

pub(crate) fn toml(data: &[u8]) {
    if let Ok((config, _)) = RunConfig::read(scratch::file("train.toml", data)) {
        std::hint::black_box(config.to_json());
    }
}
