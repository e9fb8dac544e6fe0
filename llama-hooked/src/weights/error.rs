//! Errors of loading weights.

use crate::config::LlamaConfigError;
use std::path::PathBuf;

/// A model that cannot be loaded: which file, which tensor, what was found and what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LlamaLoadError {
    /// The configuration is at fault.
    #[error(transparent)]
    Config(#[from] LlamaConfigError),
    /// There is no file of weights at all.
    #[error("no file of weights was given")]
    NoWeights,
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what its name says.
    #[error("{}: is not a safetensors file: {reason}; if it was downloaded, it may be incomplete", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// In words.
        reason: String,
    },
    /// Two files have the same tensor.
    #[error("tensor {name} is both in {} and in {}", first.display(), second.display())]
    Duplicate {
        /// The tensor.
        name: String,
        /// The one file.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// A tensor of the architecture is nowhere.
    #[error("tensor {name} of shape {expected:?} is missing from {files}{hint}")]
    Missing {
        /// The tensor.
        name: String,
        /// Its shape by the configuration.
        expected: Vec<usize>,
        /// Where it was looked for.
        files: String,
        /// A suggestion, or empty.
        hint: &'static str,
    },
    /// A tensor that the architecture does not have.
    #[error("{}: tensor {name} of shape {found:?} is not part of a Llama with this configuration{hint}", path.display())]
    Extra {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// A hint, or empty.
        hint: &'static str,
    },
    /// A tensor of another shape than the configuration implies.
    #[error("{}: tensor {name} has shape {found:?}, expected {expected:?} by the configuration", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// By the configuration.
        expected: Vec<usize>,
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
    /// A dtype that models do not run in.
    #[error("a model cannot be loaded as {0:?}; choose F32, F16 or BF16")]
    Target(burn::tensor::FloatDType),
}
