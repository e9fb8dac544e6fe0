//! The report's plots.

mod bars;
mod histograms;
mod layers;
#[cfg(feature = "png")]
mod png;
mod svg;

pub(crate) use layers::over_layers;
#[cfg(feature = "png")]
pub use png::{PngError, Renderer};
pub use svg::Plot;
pub(crate) use svg::STYLE;

use crate::report::Report;

/// Names of the plots' files, without their endings.
pub const NAMES: [&str; 4] = ["l0", "density", "losses", "explained_variance"];

/// Every plot of a report, in the order of [`NAMES`].
pub fn plots(report: &Report) -> [Plot; 4] {
    [
        histograms::l0(&report.l0),
        histograms::density(&report.features),
        bars::losses(&report.loss),
        bars::variances(report.reconstruction_quality.as_ref()),
    ]
}
