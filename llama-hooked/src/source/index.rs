//! `model.safetensors.index.json`: which tensors are in which file.

use super::SourceError;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

/// Index files list one line per tensor; the largest published are a few megabytes.
const MAX_INDEX_BYTES: u64 = 64 << 20;

#[derive(Deserialize)]
struct Index {
    weight_map: BTreeMap<String, String>,
}

/// The names of the shards, each once, in order.
///
/// They come from a file that anyone may have written, so they must be plain names: nothing that leaves the directory.
pub(super) fn shards(path: &Path) -> Result<Vec<String>, SourceError> {
    let fail = |reason: String| SourceError::Index {
        path: path.to_owned(),
        reason,
    };
    let bytes = std::fs::metadata(path)
        .map_err(|e| fail(format!("cannot be read: {e}")))?
        .len();
    if bytes > MAX_INDEX_BYTES {
        return Err(fail(format!(
            "is {bytes} bytes long, more than the {MAX_INDEX_BYTES} that an index may have"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| fail(format!("cannot be read: {e}")))?;
    let index: Index = serde_json::from_str(&text)
        .map_err(|e| fail(format!("is not an index of weights: {e}")))?;
    let shards: BTreeSet<String> = index.weight_map.into_values().collect();
    if shards.is_empty() {
        return Err(fail("its weight_map is empty".to_owned()));
    }
    for shard in &shards {
        let plain = matches!(Path::new(shard).components().collect::<Vec<_>>()[..], [Component::Normal(name)] if name == shard.as_str());
        if !plain || shard.contains('\\') || !shard.ends_with(".safetensors") {
            return Err(fail(format!(
                "names the file {shard:?}; expected the name of a .safetensors file in the same directory"
            )));
        }
    }
    Ok(shards.into_iter().collect())
}
