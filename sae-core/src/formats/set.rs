//! The layers of a set of transcoders.

use super::circuit_tracer::{layers, yaml};
use std::path::{Path, PathBuf};

/// The files of circuit-tracer's set of transcoders, one for each layer in order, each of which is an SAE by itself; none if the folder is no such set.
pub fn layers_of_set(folder: &Path) -> Option<Vec<PathBuf>> {
    let keys = yaml(&folder.join("config.yaml")).ok()?;
    let kind = keys.optional_text("model_kind").ok()?;
    let layers = layers(folder);
    let is_set = kind.unwrap_or("transcoder_set") == "transcoder_set" && !layers.is_empty();
    let file = |layer| folder.join(format!("layer_{layer}.safetensors"));
    is_set.then(|| layers.into_iter().map(file).collect())
}
