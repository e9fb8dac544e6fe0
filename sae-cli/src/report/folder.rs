//! The folder that `sae analyze` writes.

use super::plots::{NAMES, Renderer, plots};
use super::{Links, Report, page};
use crate::UsageError;
use crate::output::{check_file, pretty, write_files};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The folder, made before the work. Dropped before anything is [written](Folder::write), it goes again if it was not there.
pub(crate) struct Folder {
    path: PathBuf,
    /// The folders that were not there, the innermost first.
    made: Vec<PathBuf>,
    renderer: Option<Renderer>,
}

impl Folder {
    /// Makes the folder and the one for plots, and sees whether everything can be written; with `png`, whether plots can be drawn.
    pub(crate) fn make(path: &Path, png: bool) -> Result<Self> {
        if path == Path::new("-") {
            bail!(UsageError(
                "--out -: the report is a folder of files and does not go to stdout; give the name of a folder, and --json for the figures".to_owned()
            ));
        }
        let renderer = png.then(Renderer::new).transpose()?;
        let plots = path.join("plots");
        let made = plots
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .map(Path::to_owned)
            .collect();
        let folder = Self {
            path: path.to_owned(),
            made,
            renderer,
        };
        std::fs::create_dir_all(&plots).with_context(|| {
            format!(
                "{}: the folder cannot be made; is there a file of that name, or may you not write here?",
                if path.is_dir() { &plots } else { path }.display()
            )
        })?;
        for file in folder.files() {
            check_file("--out", &file)?;
        }
        Ok(folder)
    }

    /// Every file that [`write`](Self::write) writes.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let endings = ["svg", "png"]
            .into_iter()
            .take(1 + usize::from(self.renderer.is_some()));
        let plots = endings.flat_map(|ending| {
            NAMES.map(|name| self.path.join("plots").join(format!("{name}.{ending}")))
        });
        let own = ["report.json", "report.html"].map(|name| self.path.join(name));
        own.into_iter().chain(plots).collect()
    }

    /// Writes them all; none gets its name before all are complete.
    pub(crate) fn write(mut self, report: &Report, links: &Links) -> Result<()> {
        let plots = plots(report);
        let svgs: Vec<String> = plots.iter().map(super::plots::Plot::standalone).collect();
        let mut contents = vec![
            pretty(report)?.into_bytes(),
            page(report, &plots, links)?.into_bytes(),
        ];
        contents.extend(svgs.iter().map(|svg| svg.clone().into_bytes()));
        if let Some(renderer) = &self.renderer {
            for svg in &svgs {
                contents.push(renderer.png(svg)?);
            }
        }
        let files = self.files();
        let pairs: Vec<(&Path, &[u8])> = files
            .iter()
            .map(PathBuf::as_path)
            .zip(contents.iter().map(Vec::as_slice))
            .collect();
        write_files(&pairs)?;
        if self.renderer.is_none() {
            // Pictures of an earlier report would pass for this one's.
            for name in NAMES {
                let _ = std::fs::remove_file(self.path.join("plots").join(format!("{name}.png")));
            }
        }
        self.made.clear();
        Ok(())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for folder in &self.made {
            // Fails, rightly, if something is in it.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
