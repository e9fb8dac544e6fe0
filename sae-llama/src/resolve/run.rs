//! The run of an SAE, here or on the Hub.

use super::run_on_hub::{FORM, RunOnHub};
use hub_io::{CacheError, DownloadProgress, HubError, Observer};
use sae_core::{RunDir, RunDirError, RunOptions};
use sae_releases::{NameError, Named};
use std::path::{Path, PathBuf};

/// How much of a run is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunPart {
    /// The configuration and the recorded sparsity.
    Description,
    /// These, and the weights.
    All,
}

/// A run that cannot be found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// There is no such folder, and the name is not a repository's.
    #[error("{source}; nor is it the name of one on the Hub, {FORM}")]
    NotFound {
        /// The folder.
        source: RunDirError,
    },
    /// The folder is no run.
    #[error(transparent)]
    Dir(#[from] RunDirError),
    /// The name is of a release that has no such SAE.
    #[error(transparent)]
    Release(#[from] NameError),
    /// The name was taken for a repository's, and that does not work.
    #[error("{}: there is no such folder here, so it is taken for an SAE on the Hub ({FORM})", name.display())]
    OnHub {
        /// The name.
        name: PathBuf,
        /// Why it does not work.
        source: Box<OnHubError>,
    },
}

/// An SAE on the Hub that cannot be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OnHubError {
    /// There is no place for downloads.
    #[error("there is no home directory to keep downloads in; set HF_HOME or HF_HUB_CACHE")]
    NoCache,
    /// The Hub cannot be asked.
    #[error(transparent)]
    Hub(#[from] HubError),
    /// A file cannot be fetched.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The repository has no run there.
    #[error("{0}")]
    NoRun(String),
    /// The files are not a run.
    #[error(transparent)]
    Dir(#[from] RunDirError),
}

/// Opens a run: the folder of that name if there is one, else the SAE of a release that [`sae_releases`] knows,
/// `release/sae_id`, else a folder of a repository on the Hub, `organisation/name[@revision][:folder]`.
///
/// For [`RunPart::Description`] the weights need not exist, and they are not downloaded.
///
/// # Errors
/// If there is neither, the run cannot be read, or the observer stops a download.
pub fn find_run(
    name: &Path,
    part: RunPart,
    observer: &mut dyn Observer<DownloadProgress>,
) -> Result<RunDir, RunError> {
    find_run_as(name, part, &RunOptions::default(), observer)
}

/// As [`find_run`], with what the user says about the files.
///
/// # Errors
/// As [`find_run`].
pub fn find_run_as(
    name: &Path,
    part: RunPart,
    options: &RunOptions,
    observer: &mut dyn Observer<DownloadProgress>,
) -> Result<RunDir, RunError> {
    let elsewhere = name.to_str().filter(|_| !name.exists());
    let published =
        published(name)?.map(|found| format!("{}:{}", found.release.repo_id, found.sae.path));
    let on_hub = published.as_deref().or(elsewhere).and_then(RunOnHub::parse);
    let Some(on_hub) = on_hub else {
        let opened = match part {
            RunPart::Description => RunDir::describe_as(name, options),
            RunPart::All => RunDir::open_as(name, options),
        };
        return opened.map_err(|error| match error {
            source @ RunDirError::NotFound(_) => RunError::NotFound { source },
            other => other.into(),
        });
    };
    on_hub
        .open(part, options, observer)
        .map_err(|source| RunError::OnHub {
            name: name.to_owned(),
            source: Box::new(source),
        })
}

/// The published SAE of this name, `release/sae_id`; none if a folder here has it, or it is none of a release.
///
/// # Errors
/// If the release has no such SAE.
pub fn published(name: &Path) -> Result<Option<Named>, NameError> {
    let elsewhere = name.to_str().filter(|_| !name.exists());
    Ok(elsewhere.map(sae_releases::find).transpose()?.flatten())
}

#[cfg(test)]
mod tests {
    use super::{RunPart, find_run};
    use sae_progress::Unobserved;

    #[test]
    fn a_description_needs_no_weights() {
        let dir = tempfile::tempdir().unwrap();
        let cfg = r#"{"architecture": "standard", "d_in": 2, "d_sae": 3, "metadata": {"hook_name": "hook_embed"}}"#;
        std::fs::write(dir.path().join("cfg.json"), cfg).unwrap();
        let run = find_run(dir.path(), RunPart::Description, &mut Unobserved).unwrap();
        assert_eq!(run.cfg.d_sae, 3);
        let error = find_run(dir.path(), RunPart::All, &mut Unobserved).unwrap_err();
        assert!(
            error.to_string().contains("is missing beside cfg.json"),
            "{error}"
        );
    }
}
