//! The folder of a report.

use crate::page::{Links, page};
use crate::plots::{NAMES, Plot, plots};
#[cfg(feature = "png")]
use crate::plots::{PngError, Renderer};
use crate::report::Report;
use std::path::{Path, PathBuf};
use whole_file::WriteError;

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// The folder cannot be made.
    #[error("{}: the folder cannot be made; is there a file of that name, or may you not write here?", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The plots cannot become pictures.
    #[cfg(feature = "png")]
    #[error(transparent)]
    Png(#[from] PngError),
    /// The build has no pictures.
    #[error(
        "this build draws no PNG; build it with the feature `png`, or convert the files of plots/*.svg elsewhere"
    )]
    NoPng,
    /// The report cannot be put down as JSON.
    #[error("the report cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The folder, made before the work. Dropped before anything is [written](Self::write), it goes again if it was not there.
#[derive(Debug)]
pub struct ReportFolder {
    path: PathBuf,
    /// The folders that were not there, the innermost first.
    made: Vec<PathBuf>,
    png: Option<Pictures>,
}

#[cfg(feature = "png")]
type Pictures = Renderer;

/// There are none in this build.
#[cfg(not(feature = "png"))]
#[derive(Debug)]
enum Pictures {}

#[cfg(feature = "png")]
fn pictures() -> Result<Pictures, ReportError> {
    Ok(Renderer::new()?)
}

#[cfg(not(feature = "png"))]
fn pictures() -> Result<Pictures, ReportError> {
    Err(ReportError::NoPng)
}

#[cfg(feature = "png")]
fn draw(pictures: &Pictures, svg: &str) -> Result<Vec<u8>, ReportError> {
    Ok(pictures.png(svg)?)
}

#[cfg(not(feature = "png"))]
fn draw(pictures: &Pictures, _: &str) -> Result<Vec<u8>, ReportError> {
    match *pictures {}
}

impl ReportFolder {
    /// Makes the folder and the one for plots, and sees whether everything can be written; with `png`, whether plots can be drawn.
    ///
    /// # Errors
    /// If something cannot.
    pub fn make(path: &Path, png: bool) -> Result<Self, ReportError> {
        let png = png.then(pictures).transpose()?;
        let plots = path.join("plots");
        let made = plots
            .ancestors()
            .take_while(|folder| !folder.as_os_str().is_empty() && !folder.exists())
            .map(Path::to_owned)
            .collect();
        let folder = Self {
            path: path.to_owned(),
            made,
            png,
        };
        std::fs::create_dir_all(&plots).map_err(|source| ReportError::Folder {
            path: if path.is_dir() { &plots } else { path }.to_owned(),
            source,
        })?;
        for file in folder.files() {
            whole_file::check(&file)?;
        }
        Ok(folder)
    }

    /// Every file that [`write`](Self::write) writes.
    pub fn files(&self) -> Vec<PathBuf> {
        let endings = ["svg", "png"]
            .into_iter()
            .take(1 + usize::from(self.png.is_some()));
        let plots = endings.flat_map(|ending| {
            NAMES.map(|name| self.path.join("plots").join(format!("{name}.{ending}")))
        });
        let own = ["report.json", "report.html"].map(|name| self.path.join(name));
        own.into_iter().chain(plots).collect()
    }

    /// Writes them all; none gets its name before all are complete.
    ///
    /// # Errors
    /// If one cannot be written; then none is.
    pub fn write(mut self, report: &Report, links: &Links) -> Result<(), ReportError> {
        whole_file::write_all(&self.contents(report, links)?)?;
        self.written();
        Ok(())
    }

    /// Every file with what is to be in it.
    pub(crate) fn contents(
        &self,
        report: &Report,
        links: &Links,
    ) -> Result<Vec<(PathBuf, Vec<u8>)>, ReportError> {
        let plots = plots(report);
        let json = serde_json::to_string_pretty(report)? + "\n";
        let mut contents = vec![json.into_bytes(), page(report, &plots, links).into_bytes()];
        let svgs: Vec<String> = plots.iter().map(Plot::standalone).collect();
        contents.extend(svgs.iter().map(|svg| svg.clone().into_bytes()));
        if let Some(pictures) = &self.png {
            for svg in &svgs {
                contents.push(draw(pictures, svg)?);
            }
        }
        Ok(self.files().into_iter().zip(contents).collect())
    }

    /// The files are there: the folder stays.
    pub(crate) fn written(&mut self) {
        if self.png.is_none() {
            // Pictures of an earlier report would pass for this one's.
            for name in NAMES {
                let _ = std::fs::remove_file(self.path.join("plots").join(format!("{name}.png")));
            }
        }
        self.made.clear();
    }
}

impl Drop for ReportFolder {
    fn drop(&mut self) {
        for folder in &self.made {
            // Fails, rightly, if something is in it.
            let _ = std::fs::remove_dir(folder);
        }
    }
}
