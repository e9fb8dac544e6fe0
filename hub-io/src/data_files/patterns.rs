//! The patterns of a README.

use glob::{MatchOptions, Pattern};

use super::DataFilesError;
use super::readme::Patterns;
use crate::HubFile;

/// As Python's `fsspec`: `*` stays in its directory, `**` does not.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The files that the patterns match below `prefix`, each once.
pub(super) fn find(
    config: &str,
    prefix: &str,
    patterns: &Patterns,
    data: &[&HubFile],
) -> Result<Vec<HubFile>, DataFilesError> {
    let mut found: Vec<HubFile> = Vec::new();
    let mut taken = std::collections::HashSet::new();
    for text in patterns.as_slice() {
        let wrong = |reason: String| DataFilesError::Pattern {
            config: config.to_owned(),
            pattern: text.clone(),
            reason,
        };
        if text.contains("://") || text.split('/').any(|s| s == "..") {
            return Err(wrong(
                "only files of the repository itself are known".to_owned(),
            ));
        }
        let below = format!("{prefix}{}", text.trim_start_matches("./"));
        let mut matched = false;
        let pattern = below
            .contains(['*', '?', '['])
            .then(|| Pattern::new(&below).map_err(|error| wrong(error.to_string())))
            .transpose()?;
        for file in data {
            let fits = match &pattern {
                Some(pattern) => pattern.matches_with(&file.path, OPTIONS),
                None => file.path == below,
            };
            if fits {
                matched = true;
                if taken.insert(file.path.as_str()) {
                    found.push((*file).clone());
                }
            }
        }
        if !matched {
            return Err(wrong("no file of the repository matches".to_owned()));
        }
    }
    Ok(found)
}
