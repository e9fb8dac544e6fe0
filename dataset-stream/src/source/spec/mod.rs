//! From what the user typed to a sorted list of files.

pub(super) mod format;
#[cfg(feature = "hub")]
mod remote;
mod saved;
#[cfg(feature = "hub")]
mod split;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::source::SourceOptions;
use crate::source::error::{ReadError, SourceError};
use crate::token_files;

use format::{Compression, Format};
#[cfg(feature = "hub")]
pub(super) use remote::{MakeHub, hub_of_environment};
#[cfg(feature = "hub")]
pub(crate) use remote::{RemoteFile, is_of_network};

/// One file of a data set.
#[derive(Debug, Clone)]
pub(crate) struct DataFile {
    /// How messages name it.
    pub(crate) name: Arc<str>,
    pub(crate) path: PathBuf,
    pub(crate) origin: Origin,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    /// On disk, compressed.
    pub(crate) bytes: u64,
}

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// Here, at its path.
    Local,
    /// On the Hub or at an address.
    #[cfg(feature = "hub")]
    Remote(RemoteFile),
}

/// `*` takes no hidden files, and none in other directories.
const AS_A_SHELL: glob::MatchOptions = glob::MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// The files that `spec` names, sorted by path.
pub(super) fn resolve(
    spec: &str,
    options: &SourceOptions,
    #[cfg(feature = "hub")] hub: MakeHub<'_>,
) -> Result<Vec<DataFile>, SourceError> {
    let local = spec.strip_prefix("file://").unwrap_or(spec);
    let path = Path::new(local);
    let chooses = options.config.is_some() || options.split.is_some();
    if path.is_dir() {
        #[cfg(feature = "hub")]
        if chooses {
            return split::directory(path, options);
        }
        #[cfg(not(feature = "hub"))]
        if chooses {
            return Err(needs_hub(spec));
        }
        if let Some(shards) = token_files::shard_files(path).map_err(ReadError::from)? {
            return shards.iter().map(|shard| data_file(shard)).collect();
        }
        if let Some(files) = saved::files(path)? {
            return files.iter().map(|file| data_file(file)).collect();
        }
        return directory(path);
    }
    if !path.exists() && is_remote(local) {
        #[cfg(feature = "hub")]
        return remote::resolve(local, options, hub);
        #[cfg(not(feature = "hub"))]
        return Err(needs_hub(spec));
    }
    if chooses {
        return Err(SourceError::NoSplits { spec: spec.into() });
    }
    if path.exists() {
        return Ok(vec![data_file(path)?]);
    }
    if local.contains("://") {
        return Err(SourceError::Scheme { spec: spec.into() });
    }
    if local.contains(['*', '?', '[']) {
        return pattern(spec, local);
    }
    Err(SourceError::NotFound {
        spec: spec.into(),
        cwd: std::env::current_dir().unwrap_or_default(),
    })
}

#[cfg(not(feature = "hub"))]
fn needs_hub(spec: &str) -> SourceError {
    SourceError::NotBuilt {
        spec: spec.into(),
        feature: "hub",
    }
}

/// A web address, `hf://datasets/org/name` or `org/name`.
fn is_remote(spec: &str) -> bool {
    let schemes = ["https://", "http://", "hf://datasets/"];
    schemes.iter().any(|scheme| spec.starts_with(scheme)) || looks_like_hub_id(spec)
}

/// `org/name` or `org/name@revision`, with nothing that only a path would have.
fn looks_like_hub_id(spec: &str) -> bool {
    let id = spec.split_once('@').map_or(spec, |(id, _)| id);
    let part = |s: &str| {
        !s.is_empty()
            && !s.starts_with('.')
            && s.chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
    };
    id.split_once('/')
        .is_some_and(|(org, name)| part(org) && part(name))
        && format::of(Path::new(id)).is_none()
}

pub(super) fn data_file(path: &Path) -> Result<DataFile, SourceError> {
    let (format, compression) = format::of(path).ok_or_else(|| SourceError::UnknownFormat {
        path: path.to_owned(),
    })?;
    let meta = std::fs::metadata(path).map_err(|source| SourceError::Io {
        path: path.to_owned(),
        source,
    })?;
    Ok(DataFile {
        name: path.to_string_lossy().into(),
        path: path.to_owned(),
        origin: Origin::Local,
        format,
        compression,
        bytes: meta.len(),
    })
}

