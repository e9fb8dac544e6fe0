//! The folder of several reports: a folder for each, a page and a JSON file of all.

use crate::folder::{ReportError, ReportFolder};
use crate::page::Links;
use crate::several::SeveralReports;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// What stands beside the folders.
const PAGE: &str = "index.html";
const JSON: &str = "report.json";

/// The folders, made before the work. Dropped before anything is [written](Self::write), those that were not there go again.
#[derive(Debug)]
pub struct ReportFolders {
    path: PathBuf,
    names: Vec<String>,
    each: Vec<ReportFolder>,
}

impl ReportFolders {
    /// Makes a folder in `path` for each SAE of these names, and sees whether everything can be written. A folder is called what its SAE's name
    /// ends with, in letters, digits and `._-`; where that is not enough to tell them apart, a number follows.
    ///
    /// # Errors
    /// As [`ReportFolder::make`].
    pub fn make(path: &Path, saes: &[String], png: bool) -> Result<Self, ReportError> {
        let names = folder_names(saes);
        let mut folders = Self {
            path: path.to_owned(),
            names,
            each: Vec::new(),
        };
        for name in &folders.names {
            let made = ReportFolder::make(&path.join(name), png)?;
            folders.each.push(made);
        }
        for file in folders.own_files() {
            whole_file::check(&file)?;
        }
        Ok(folders)
    }

    /// The folders' names, in the order of the SAEs.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    fn own_files(&self) -> [PathBuf; 2] {
        [PAGE, JSON].map(|name| self.path.join(name))
    }

    /// Every file that [`write`](Self::write) writes.
    pub fn files(&self) -> Vec<PathBuf> {
        let own = self.own_files().into_iter();
        own.chain(self.each.iter().flat_map(ReportFolder::files))
            .collect()
    }

    /// Writes them all; none gets its name before all are complete. There are as many links as SAEs.
    ///
    /// # Errors
    /// If one cannot be written; then none is.
    pub fn write<P: Serialize>(
        mut self,
        reports: &SeveralReports<P>,
        links: &[Links],
    ) -> Result<(), ReportError> {
        let json = serde_json::to_string_pretty(reports)? + "\n";
        let own = [reports.page().into_bytes(), json.into_bytes()];
        let mut files: Vec<_> = self.own_files().into_iter().zip(own).collect();
        for ((folder, of), links) in self.each.iter().zip(&reports.saes).zip(links) {
            files.extend(folder.contents(&of.report, links)?);
        }
        whole_file::write_all(&files)?;
        self.each.iter_mut().for_each(ReportFolder::written);
        Ok(())
    }
}

impl Drop for ReportFolders {
    fn drop(&mut self) {
        // The first has made the folder around all of them, and goes last.
        while self.each.pop().is_some() {}
    }
}

fn folder_names(saes: &[String]) -> Vec<String> {
    // Where a file system takes capitals for small letters, too.
    let mut taken = vec![PAGE.to_owned(), JSON.to_owned()];
    let name = |sae: &String| {
        let last = sae.rsplit(['/', '\\']).find(|part| !part.is_empty());
        let fits = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        let chars = last.unwrap_or_default().chars().take(100);
        let name: String = chars.map(|c| if fits(c) { c } else { '-' }).collect();
        // Neither hidden nor the folder above.
        let name = name.trim_matches('.');
        let name = if name.is_empty() { "sae" } else { name };
        let numbered = (2..).map(|n| format!("{name}-{n}"));
        let mut names = std::iter::once(name.to_owned()).chain(numbered);
        let free = names.find(|name| !taken.contains(&name.to_lowercase()));
        let free = free.unwrap_or_default();
        taken.push(free.to_lowercase());
        free
    };
    saes.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::{ReportFolders, folder_names};

    #[test]
    fn folders_are_told_apart() {
        let names = [
            "runs/a/l3/",
            "runs/b/L3",
            "release/l3",
            "../..",
            "x/index.html",
            "o/n@main:layers/ä b",
            "",
        ];
        let names = folder_names(&names.map(str::to_owned));
        let expected = ["l3", "L3-2", "l3-3", "sae", "index.html-2", "--b", "sae-2"];
        assert_eq!(names, expected);
    }

    #[test]
    fn folders_that_nothing_was_written_to_go_again() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/out");
        let saes = ["x".to_owned(), "y".to_owned()];
        let folders = ReportFolders::make(&out, &saes, false).unwrap();
        assert!(out.join("y/plots").is_dir());
        drop(folders);
        assert!(!dir.path().join("a").exists());
    }
}
