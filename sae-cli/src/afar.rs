//! What is on the Hub, brought into the cache: models, and the runs of SAEs, named as SAELens names them.

use crate::interrupt;
use crate::progress::Downloads;
use anyhow::{Context, Result, bail};
use hub_io::{Cache, CacheError, Hub, Progress, RepoKind, Snapshot, WarnOfRetries, is_repo_name};
use llama_hooked::{HubOptions, ModelFiles, ModelSource, SourceError};
use sae_core::RunDir;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a run on the Hub is written, for messages.
const FORM: &str = "organisation/name[@revision][:folder]";
/// Folders that a message lists.
const LISTED: usize = 12;

/// What of a run is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The configuration and the recorded sparsity.
    Description,
    /// These, and the weights.
    All,
}

/// Finds a model's files, downloading those that are not here.
pub(crate) fn model(source: &ModelSource, quiet: bool) -> Result<ModelFiles, SourceError> {
    let ModelSource::Hub { .. } = source else {
        return source.resolve();
    };
    let mut bar = Downloads::new(quiet);
    source.resolve_with(&HubOptions::from_env()?, &mut |download| {
        bar.update(download.file, download.done, Some(download.total));
    })
}

/// Finds the tokenizer of a model, downloading no more than that.
pub(crate) fn tokenizer(source: &ModelSource, quiet: bool) -> Result<Option<PathBuf>, SourceError> {
    let options = HubOptions::from_env()?;
    let mut bar = Downloads::new(quiet);
    source.resolve_tokenizer(&options, &mut |download| {
        bar.update(download.file, download.done, Some(download.total));
    })
}

/// Opens a run: the folder of that name if there is one, else a folder of a repository on the Hub.
pub(crate) fn open_run(name: &Path, part: Part, quiet: bool) -> Result<RunDir> {
    let afar = || name.to_str().and_then(RunOnHub::parse);
    let Some(afar) = (!name.exists()).then(afar).flatten() else {
        return match RunDir::open(name) {
            Err(error @ sae_core::RunDirError::NotFound(_)) => {
                bail!("{error}; nor is it the name of one on the Hub, {FORM}")
            }
            other => Ok(other?),
        };
    };
    afar.open(part, quiet).with_context(|| {
        format!(
            "{}: there is no such folder here, so it is taken for an SAE on the Hub ({FORM})",
            name.display()
        )
    })
}

/// SAELens' release is the repository, its `sae_id` the folder.
#[derive(Debug, PartialEq, Eq)]
struct RunOnHub<'a> {
    repo: &'a str,
    revision: &'a str,
    /// Empty for the repository's top.
    folder: &'a str,
}

impl<'a> RunOnHub<'a> {
    /// `None` for what can only be a path.
    fn parse(text: &'a str) -> Option<Self> {
        let (repo, folder) = text.split_once(':').unwrap_or((text, ""));
        let (repo, revision) = repo.split_once('@').unwrap_or((repo, "main"));
        let folder = folder.trim_end_matches('/');
        (repo.contains('/') && is_repo_name(repo)).then_some(Self {
            repo,
            revision,
            folder,
        })
    }

