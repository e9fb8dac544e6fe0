//! Where a model's files are.

mod dir;
mod error;
mod index;

pub use error::SourceError;

use std::path::{Path, PathBuf};

/// A model, by directory or by its name on the Hugging Face Hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelSource {
    /// A directory in Hugging Face's layout.
    Dir(PathBuf),
    /// A repository on the Hub.
    Hub {
        /// `organisation/name`.
        repo: String,
        /// A branch, a tag or a commit.
        revision: String,
    },
}

/// The files of one model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFiles {
    /// `config.json`.
    pub config: PathBuf,
    /// `model.safetensors`, or the shards that its index names.
    pub weights: Vec<PathBuf>,
    /// `tokenizer.json`, if there is one.
    pub tokenizer: Option<PathBuf>,
}

impl ModelSource {
    /// A directory if there is one of that name, else a repository `organisation/name`, with `@revision` if not `main`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if Path::new(text).is_dir() {
            return Ok(Self::Dir(text.into()));
        }
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        Ok(Self::Hub {
            repo: repo.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// Finds the files; those on the Hub are downloaded unless they are in the cache.
    ///
    /// # Errors
    /// If a file is missing.
    pub fn resolve(&self) -> Result<ModelFiles, SourceError> {
        match self {
            Self::Dir(dir) => dir::resolve(dir),
            Self::Hub { .. } => todo!(),
        }
    }
}
