//! A part of a data set, for one of several workers.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Worker `index` of `of`: together they read every document once.
///
/// Where the files divide evenly among the workers, each reads its own files and no others. Otherwise each reads all files and takes every
/// `of`-th row, so that none is left without data.
///
/// ```
/// use dataset_stream::Shard;
///
/// let shard: Shard = "2/8".parse()?;
/// assert_eq!((shard.index(), shard.of()), (2, 8));
/// assert!("8/8".parse::<Shard>().is_err());
/// # Ok::<(), dataset_stream::ShardError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: u32,
    of: u32,
}

/// A text that is no shard.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{found:?} is not a shard; expected INDEX/COUNT with INDEX from 0 to COUNT - 1, such as 0/8"
)]
#[non_exhaustive]
pub struct ShardError {
    found: String,
}

impl Shard {
    /// Shard `index`, counted from 0, of `of`.
    ///
    /// # Errors
    /// If there is no such shard.
    pub fn new(index: u32, of: u32) -> Result<Self, ShardError> {
        if index < of {
            Ok(Self { index, of })
        } else {
            Err(ShardError {
                found: format!("{index}/{of}"),
            })
        }
    }

    /// Which shard this is, counted from 0.
    pub fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    pub fn of(self) -> u32 {
        self.of
    }

    /// Takes its part of the files if they can be divided; otherwise the rows are to be.
    pub(super) fn divide(self, files: Vec<usize>) -> (Vec<usize>, Option<Self>) {
        let of = self.of as usize;
        if files.is_empty() || !files.len().is_multiple_of(of) {
            return (files, Some(self));
        }
        let own = files.into_iter().skip(self.index as usize).step_by(of);
        (own.collect(), None)
    }

    /// Whether a row of a file is its own, where rows are divided.
    pub(super) fn has_row(self, file: usize, row: u64) -> bool {
        // The file shifts the count, so that files of one row each are divided too.
        (row % u64::from(self.of) + file as u64) % u64::from(self.of) == u64::from(self.index)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let numbers = text.split_once('/').and_then(|(index, of)| {
            let (index, of) = (index.parse().ok()?, of.parse().ok()?);
            Self::new(index, of).ok()
        });
        numbers.ok_or_else(|| ShardError {
            found: text.to_owned(),
        })
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn what_is_no_shard_is_told() {
        for text in ["", "1", "1/", "/2", "2/2", "0/0", "-1/2", "1/2/3", " 1/2"] {
            let error = text.parse::<Shard>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("{text:?} is not a shard")),
                "{error}"
            );
        }
        assert_eq!("1/3".parse::<Shard>().unwrap().to_string(), "1/3");
    }

    #[test]
    fn every_file_or_every_row_is_in_one_shard() {
        for (n_files, of) in [(1, 3), (4, 2), (5, 2), (6, 6), (0, 2)] {
            let shards = (0..of).map(|index| Shard::new(index, of).unwrap());
            let mut taken = vec![0; n_files * 10];
            for shard in shards {
                let (files, stripe) = shard.divide((0..n_files).collect());
                for file in files {
                    for row in 0..10 {
                        let has = stripe.is_none_or(|shard| shard.has_row(file, row));
                        taken[file * 10 + row as usize] += usize::from(has);
                    }
                }
            }
            assert!(
                taken.iter().all(|&n| n == 1),
                "{n_files} files, {of} shards"
            );
        }
    }
}
