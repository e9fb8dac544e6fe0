//! Errors of loading weights.

use crate::config::SaeConfigError;
use std::path::PathBuf;

/// An SAE that cannot be loaded: which file, which tensor, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SaeLoadError {
    /// There is no SAE at this place.
    #[error(transparent)]
    Run(#[from] crate::run_dir::RunDirError),
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] SaeConfigError),
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Files of another format are at fault.
    #[error(transparent)]
    Foreign(#[from] crate::formats::FormatError),
    /// A file is not what its name says.
    #[error("{}: is not a safetensors file: {reason}; if it was copied or downloaded, it may be incomplete", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// A tensor of the architecture is not there.
    #[error("{}: tensor {name} of shape {expected:?} is missing; {architecture} SAEs have one, the file has {found}", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape by the configuration.
        expected: Vec<usize>,
        /// The configuration's architecture.
        architecture: &'static str,
        /// The names in the file.
        found: String,
    },
    /// A tensor that the architecture does not have.
    #[error("{}: tensor {name} of shape {found:?} is not part of a {architecture} SAE; is \"architecture\" in cfg.json right?", path.display())]
    Extra {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The configuration's architecture.
        architecture: &'static str,
    },
    /// A tensor that is none of the format's.
    #[error("{}: tensor {name} of shape {found:?} is none that a {architecture} SAE of the format {format} has; are these files of another kind or version?", path.display())]
    Unknown {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The configuration's architecture.
        architecture: &'static str,
        /// The format.
        format: crate::formats::Format,
    },
    /// A tensor of another shape than the configuration implies.
    #[error("{}: tensor {name} has shape {found:?}, expected {expected:?} by {by}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// By the configuration.
        expected: Vec<usize>,
        /// The configuration: `cfg.json`, or a format's own.
        by: String,
    },
    /// A tensor whose numbers are not plain floats.
    #[error("{}: tensor {name} is stored as {found}, expected F32, F16 or BF16", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// As the file calls it.
        found: String,
    },
    /// A weight that is NaN or infinite.
    #[error("{}: tensor {name} holds {found} at {index:?}, expected finite numbers; did the training diverge, or was the file damaged?", path.display())]
    NotFinite {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Where it first is so.
        index: Vec<usize>,
        /// The value found.
        found: f32,
    },
    /// A fine-tuning factor that is not 1, which nothing applies any more.
    #[error("{}: tensor scaling_factor is not all ones: this SAE was fine-tuned with a factor per feature, which SAELens no longer applies; multiply W_dec by it and remove it", path.display())]
    ScalingFactor {
        /// The file.
        path: PathBuf,
    },
    /// A dtype that SAEs do not run in.
    #[error("an SAE cannot be loaded as {0:?}; choose F32, F16 or BF16")]
    Target(burn::tensor::FloatDType),
}
