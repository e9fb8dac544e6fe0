//! A model in a directory.

use super::{ModelFiles, ModelSourceError, index};
use std::path::{Path, PathBuf};

pub(super) const CONFIG: &str = "config.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

pub(super) fn resolve(dir: &Path) -> Result<ModelFiles, ModelSourceError> {
    let find = |name: &str| Some(dir.join(name)).filter(|path| path.is_file());
    let missing = |name: &str, hint: &str| ModelSourceError::Missing {
        dir: dir.to_owned(),
        name: name.to_owned(),
        hint: hint.to_owned(),
    };
    let other = if dir.join(CONFIG).exists() {
        "; what has that name is not a file"
    } else {
        ""
    };
    let config = find(CONFIG).ok_or_else(|| missing(CONFIG, other))?;
    let weights = if let Some(weights) = find(WEIGHTS) {
        vec![weights]
    } else {
        let index = find(INDEX).ok_or_else(|| missing(WEIGHTS, other_weights(dir)))?;
        let shard =
            |name: String| find(&name).ok_or_else(|| missing(&name, "; the index names it"));
        index::shards(&index)?
            .into_iter()
            .map(shard)
            .collect::<Result<_, _>>()?
    };
    Ok(ModelFiles {
        config,
        weights,
        tokenizer: tokenizer(dir),
    })
}

pub(super) fn tokenizer(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(TOKENIZER)).filter(|path| path.is_file())
}

fn other_weights(dir: &Path) -> &'static str {
    let has = |name: &str| dir.join(name).exists();
    if has("pytorch_model.bin") || has("pytorch_model.bin.index.json") {
        "; pytorch_model.bin is not read: save the model with safe_serialization=True"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;
    use std::fs::write;

    #[test]
    fn a_single_file_goes_before_an_index() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "config.json",
            "model.safetensors",
            "model.safetensors.index.json",
            "tokenizer.json",
        ] {
            write(dir.path().join(name), "").unwrap();
        }
        let files = resolve(dir.path()).unwrap();
        assert_eq!(files.weights, [dir.path().join("model.safetensors")]);
        assert_eq!(files.tokenizer, Some(dir.path().join("tokenizer.json")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let message = |dir: &std::path::Path| {
            resolve(dir)
                .unwrap_err()
                .to_string()
                .split_once(": ")
                .unwrap()
                .1
                .to_owned()
        };
        let layout = "a model's directory has config.json and model.safetensors, or model.safetensors.index.json and its shards";
        assert_eq!(
            message(dir.path()),
            format!("there is no config.json; {layout}")
        );
        write(dir.path().join("config.json"), "{}").unwrap();
        assert_eq!(
            message(dir.path()),
            format!("there is no model.safetensors; {layout}")
        );
        write(dir.path().join("pytorch_model.bin"), "").unwrap();
        let hint = "pytorch_model.bin is not read: save the model with safe_serialization=True";
        assert_eq!(
            message(dir.path()),
            format!("there is no model.safetensors; {layout}; {hint}")
        );
        write(
            dir.path().join("model.safetensors.index.json"),
            r#"{"weight_map": {"a": "model-1.safetensors"}}"#,
        )
        .unwrap();
        assert_eq!(
            message(dir.path()),
            format!("there is no model-1.safetensors; {layout}; the index names it")
        );
    }
}
