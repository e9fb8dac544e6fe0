//! Splits by the names of files and directories.

use super::{Splits, TRAIN};
use crate::HubFile;

/// The endings of data files; each may have the ending of a compression after it.
pub(super) const ENDINGS: [&str; 10] = [
    ".parquet",
    ".jsonl",
    ".ndjson",
    ".json",
    ".csv",
    ".tsv",
    ".txt",
    ".arrow",
    ".safetensors",
    ".tar",
];
const COMPRESSIONS: [&str; 6] = [".gz", ".zst", ".zstd", ".bz2", ".xz", ".lz4"];

/// Splits and the words for them, in the order in which they are looked for.
const KEYWORDS: [(&str, &[&str]); 3] = [
    (TRAIN, &["train", "training"]),
    ("validation", &["validation", "valid", "dev", "val"]),
    ("test", &["test", "testing", "eval", "evaluation"]),
];

/// Files that describe a data set, hidden ones, and those in hidden directories: never data, even where a pattern matches.
pub(super) fn is_ignored(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.split('/')
        .any(|s| s.starts_with('.') || s.starts_with("__"))
        || matches!(
            name,
            "README.md" | "config.json" | "dataset_dict.json" | "dummy_data.zip"
        )
        || (name.starts_with("dataset_info") && name.strip_suffix(".json").is_some())
}

/// Has a data ending, and is not a text about the repository.
fn is_data(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let plain = COMPRESSIONS
        .iter()
        .find_map(|c| name.strip_suffix(c))
        .unwrap_or(name);
    ENDINGS.iter().any(|ending| plain.ends_with(ending))
        && !matches!(plain, "README.txt" | "LICENSE.txt" | "requirements.txt")
}

/// The splits below `prefix`, a directory with its `/`, by the first rule that finds a file.
pub(super) fn splits(data: &[&HubFile], prefix: &str) -> Splits {
    let data: Vec<_> = data
        .iter()
        .filter_map(|file| Some((file.path.strip_prefix(prefix)?, *file)))
        .filter(|(path, _)| is_data(path))
        .collect();
    let by_keyword = |part: fn(&str) -> &str, is_dir: bool| {
        let mut splits = Splits::new();
        for (split, keywords) in KEYWORDS {
            let fits = |path: &str| {
                let mut names = part(path).split('/');
                names.any(|name| keywords.iter().any(|k| has_word(name, k, is_dir)))
            };
            let files: Vec<_> = data
                .iter()
                .filter(|(path, _)| fits(path))
                .map(|(_, f)| (*f).clone())
                .collect();
            if !files.is_empty() {
                splits.push((split.to_owned(), files));
            }
        }
        splits
    };
    let mut found = sharded(&data);
    if found.is_empty() {
        found = by_keyword(|path| path.rsplit('/').next().unwrap_or(path), false);
    }
    if found.is_empty() {
        found = by_keyword(
            |path| path.rsplit_once('/').map_or("", |(dirs, _)| dirs),
            true,
        );
    }
    if found.is_empty() && !data.is_empty() {
        let all = data.iter().map(|(_, file)| (*file).clone());
        found.push((TRAIN.to_owned(), all.collect()));
    }
    found
}

/// `data/{split}-NNNNN-of-NNNNN*`, in the order of [`KEYWORDS`], others after them by name.
fn sharded(data: &[(&str, &HubFile)]) -> Splits {
    let mut splits = Splits::new();
    for (path, file) in data {
        let Some(split) = path.strip_prefix("data/").and_then(split_of_shard) else {
            continue;
        };
        match splits.iter_mut().find(|(name, _)| name == split) {
            Some((_, files)) => files.push((*file).clone()),
            None => splits.push((split.to_owned(), vec![(*file).clone()])),
        }
    }
    let rank = |name: &str| KEYWORDS.iter().position(|(split, _)| *split == name);
    splits.sort_by_key(|(name, _)| rank(name).unwrap_or(KEYWORDS.len()));
    splits
}

/// The split of `{split}-NNNNN-of-NNNNN*.*`.
fn split_of_shard(name: &str) -> Option<&str> {
    let digits = |text: &str| text.len() == 5 && text.bytes().all(|b| b.is_ascii_digit());
    name.match_indices("-of-").find_map(|(at, of)| {
        let count = name.get(at + of.len()..at + of.len() + 5)?;
        let rest = &name[at + of.len() + 5..];
        let (split, number) = name[..at].rsplit_once('-')?;
        let is_name = !split.is_empty()
            && split
                .chars()
                .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.'));
        (digits(count) && digits(number) && is_name && rest.contains('.')).then_some(split)
    })
}

/// Whether `name` has the word between characters of `-._ 0-9`. A word at the end counts for a directory only: a file has an
/// ending.
fn has_word(name: &str, word: &str, at_end: bool) -> bool {
    let separates = |c: char| matches!(c, '-' | '.' | '_' | ' ' | '0'..='9');
    name.match_indices(word).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        let after = name[at + word.len()..].chars().next();
        before.is_none_or(separates) && after.map_or(at_end, separates)
    })
}
