//! The YAML at the head of a README.

use serde::Deserialize;

use super::DataFilesError;

/// The longest head that is read, in bytes. Data sets with a thousand configurations take about 500 kB.
const MAX_HEAD: usize = 4 << 20;

#[derive(Debug, Default, Deserialize)]
struct Head {
    configs: Option<Vec<Config>>,
}

/// A configuration: a part of a data set with columns of its own.
#[derive(Debug, Deserialize)]
pub(super) struct Config {
    #[serde(rename = "config_name", default = "default_name")]
    pub(super) name: String,
    #[serde(default)]
    pub(super) default: bool,
    pub(super) data_dir: Option<String>,
    pub(super) data_files: Option<Files>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Files {
    Splits(Vec<Split>),
    All(Patterns),
}

#[derive(Debug, Deserialize)]
pub(super) struct Split {
    pub(super) split: String,
    pub(super) path: Patterns,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Patterns {
    One(String),
    Many(Vec<String>),
}

impl Patterns {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

fn default_name() -> String {
    super::DEFAULT.to_owned()
}

/// The configurations; none if the README has no head, or that has none.
pub(super) fn configs(readme: &str) -> Result<Vec<Config>, DataFilesError> {
    let Some(head) = head(readme) else {
        return Ok(Vec::new());
    };
    if head.len() > MAX_HEAD {
        return Err(DataFilesError::Readme {
            reason: format!("it is longer than {MAX_HEAD} bytes"),
        });
    }
    let options = serde_saphyr::options! {
        // As in Python's reader.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        with_snippet: false,
    };
    let read: Result<Option<Head>, _> = serde_saphyr::from_str_with_options(head, options);
    let head = read.map_err(|error| DataFilesError::Readme {
        reason: error.to_string(),
    })?;
    Ok(head.unwrap_or_default().configs.unwrap_or_default())
}

/// The text between `---` in the first line and the next such line.
fn head(readme: &str) -> Option<&str> {
    let text = readme.trim_start_matches('\u{feff}');
    let start = text.find('\n')? + 1;
    if text[..start].trim_end() != "---" {
        return None;
    }
    let mut end = start;
    for line in text[start..].split_inclusive('\n') {
        if line.trim_end() == "---" {
            return Some(&text[start..end]);
        }
        end += line.len();
    }
    None
}