fn pattern(spec: &str, local: &str) -> Result<Vec<DataFile>, SourceError> {
    let paths = glob::glob_with(local, AS_A_SHELL).map_err(|e| SourceError::BadPattern {
        spec: spec.into(),
        reason: e.to_string(),
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|e| SourceError::Io {
            path: e.path().to_owned(),
            source: e.into(),
        })?;
        if path.is_file() {
            files.push(data_file(&path)?);
        }
    }
    if files.is_empty() {
        return Err(SourceError::NoMatch { spec: spec.into() });
    }
    sort(&mut files);
    Ok(files)
}

fn sort(files: &mut [DataFile]) {
    files.sort_by(|a, b| a.path.cmp(&b.path));
}

fn directory(path: &Path) -> Result<Vec<DataFile>, SourceError> {
    let mut files = Vec::new();
    let mut others = Vec::new();
    walk(path, &mut files, &mut others)?;
    if files.is_empty() {
        others.sort();
        let shown: Vec<_> = others.iter().take(5).map(String::as_str).collect();
        let found = match others.len() {
            0 => String::from("; it is empty"),
            n if n > shown.len() => format!(
                "; it holds {} and {} more",
                shown.join(", "),
                n - shown.len()
            ),
            _ => format!("; it holds {}", shown.join(", ")),
        };
        return Err(SourceError::NothingInDirectory {
            path: path.to_owned(),
            found,
        });
    }
    let mut formats = BTreeMap::<Format, usize>::new();
    for file in &files {
        *formats.entry(file.format).or_default() += 1;
    }
    if let (Some(first), true) = (formats.keys().next(), formats.len() > 1) {
        let listed: Vec<_> = formats
            .iter()
            .map(|(f, n)| format!("{n} {}", f.ending()))
            .collect();
        return Err(SourceError::MixedFormats {
            path: path.to_owned(),
            formats: listed.join(", "),
            example: format!("{}/**/*{}*", path.display(), first.ending()),
        });
    }
    sort(&mut files);
    Ok(files)
}

/// Collects data files below `dir`. Links to directories are not followed: they could lead in a circle.
fn walk(
    dir: &Path,
    files: &mut Vec<DataFile>,
    others: &mut Vec<String>,
) -> Result<(), SourceError> {
    let io = |source| SourceError::Io {
        path: dir.to_owned(),
        source,
    };
    for entry in std::fs::read_dir(dir).map_err(io)? {
        let entry = entry.map_err(io)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        let path = entry.path();
        if entry.file_type().map_err(io)?.is_dir() {
            walk(&path, files, others)?;
        } else if is_about_the_data(&name) || format::of(&path).is_none() {
            others.push(name);
        } else if path.is_file() {
            files.push(data_file(&path)?);
        }
    }
    Ok(())
}

/// Files with a data ending that describe a data set, a model or a run instead of being rows.
fn is_about_the_data(name: &str) -> bool {
    matches!(
        name,
        "config.json"
            | "sae_lens.json"
            | "state.json"
            | "dataset_dict.json"
            | "manifest.json"
            | "tokenizer.json"
            | "tokenizer_config.json"
            | "special_tokens_map.json"
            | "README.txt"
            | "LICENSE.txt"
    ) || name.starts_with("dataset_info")
}

#[cfg(test)]
mod tests {
    use super::is_remote;

    #[test]
    fn names_on_the_hub_are_told_from_paths() {
        for name in [
            "org/name",
            "org/name@main",
            "monology/pile-uncopyrighted",
            "https://host/x.jsonl",
            "hf://datasets/org/name",
        ] {
            assert!(is_remote(name), "{name}");
        }
        for path in [
            "data",
            "data/part.jsonl",
            "./data",
            "a/b/c",
            "../x",
            "/tmp/x",
            "s3://bucket/x",
        ] {
            assert!(!is_remote(path), "{path}");
        }
    }
}
