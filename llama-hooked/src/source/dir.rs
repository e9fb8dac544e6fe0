//! A model in a directory.

use super::{ModelFiles, SourceError, index};
use std::path::Path;

pub(super) const CONFIG: &str = "config.json";
pub(super) const TOKENIZER: &str = "tokenizer.json";
pub(super) const WEIGHTS: &str = "model.safetensors";
pub(super) const INDEX: &str = "model.safetensors.index.json";

pub(super) fn resolve(dir: &Path) -> Result<ModelFiles, SourceError> {
    let find = |name: &'static str| Some(dir.join(name)).filter(|path| path.is_file());
    let missing = |name| SourceError::Missing {
        dir: dir.to_owned(),
        name,
    };
    let config = find(CONFIG).ok_or_else(|| missing(CONFIG))?;
    let weights = match find(WEIGHTS) {
        Some(weights) => vec![weights],
        None => {
            let index = find(INDEX).ok_or_else(|| missing(WEIGHTS))?;
            index::shards(&index)?
                .into_iter()
                .map(|name| dir.join(name))
                .collect()
        }
    };
    Ok(ModelFiles {
        config,
        weights,
        tokenizer: find(TOKENIZER),
    })
}
