//! Which files of a repository make up a split of a data set.
//!
//! The rules are those of Python's `datasets` (`datasets/data_files.py`, `SPLIT_KEYWORDS` and `get_data_patterns`):
//!
//! 1. the `configs` in the YAML at the head of the README, with their `data_files` or `data_dir`;
//! 2. `data/{split}-00000-of-00001*`;
//! 3. a split's keyword in the name of the file, between anything but letters;
//! 4. a split's keyword in the name of a directory, likewise;
//! 5. all files are `train`.
//!
//! The first rule that finds a file for any split is used for all. Unlike there, rules 2 to 5 look at files with a data ending
//! only.

mod error;
mod patterns;
mod readme;
mod rules;

use crate::HubFile;

pub use error::DataFilesError;
use readme::{Config, Files, Patterns};

/// The name of the only configuration where the README names none.
const DEFAULT: &str = "default";
const TRAIN: &str = "train";

/// The files of a split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFiles {
    /// The configuration; `default` if the README names none.
    pub config: String,
    /// The split.
    pub split: String,
    /// At least one. In the order of the README's patterns, sorted by path within each.
    pub files: Vec<HubFile>,
}

/// A split's name and its files.
type Splits = Vec<(String, Vec<HubFile>)>;

/// The files of a split.
///
/// `readme` is the repository's README, `files` are all its files. Without `config` it is the only one, the one marked
/// `default: true`, or that of the name `default`. Without `split` it is `train`, or the only one.
///
/// # Errors
/// [`DataFilesError`]: the README's head is not YAML, there is no such configuration or split (the message lists those that
/// there are), or a pattern matches nothing.
pub fn data_files(
    readme: Option<&str>,
    files: &[HubFile],
    config: Option<&str>,
    split: Option<&str>,
) -> Result<DataFiles, DataFilesError> {
    let configs = readme::configs(readme.unwrap_or_default())?;
    let mut data: Vec<&HubFile> = files
        .iter()
        .filter(|f| !rules::is_ignored(&f.path))
        .collect();
    data.sort_by(|a, b| a.path.cmp(&b.path));
    let chosen = choose_config(&configs, config)?;
    let name = chosen.map_or(DEFAULT, |config| &config.name).to_owned();
    let splits = match chosen {
        Some(config) => splits_of(config, &data)?,
        None => rules::splits(&data, ""),
    };
    let split = choose_split(&name, &splits, split)?;
    let found = splits.into_iter().find(|(name, _)| *name == split);
    match found {
        Some((split, files)) if !files.is_empty() => Ok(DataFiles {
            config: name,
            split,
            files,
        }),
        _ => Err(DataFilesError::NoFiles { config: name }),
    }
}

/// `None` if the README has no configurations and the default one is meant.
fn choose_config<'a>(
    configs: &'a [Config],
    wanted: Option<&str>,
) -> Result<Option<&'a Config>, DataFilesError> {
    let listed = || {
        let names = configs.iter().map(|config| config.name.clone());
        names.collect::<Vec<_>>().join(", ")
    };
    let named = |name: &str| configs.iter().find(|config| config.name == name);
    match (configs, wanted) {
        ([], None | Some(DEFAULT)) => Ok(None),
        ([], Some(wanted)) => Err(DataFilesError::NoConfig {
            config: wanted.to_owned(),
            configs: DEFAULT.to_owned(),
        }),
        (_, Some(wanted)) => match named(wanted) {
            Some(config) => Ok(Some(config)),
            None => Err(DataFilesError::NoConfig {
                config: wanted.to_owned(),
                configs: listed(),
            }),
        },
        ([only], None) => Ok(Some(only)),
        (_, None) => {
            let marked = configs.iter().find(|config| config.default);
            match marked.or_else(|| named(DEFAULT)) {
                Some(config) => Ok(Some(config)),
                None => Err(DataFilesError::WhichConfig { configs: listed() }),
            }
        }
    }
}

fn splits_of(config: &Config, data: &[&HubFile]) -> Result<Splits, DataFilesError> {
    let dir = config.data_dir.as_deref().unwrap_or_default();
    let dir = dir.trim_start_matches("./").trim_matches('/');
    let prefix = if dir.is_empty() || dir == "." {
        String::new()
    } else {
        format!("{dir}/")
    };
    let find = |patterns: &Patterns| patterns::find(&config.name, &prefix, patterns, data);
    match &config.data_files {
        None => Ok(rules::splits(data, &prefix)),
        Some(Files::All(patterns)) => Ok(vec![(TRAIN.to_owned(), find(patterns)?)]),
        Some(Files::Splits(splits)) => splits
            .iter()
            .map(|entry| Ok((entry.split.clone(), find(&entry.path)?)))
            .collect(),
    }
}

fn choose_split(
    config: &str,
    splits: &Splits,
    wanted: Option<&str>,
) -> Result<String, DataFilesError> {
    let listed = || {
        let names: Vec<_> = splits.iter().map(|(name, _)| name.as_str()).collect();
        names.join(", ")
    };
    let has = |wanted: &str| splits.iter().any(|(name, _)| name == wanted);
    match (wanted, splits.as_slice()) {
        (_, []) => Err(DataFilesError::NoFiles {
            config: config.to_owned(),
        }),
        (Some(wanted), _) if has(wanted) => Ok(wanted.to_owned()),
        (Some(wanted), _) => Err(DataFilesError::NoSplit {
            config: config.to_owned(),
            split: wanted.to_owned(),
            splits: listed(),
        }),
        (None, [(only, _)]) => Ok(only.clone()),
        (None, _) if has(TRAIN) => Ok(TRAIN.to_owned()),
        (None, _) => Err(DataFilesError::WhichSplit {
            config: config.to_owned(),
            splits: listed(),
        }),
    }
}

#[cfg(test)]
mod tests;
