//! `--on-bad-row`: what happens to rows of a data set that cannot be used.

use dataset_stream::BadRows;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// More than this share of bad rows is an error even where they are skipped.
const AT_MOST_PERCENT: u8 = 10;

/// The option's value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum OnBadRow {
    #[default]
    Error,
    Skip,
    Quarantine(PathBuf),
}

impl FromStr for OnBadRow {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "error" => Ok(Self::Error),
            None if text == "skip" => Ok(Self::Skip),
            Some(("quarantine", file)) if !file.is_empty() => Ok(Self::Quarantine(file.into())),
            _ => Err(format!(
                "{text:?} is none of error, skip, quarantine=FILE.jsonl"
            )),
        }
    }
}

impl OnBadRow {
    /// The file that is to be written, if one is.
    pub(crate) fn file(&self) -> Option<(&'static str, &Path)> {
        match self {
            Self::Quarantine(path) => Some(("--on-bad-row", path)),
            _ => None,
        }
    }

    pub(crate) fn policy(&self) -> BadRows {
        match self {
            Self::Error => BadRows::Error,
            Self::Skip | Self::Quarantine(_) => BadRows::Skip {
                at_most_percent: AT_MOST_PERCENT,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::OnBadRow::{self, Error, Quarantine, Skip};

    #[test]
    fn the_three_ways_are_told_apart() {
        assert_eq!("error".parse(), Ok(Error));
        assert_eq!("skip".parse(), Ok(Skip));
        assert_eq!(
            "quarantine=a=b.jsonl".parse(),
            Ok(Quarantine("a=b.jsonl".into()))
        );
        for wrong in ["", "quarantine", "quarantine=", "skip=x", "Error"] {
            assert!(wrong.parse::<OnBadRow>().is_err(), "{wrong}");
        }
    }
}