    fn open(&self, part: Part, quiet: bool) -> Result<RunDir> {
        let hub = Hub::from_env()?.with_observer(Arc::new(WarnOfRetries));
        let cache = Cache::from_env().context(
            "there is no home directory to keep downloads in; set HF_HOME or HF_HUB_CACHE",
        )?;
        let mut bar = Downloads::new(quiet);
        let mut tell = |progress: Progress<'_>| {
            bar.update(progress.path, progress.done, progress.total);
            match interrupt::check() {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            }
        };
        let mut files = cache.snapshot(&hub, RepoKind::Model, self.repo, self.revision)?;
        let folder = self.find(&mut files)?;
        let cfg = in_folder(&folder, "cfg.json");
        files.fetch(&[&cfg], &mut tell)?;
        // The layout of the notebook has it beside final_sae.
        let above = match folder.rsplit_once('/') {
            Some((above, "final_sae")) => in_folder(above, SPARSITY),
            _ if folder == "final_sae" => SPARSITY.to_owned(),
            _ => in_folder(&folder, SPARSITY),
        };
        let beside = in_folder(&folder, SPARSITY);
        if let Some(sparsity) = files.first_of(&[&beside, &above])? {
            files.fetch(&[sparsity], &mut tell)?;
        }
        let dir = files.dir().join(&folder);
        // What is wrong with the description is known before the weights, which are large.
        let run = RunDir::describe(&dir)?;
        match part {
            Part::Description => {
                files.remember_if_new()?;
                Ok(run)
            }
            Part::All => {
                let weights = in_folder(&folder, "sae_weights.safetensors");
                files.fetch(&[&weights], &mut tell)?;
                files.remember()?;
                Ok(RunDir::open(&dir)?)
            }
        }
    }

    /// The folder that has `cfg.json`: the one that was named, or `final_sae` in it.
    fn find(&self, files: &mut Snapshot) -> Result<String> {
        let folders = [self.folder.to_owned(), in_folder(self.folder, "final_sae")];
        let [plain, last] = folders.clone().map(|folder| in_folder(&folder, "cfg.json"));
        match files.first_of(&[&plain, &last])? {
            Some(found) if *found == last => {
                let [_, folder] = folders;
                Ok(folder)
            }
            Some(_) => Ok(self.folder.to_owned()),
            None => match files.fetch(&[&plain], &mut |_| ControlFlow::Continue(())) {
                Err(CacheError::NoFile { .. }) => bail!(self.no_run(&files.names()?)),
                Err(error) => Err(error.into()),
                Ok(()) => Ok(self.folder.to_owned()),
            },
        }
    }

    /// What the repository has instead.
    fn no_run(&self, names: &[String]) -> String {
        let place = match self.folder {
            "" => "at its top".to_owned(),
            folder => format!("in its folder {folder:?}"),
        };
        let what = format!(
            "{}@{} has neither cfg.json nor final_sae/cfg.json {place}",
            self.repo, self.revision
        );
        let folders = names
            .iter()
            .filter_map(|name| name.strip_suffix("/cfg.json"));
        let folders: Vec<_> = folders
            .map(|folder| folder.strip_suffix("/final_sae").unwrap_or(folder))
            .collect();
        let Some(first) = folders.first() else {
            return format!(
                "{what}, nor anywhere else: it holds no SAE that SAELens saved ({} files)",
                names.len()
            );
        };
        let shown = folders[..folders.len().min(LISTED)].join(", ");
        let more = match folders.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        format!(
            "{what}; folders that have one: {shown}{more}; give one, as in {}:{first}",
            self.repo
        )
    }
}

const SPARSITY: &str = "sparsity.safetensors";

fn in_folder(folder: &str, name: &str) -> String {
    match folder {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::RunOnHub;

    #[test]
    fn runs_are_named_by_repository_revision_and_folder() {
        let run = |text| {
            let run = RunOnHub::parse(text)?;
            Some((run.repo, run.revision, run.folder))
        };
        assert_eq!(run("org/net"), Some(("org/net", "main", "")));
        assert_eq!(run("org/net:"), Some(("org/net", "main", "")));
        assert_eq!(
            run("org/net:layers.5/x/"),
            Some(("org/net", "main", "layers.5/x"))
        );
        assert_eq!(
            run("org/net@refs/pr/1:a@b:c"),
            Some(("org/net", "refs/pr/1", "a@b:c"))
        );
        for path in [
            "net", "./net", "../net", "/org/net", "a/b/c", "org/", "org/n t", "~/net", "",
        ] {
            assert_eq!(run(path), None, "{path}");
        }
    }

    #[test]
    fn a_repository_without_the_folder_says_what_it_has() {
        let run = RunOnHub::parse("org/net:l9").unwrap();
        let names = |of: &[&str]| of.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            run.no_run(&names(&["l1/cfg.json", "l2/final_sae/cfg.json", "x"])),
            "org/net@main has neither cfg.json nor final_sae/cfg.json in its folder \"l9\"; folders that have one: l1, l2; give one, as in org/net:l1"
        );
        let many: Vec<_> = (0..20).map(|i| format!("l{i}/cfg.json")).collect();
        assert!(run.no_run(&many).contains("l11 and 8 more; give one"));
        let none = run.no_run(&names(&["README.md"]));
        assert!(
            none.ends_with("no SAE that SAELens saved (1 files)"),
            "{none}"
        );
    }
}
