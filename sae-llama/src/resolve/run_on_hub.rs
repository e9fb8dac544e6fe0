//! The run of an SAE on the Hub, named as SAELens names it, brought into the cache.

use super::run::{OnHubError, RunPart};
use hub_io::{
    Cache, CacheError, DownloadProgress, Hub, Observer, RepoKind, Snapshot, WarnOfRetries,
    is_repo_name,
};
use sae_core::{RunDir, RunLayout};
use sae_progress::Unobserved;
use std::path::Path;
use std::sync::Arc;

/// How a run on the Hub is written, for messages.
pub(super) const FORM: &str = "organisation/name[@revision][:folder]";
/// Folders that a message lists.
const LISTED: usize = 12;

/// SAELens' release is the repository, its `sae_id` the folder.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RunOnHub<'a> {
    repo: &'a str,
    revision: &'a str,
    /// Empty for the repository's top.
    folder: &'a str,
}

impl<'a> RunOnHub<'a> {
    /// `None` for a text that can only be a path.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (repo, folder) = text.split_once(':').unwrap_or((text, ""));
        let (repo, revision) = repo.split_once('@').unwrap_or((repo, "main"));
        let folder = folder.trim_end_matches('/');
        (repo.contains('/') && is_repo_name(repo)).then_some(Self {
            repo,
            revision,
            folder,
        })
    }

    pub(super) fn open(
        &self,
        part: RunPart,
        observer: &mut dyn Observer<DownloadProgress>,
    ) -> Result<RunDir, OnHubError> {
        let hub = Hub::from_env()?.with_listener(Arc::new(WarnOfRetries));
        let cache = Cache::from_env().ok_or(OnHubError::NoCache)?;
        let mut files = cache.snapshot(&hub, RepoKind::Model, self.repo, self.revision)?;
        let layout = self.find(&mut files)?;
        files.fetch(&[&in_repo(&layout.cfg())], observer)?;
        let places: Vec<String> = layout.sparsity().iter().map(|p| in_repo(p)).collect();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        if let Some(sparsity) = files.first_of(&places)? {
            files.fetch(&[sparsity], observer)?;
        }
        let dir = files.dir().join(layout.folder());
        // Problems in the description are found before the weights, which are large, are downloaded.
        let mut run = RunDir::describe(&dir)?;
        let scaler = in_repo(&layout.scaler());
        if run.cfg.lacks_scales() && files.first_of(&[&scaler])?.is_some() {
            files.fetch(&[&scaler], observer)?;
            run = RunDir::describe(&dir)?;
        }
        if part == RunPart::Description {
            files.remember_if_new()?;
            return Ok(run);
        }
        files.fetch(&[&in_repo(&layout.weights())], observer)?;
        files.remember()?;
        Ok(RunDir::open(&dir)?)
    }

    /// The layout whose `cfg.json` is there: of the folder that was named, or of `final_sae` in it.
    fn find(&self, files: &mut Snapshot) -> Result<RunLayout, OnHubError> {
        let layouts = RunLayout::of(self.folder);
        let [plain, last] = layouts.clone().map(|layout| in_repo(&layout.cfg()));
        let [in_folder, in_final_sae] = layouts;
        match files.first_of(&[&plain, &last])? {
            Some(found) if *found == last => Ok(in_final_sae),
            Some(_) => Ok(in_folder),
            None => match files.fetch(&[&plain], &mut Unobserved) {
                Err(CacheError::NoFile { .. }) => {
                    Err(OnHubError::NoRun(self.no_run(&files.names()?)))
                }
                Err(error) => Err(error.into()),
                Ok(()) => Ok(in_folder),
            },
        }
    }

    /// A message that says what the repository has instead.
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

/// A path as repositories have it.
fn in_repo(path: &Path) -> String {
    let parts = path.iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
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
