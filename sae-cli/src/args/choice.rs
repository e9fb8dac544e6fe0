//! `--features`: which features get a page.

use anyhow::{Context, Result, bail, ensure};
use std::path::PathBuf;
use std::str::FromStr;

/// A list of features is small; beyond this, it is something else.
const MOST_BYTES: u64 = 64 << 20;

/// The option's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    All,
    /// So many, spread evenly over those that fire.
    Some(u32),
    /// These, in whatever order.
    These(Vec<u32>),
    /// Those that a file lists, by white space or commas.
    File(PathBuf),
}

impl FromStr for Choice {
    type Err = String;

    /// `all`, a number, numbers and ranges (`3,17,100-199`; a single one as `3,`), or a file.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "all" {
            return Ok(Self::All);
        }
        if let Ok(n) = text.parse::<u32>() {
            return match n {
                0 => Err("0 features are none".to_owned()),
                n => Ok(Self::Some(n)),
            };
        }
        if text.starts_with(|c: char| c.is_ascii_digit()) && !PathBuf::from(text).exists() {
            return list(text).map(Self::These);
        }
        Ok(Self::File(text.into()))
    }
}

impl Choice {
    /// The features, ascending, given how often each fires.
    pub(crate) fn features(&self, n_fired: &[u64]) -> Result<Vec<u32>> {
        let d_sae = n_fired.len() as u32;
        let mut features = match self {
            Self::All => (0..d_sae).collect(),
            Self::Some(n) => spread(*n, n_fired),
            Self::These(features) => features.clone(),
            Self::File(path) => {
                let what = || format!("--features {}", path.display());
                let Ok(found) = std::fs::metadata(path) else {
                    bail!(
                        "{}: is neither all, nor a number, nor a list such as 3,17,100-199, and there is no such file",
                        what()
                    );
                };
                ensure!(
                    found.is_file() && found.len() <= MOST_BYTES,
                    "{}: is no list of features",
                    what()
                );
                let text = std::fs::read_to_string(path).with_context(what)?;
                let joined = text.split_whitespace().collect::<Vec<_>>().join(",");
                match list(&joined) {
                    Ok(features) => features,
                    Err(error) => bail!("{}: {error}", what()),
                }
            }
        };
        features.sort_unstable();
        features.dedup();
        if let Some(&feature) = features.last().filter(|&&feature| feature >= d_sae) {
            bail!(
                "--features: there is no feature {feature}: the dictionary has {d_sae}, counted from 0"
            );
        }
        ensure!(
            !features.is_empty(),
            "--features: the list names no feature"
        );
        Ok(features)
    }
}

/// Every n-th of the features that fire; of all features where too few fire.
fn spread(n: u32, n_fired: &[u64]) -> Vec<u32> {
    let alive: Vec<u32> = (0..n_fired.len() as u32)
        .filter(|&f| n_fired[f as usize] > 0)
        .collect();
    if alive.len() <= n as usize {
        let dead = (0..n_fired.len() as u32).filter(|&f| n_fired[f as usize] == 0);
        let more = n as usize - alive.len();
        return alive.iter().copied().chain(dead.take(more)).collect();
    }
    let at = |i: u64| alive[(i * alive.len() as u64 / u64::from(n)) as usize];
    (0..u64::from(n)).map(at).collect()
}

/// Numbers and ranges of numbers, their ends included.
fn list(text: &str) -> Result<Vec<u32>, String> {
    let mut features = Vec::new();
    for part in text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
    {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| text.trim().parse::<u32>();
        match (number(first), number(last)) {
            (Ok(first), Ok(last)) if first <= last && last - first < 1 << 24 => {
                features.extend(first..=last);
            }
            _ => {
                return Err(format!(
                    "{part:?} is neither a feature nor a range; expected all, a number of features, a list such as 3,17,100-199, or a file"
                ));
            }
        }
        if features.len() > 1 << 26 {
            return Err("the list names more features than any dictionary has".to_owned());
        }
    }
    Ok(features)
}

#[cfg(test)]
mod tests {
    use super::Choice;

    fn features(text: &str, n_fired: &[u64]) -> Result<Vec<u32>, String> {
        let choice: Choice = text.parse()?;
        choice.features(n_fired).map_err(|e| e.to_string())
    }

    #[test]
    fn choices_are_read() {
        let fired = [1, 0, 5, 0, 2, 9];
        assert_eq!(features("all", &fired).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(features("2", &fired).unwrap(), [0, 4]);
        assert_eq!(
            features("5", &fired).unwrap(),
            [0, 1, 2, 4, 5],
            "dead ones last"
        );
        assert_eq!(features("5,", &fired).unwrap(), [5]);
        assert_eq!(features("4,0-2,1", &fired).unwrap(), [0, 1, 2, 4]);
        for (wrong, said) in [
            ("0", "none"),
            ("3-1", "range"),
            ("1,x", "expected all"),
            ("6,", "has 6"),
            ("0-4294967295", "range"),
            ("no-such-file", "no-such-file"),
        ] {
            let error = features(wrong, &fired).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_file_lists_features() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "3 1\n5,4-5\n").unwrap();
        let path = file.path().to_str().unwrap();
        assert_eq!(features(path, &[1; 6]).unwrap(), [1, 3, 4, 5]);
        std::fs::write(file.path(), "\n").unwrap();
        assert!(features(path, &[1; 6]).unwrap_err().contains("no feature"));
    }
}
