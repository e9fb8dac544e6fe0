//! The run of an SAE on the Hub, named as SAELens names it, brought into the cache.

use super::run::{OnHubError, RunPart};
use hub_io::{
    Cache, CacheError, DownloadProgress, Hub, Observer, RepoKind, Snapshot, WarnOfRetries,
    is_repo_name,
};
use sae_core::{Format, RunDir, RunLayout, RunOptions, files_of};
use sae_progress::Unobserved;
use std::path::Path;
use std::sync::Arc;

/// How a run on the Hub is written, for messages.
pub(super) const FORM: &str = "organisation/name[@revision][:folder]";
/// Files that an SAE's folder has, in one format or another, and other folders do not.
const DESCRIBED_BY: [&str; 4] = ["cfg.json", "hyperparams.json", "ae.pt", "params.npz"];
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
        options: &RunOptions,
        observer: &mut dyn Observer<DownloadProgress>,
    ) -> Result<RunDir, OnHubError> {
        let hub = Hub::from_env()?.with_listener(Arc::new(WarnOfRetries));
        let cache = Cache::from_env().ok_or(OnHubError::NoCache)?;
        let mut files = cache.snapshot(&hub, RepoKind::Model, self.repo, self.revision)?;
        let Some(layout) = self.find(&mut files, options)? else {
            return self.open_foreign(&mut files, part, options, observer);
        };
        files.fetch(&[&in_repo(&layout.cfg())], observer)?;
        let places: Vec<String> = layout.sparsity().iter().map(|p| in_repo(p)).collect();
        let places: Vec<&str> = places.iter().map(String::as_str).collect();
        if let Some(sparsity) = files.first_of(&places)? {
            files.fetch(&[sparsity], observer)?;
        }
        let dir = files.dir().join(layout.folder());
        // Problems in the description are found before the weights, which are large, are downloaded.
        let mut run = RunDir::describe_as(&dir, options)?;
        if run.format() != Format::SaeLens {
            // sparsify's configuration is called cfg.json, too.
            return self.open_foreign(&mut files, part, options, observer);
        }
        let scaler = in_repo(&layout.scaler());
        if run.cfg.lacks_scales() && files.first_of(&[&scaler])?.is_some() {
            files.fetch(&[&scaler], observer)?;
            run = RunDir::describe_as(&dir, options)?;
        }
        if part == RunPart::Description {
            files.remember_if_new()?;
            return Ok(run);
        }
        files.fetch(&[&in_repo(&layout.weights())], observer)?;
        files.remember()?;
        Ok(RunDir::open_as(&dir, options)?)
    }

    /// An SAE in files of another format, in the folder or as the file that was named.
    fn open_foreign(
        &self,
        files: &mut Snapshot,
        part: RunPart,
        options: &RunOptions,
        observer: &mut dyn Observer<DownloadProgress>,
    ) -> Result<RunDir, OnHubError> {
        let all = files.names()?;
        let is_file = all.iter().any(|name| name == self.folder);
        let folder = match self.folder.rsplit_once('/') {
            Some((folder, _)) if is_file => folder,
            None if is_file => "",
            _ => self.folder,
        };
        let start = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let named = all.iter().filter_map(|name| name.strip_prefix(&start));
        let mut named: Vec<String> = named.map(str::to_owned).collect();
        let above = beside(folder, "../config.json");
        if !folder.is_empty() && all.contains(&above) {
            named.push("../config.json".to_owned());
        }
        // Of several pickled files, or layers of a set, only the one that was named is meant.
        let file = is_file.then(|| self.folder[start.len()..].to_owned());
        let mut layer = options.layer;
        if let Some(file) = &file {
            layer = layer.or_else(|| {
                file.strip_prefix("layer_")?
                    .strip_suffix(".safetensors")?
                    .parse()
                    .ok()
            });
            let is_other_pickle = |name: &String| {
                [".pt", ".pth", ".bin"]
                    .iter()
                    .any(|ending| name.ends_with(ending))
                    && name != file
            };
            named.retain(|name| !is_other_pickle(name));
        }
        let Some(found) = files_of(&named, layer) else {
            return Err(OnHubError::NoRun(self.no_run(&all)));
        };
        let small: Vec<String> = found
            .small
            .iter()
            .map(|name| beside(folder, name))
            .collect();
        let small: Vec<&str> = small
            .iter()
            .map(String::as_str)
            .filter(|name| all.iter().any(|n| n == name))
            .collect();
        if !small.is_empty() {
            files.fetch(&small, observer)?;
        }
        let weights = beside(folder, &found.weights);
        let path = match file {
            Some(file) => files.dir().join(folder).join(file),
            None if small.is_empty() => files.dir().join(&weights),
            None => files.dir().join(folder),
        };
        if part == RunPart::Description && !small.is_empty() {
            // Not every configuration says how wide the SAE is.
            if let Ok(run) = RunDir::describe_as(&path, options) {
                files.remember_if_new()?;
                return Ok(run);
            }
        }
        files.fetch(&[&weights], observer)?;
        files.remember()?;
        let mut options = options.clone();
        options.layer = layer;
        Ok(RunDir::open_as(&path, &options)?)
    }

    /// The layout whose `cfg.json` is there: of the folder that was named, or of `final_sae` in it.
    ///
    /// `None` if there is none, and the folder may hold files of another format.
    fn find(
        &self,
        files: &mut Snapshot,
        options: &RunOptions,
    ) -> Result<Option<RunLayout>, OnHubError> {
        if options
            .format
            .is_some_and(|format| format != Format::SaeLens)
        {
            return Ok(None);
        }
        let layouts = RunLayout::of(self.folder);
        let [plain, last] = layouts.clone().map(|layout| in_repo(&layout.cfg()));
        let [in_folder, in_final_sae] = layouts;
        match files.first_of(&[&plain, &last])? {
            Some(found) if *found == last => Ok(Some(in_final_sae)),
            Some(_) => Ok(Some(in_folder)),
            None => match files.fetch(&[&plain], &mut Unobserved) {
                Err(CacheError::NoFile { .. }) => Ok(None),
                Err(error) => Err(error.into()),
                Ok(()) => Ok(Some(in_folder)),
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
        let folders = names.iter().filter_map(|name| {
            let mut ends = DESCRIBED_BY.iter();
            ends.find_map(|end| name.strip_suffix(end)?.strip_suffix('/'))
        });
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

/// A file by its name relative to a folder, which may begin with `../`.
fn beside(folder: &str, name: &str) -> String {
    let (folder, name) = match name.strip_prefix("../") {
        Some(name) => (folder.rsplit_once('/').map_or("", |(above, _)| above), name),
        None => (folder, name),
    };
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
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
        let scope = run.no_run(&names(&["L1R/hyperparams.json", "trainer_0/ae.pt"]));
        assert!(
            scope.contains("folders that have one: L1R, trainer_0; give one"),
            "{scope}"
        );
    }
}
