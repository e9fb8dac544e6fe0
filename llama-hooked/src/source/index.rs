//! `model.safetensors.index.json`: which tensors are in which file.

use super::ModelSourceError;
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
pub(super) fn shards(path: &Path) -> Result<Vec<String>, ModelSourceError> {
    let fail = |reason: String| ModelSourceError::Index {
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

#[cfg(test)]
mod tests {
    use super::shards;

    fn message(text: &str) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("model.safetensors.index.json");
        std::fs::write(&path, text).unwrap();
        let message = shards(&path).unwrap_err().to_string();
        message
            .strip_prefix(&format!("{}: ", path.display()))
            .unwrap()
            .to_owned()
    }

    #[test]
    fn shards_are_listed_once_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index.json");
        let text = r#"{"metadata": {}, "weight_map": {"a": "m-2.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors"}}"#;
        std::fs::write(&path, text).unwrap();
        assert_eq!(
            shards(&path).unwrap(),
            ["m-1.safetensors", "m-2.safetensors"]
        );
    }

    #[test]
    fn shards_stay_in_the_directory() {
        for name in [
            "../m.safetensors",
            "/etc/m.safetensors",
            "a/m.safetensors",
            "./m.safetensors",
            "m.safetensors/",
            "m.bin",
            "..",
            "",
        ] {
            let text = format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#);
            let expected = format!(
                "names the file {name:?}; expected the name of a .safetensors file in the same directory"
            );
            assert_eq!(message(&text), expected);
        }
        assert!(
            message(r#"{"weight_map": {"a": "..\\m.safetensors"}}"#).starts_with("names the file")
        );
    }

    #[test]
    fn other_files_are_refused() {
        assert_eq!(message(r#"{"weight_map": {}}"#), "its weight_map is empty");
        assert_eq!(
            message("{}"),
            "is not an index of weights: missing field `weight_map` at line 1 column 2"
        );
        assert_eq!(
            message("{"),
            "is not an index of weights: EOF while parsing an object at line 1 column 1"
        );
    }
}
