//! Where a model's files are.

mod dir;
mod error;
mod hub;
mod index;
mod names;

pub use error::ModelSourceError;

use hub_io::{Cache, DownloadProgress, HubOptions, Observer};
use sae_progress::Unobserved;
use std::fmt;
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
    /// `tokenizer.json`, if there is one; `tokenizer_config.json` and `chat_template.jinja` then lie beside it, if there are any, as
    /// `generation_config.json` lies beside `config.json`.
    pub tokenizer: Option<PathBuf>,
}

impl ModelSource {
    /// A directory if there is one of that name, else a repository `organisation/name`, with `@revision` if not `main`.
    ///
    /// # Errors
    /// If it is neither.
    pub fn parse(text: &str) -> Result<Self, ModelSourceError> {
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Dir(path.to_owned()));
        }
        if path.exists() {
            return Err(ModelSourceError::NotADirectory(path.to_owned()));
        }
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        names::check(repo, revision).map_err(|reason| ModelSourceError::NeitherDirNorRepo {
            text: text.to_owned(),
            reason,
        })?;
        Ok(Self::Hub {
            repo: repo.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// Finds the files. Those on the Hub are downloaded unless they are in the cache; see [`HubOptions::from_env`] and
    /// [`Cache::from_env`] for the variables that govern this.
    ///
    /// # Errors
    /// If a file is missing or cannot be fetched; the message says what to try.
    pub fn resolve(&self) -> Result<ModelFiles, ModelSourceError> {
        match self {
            Self::Dir(dir) => dir::resolve(dir),
            Self::Hub { .. } => {
                let cache = Cache::from_env().ok_or(ModelSourceError::NoCache)?;
                self.resolve_with(&HubOptions::from_env(), &cache, &mut Unobserved)
            }
        }
    }

    /// As [`resolve`](Self::resolve), with the Hub and the cache given, and downloads reported to `observer`, which may stop them: everything
    /// that has arrived is kept, and the next call resumes from there.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_with(
        &self,
        options: &HubOptions,
        cache: &Cache,
        observer: &mut dyn Observer<DownloadProgress>,
    ) -> Result<ModelFiles, ModelSourceError> {
        match self {
            Self::Dir(dir) => dir::resolve(dir),
            Self::Hub { repo, revision } => {
                hub::resolve(repo, revision, (options, cache), observer)
            }
        }
    }

    /// Finds the tokenizer alone, if the model has one: of a model on the Hub no weights are downloaded.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_tokenizer(
        &self,
        options: &HubOptions,
        cache: &Cache,
        observer: &mut dyn Observer<DownloadProgress>,
    ) -> Result<Option<PathBuf>, ModelSourceError> {
        match self {
            Self::Dir(dir) => Ok(dir::tokenizer(dir)),
            Self::Hub { repo, revision } => {
                hub::resolve_tokenizer(repo, revision, (options, cache), observer)
            }
        }
    }
}

impl fmt::Display for ModelSource {
    /// As [`parse`](Self::parse) reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dir(dir) => write!(f, "{}", dir.display()),
            Self::Hub { repo, revision } if revision == "main" => f.write_str(repo),
            Self::Hub { repo, revision } => write!(f, "{repo}@{revision}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ModelSource;

    #[test]
    fn a_directory_goes_before_a_repository() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().to_str().unwrap();
        assert_eq!(
            ModelSource::parse(text).unwrap(),
            ModelSource::Dir(dir.path().into())
        );
    }

    #[test]
    fn repositories_may_name_a_revision() {
        for (text, repo, revision) in [
            ("meta-llama/Llama-3.2-1B", "meta-llama/Llama-3.2-1B", "main"),
            (
                "org/some_model.v2@refs/pr/5",
                "org/some_model.v2",
                "refs/pr/5",
            ),
        ] {
            let source = ModelSource::parse(text).unwrap();
            assert_eq!(
                source,
                ModelSource::Hub {
                    repo: repo.into(),
                    revision: revision.into()
                }
            );
            assert_eq!(source.to_string(), text);
        }
    }

    #[test]
    fn other_text_is_refused() {
        let cases = [
            (
                "llama",
                "\"llama\" is neither a directory nor a repository on the Hub: a repository is organisation/name",
            ),
            (
                "./no/such/dir",
                "\"./no/such/dir\" is neither a directory nor a repository on the Hub: a repository is organisation/name",
            ),
            (
                "../up",
                "\"../up\" is neither a directory nor a repository on the Hub: \"..\" is not a name",
            ),
            (
                "org/a b",
                "\"org/a b\" is neither a directory nor a repository on the Hub: \"a b\" is not a name",
            ),
            (
                "org/m@../x",
                "\"org/m@../x\" is neither a directory nor a repository on the Hub: \"../x\" is not a revision",
            ),
            (
                "org/m@",
                "\"org/m@\" is neither a directory nor a repository on the Hub: \"\" is not a revision",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(ModelSource::parse(text).unwrap_err().to_string(), message);
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = file.path().to_str().unwrap();
        let message = ModelSource::parse(text).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("{text}: is a file; give the directory that holds config.json and the weights")
        );
    }
}
