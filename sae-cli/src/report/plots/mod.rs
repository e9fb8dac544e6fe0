//! The report's plots.

mod bars;
mod histograms;
mod png;
mod scale;
mod svg;

pub(crate) use png::Renderer;
pub(crate) use scale::{count, number, percent};
pub(crate) use svg::Plot;

use super::Report;

/// How the parts of a plot look, in the variables of the page.
pub(crate) const STYLE: &str = include_str!("plots.css");

/// Names of the plots' files, without their endings.
pub(crate) const NAMES: [&str; 4] = ["l0", "density", "losses", "explained_variance"];

/// Every plot of a report, in the order of [`NAMES`].
pub(crate) fn plots(report: &Report) -> [Plot; 4] {
    [
        histograms::l0(&report.l0),
        histograms::density(&report.features),
        bars::losses(&report.loss),
        bars::variances(report.reconstruction_quality.as_ref()),
    ]
}
