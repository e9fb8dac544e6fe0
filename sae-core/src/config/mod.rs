//! The configuration of an SAE, from `cfg.json`.

mod error;
mod legacy;
mod metadata;
mod model_kwargs;
mod python_json;
mod unfinished;
mod v6;
mod validate;

pub use error::{Problem, SaeConfigError};
pub use metadata::SaeMetadata;
pub(crate) use unfinished::Scaler;
pub use unfinished::{ActivationScales, Unfinished};

use crate::architecture::Architecture;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::Path;

/// No configuration comes near this size.
const MAX_BYTES: u64 = 16 << 20;

/// The configuration of an SAE, from whichever version of `cfg.json`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SaeConfig {
    /// The kind of SAE.
    pub architecture: Architecture,
    /// Width of the activations it reads (for `hook_z`: heads times head width).
    pub d_in: usize,
    /// Number of features.
    pub d_sae: usize,
    /// Width of what it writes; `d_in` but for transcoders.
    pub d_out: usize,
    /// The dtype it was trained in, by torch's name.
    pub dtype: String,
    /// Whether `b_dec` is subtracted from the input.
    pub apply_b_dec_to_input: bool,
    /// How inputs are scaled at run time.
    pub normalize_activations: NormalizeActivations,
    /// Whether heads are joined before encoding.
    pub reshape_activations: ReshapeActivations,
    /// Where it came from and where it belongs.
    pub metadata: SaeMetadata,
    /// Of a checkpoint of training: what loading does to its weights. None for an SAE that is ready for use, and so for every one that
    /// is loaded.
    pub unfinished: Option<Unfinished>,
    /// Of files of another format: how loading reads them. None for `SAELens`' files, and so for every SAE that is loaded.
    pub foreign: Option<Box<crate::formats::Foreign>>,
}

/// Scaling of the input before encoding, undone after decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormalizeActivations {
    /// None.
    None,
    /// None at run time: the factor is folded into the weights, see [`Sae::fold_activation_norm_scaling_factor`](crate::Sae::fold_activation_norm_scaling_factor).
    ExpectedAverageOnlyIn,
    /// Each token scaled to norm `√d_in`.
    ConstantNormRescale,
    /// Each token centred and divided by its (unbiased) standard deviation.
    LayerNorm,
    /// A constant factor; temporal SAEs only.
    ConstantScalarRescale,
    /// None at run time: whitening is folded into the weights after training.
    CovarianceWhitening,
}

/// Reshaping of the input before encoding, undone after decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReshapeActivations {
    /// None.
    None,
    /// `[.., heads, d_head]` to `[.., heads·d_head]`.
    HookZ,
}

/// Words of `cfg.json` and what they stand for: one table for reading, writing and error messages.
pub(crate) const NORMALIZATIONS: [(&str, NormalizeActivations); 6] = [
    ("none", NormalizeActivations::None),
    (
        "expected_average_only_in",
        NormalizeActivations::ExpectedAverageOnlyIn,
    ),
    (
        "constant_norm_rescale",
        NormalizeActivations::ConstantNormRescale,
    ),
    ("layer_norm", NormalizeActivations::LayerNorm),
    (
        "constant_scalar_rescale",
        NormalizeActivations::ConstantScalarRescale,
    ),
    (
        "covariance_whitening",
        NormalizeActivations::CovarianceWhitening,
    ),
];

pub(crate) const RESHAPINGS: [(&str, ReshapeActivations); 2] = [
    ("none", ReshapeActivations::None),
    ("hook_z", ReshapeActivations::HookZ),
];

/// Finds a word in a table, or says which words it has.
pub(crate) fn look_up<T: Copy>(
    table: &[(&str, T)],
    key: &'static str,
    word: &str,
) -> Result<T, Problem> {
    let found = table.iter().find(|(name, _)| *name == word);
    found
        .map(|(_, value)| *value)
        .ok_or_else(|| Problem::Unknown {
            key,
            found: word.to_owned(),
            expected: list(table.iter().map(|(name, _)| *name)),
            hint: String::new(),
        })
}

/// The word of a table that stands for a value.
fn word<T: PartialEq>(table: &[(&'static str, T)], value: &T) -> &'static str {
    let entry = table.iter().find(|(_, v)| v == value);
    entry.expect("the table has every value").0
}

pub(crate) fn list<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

impl NormalizeActivations {
    /// SAELens' word for it.
    pub fn name(self) -> &'static str {
        word(&NORMALIZATIONS, &self)
    }
}

impl ReshapeActivations {
    /// SAELens' word for it.
    pub fn name(self) -> &'static str {
        word(&RESHAPINGS, &self)
    }
}

impl SaeConfig {
    /// A configuration with SAELens' defaults: f32, `b_dec` subtracted except for transcoders, no scaling, no reshaping.
    ///
    /// ```
    /// let cfg = sae_core::SaeConfig::new(sae_core::Architecture::Standard, 64, 512);
    /// assert_eq!((cfg.d_out, cfg.apply_b_dec_to_input), (64, true));
    /// ```
    pub fn new(architecture: Architecture, d_in: usize, d_sae: usize) -> Self {
        Self {
            apply_b_dec_to_input: !architecture.is_transcoder(),
            architecture,
            d_in,
            d_sae,
            d_out: d_in,
            dtype: "float32".to_owned(),
            normalize_activations: NormalizeActivations::None,
            reshape_activations: ReshapeActivations::None,
            metadata: SaeMetadata::default(),
            unfinished: None,
            foreign: None,
        }
    }

    /// Reads a `cfg.json` of SAELens 6, or of a version before it; of a checkpoint of training, too, for which
    /// [`RunDir`](crate::RunDir) reads the factor of its inputs as well.
    ///
    /// # Errors
    /// If the file cannot be read, is not such a configuration, or asks for something this crate does not know. Unlike SAELens,
    /// an activation function it does not know is an error here, never a silent ReLU.
    pub fn from_file(path: &Path) -> Result<Self, SaeConfigError> {
        let read = |source| SaeConfigError::Read {
            path: path.to_owned(),
            source,
        };
        let found = std::fs::metadata(path).map_err(read)?;
        // Opening a pipe would wait for somebody who writes into it.
        if !found.is_file() {
            return Err(read(std::io::Error::other(
                "it is a folder, a pipe or a device",
            )));
        }
        let bytes = found.len();
        if bytes > MAX_BYTES {
            return Err(SaeConfigError::TooLarge {
                path: path.to_owned(),
                bytes,
            });
        }
        let text = std::fs::read_to_string(path).map_err(read)?;
        Self::from_json(&text, path)
    }

    /// Reads the text of a `cfg.json`; `path` is for messages only.
    ///
    /// # Errors
    /// As [`from_file`](Self::from_file), without reading.
    pub fn from_json(text: &str, path: &Path) -> Result<Self, SaeConfigError> {
        if text.starts_with('\u{feff}') {
            return Err(SaeConfigError::Json {
                path: path.to_owned(),
                key: None,
                reason: "begins with a byte order mark, which JSON does not have; save it as UTF-8 without one"
                    .to_owned(),
            });
        }
        // NaN in a key that is not used harms nothing; where a number is needed, null is refused by its key.
        let strict = python_json::strict(text.as_bytes()).and_then(|b| String::from_utf8(b).ok());
        let text = strict.as_deref().unwrap_or(text);
        let value: Value = serde_json::from_str(text).map_err(|error| SaeConfigError::Json {
            path: path.to_owned(),
            key: None,
            reason: error::in_words(&error),
        })?;
        if let Some(found) = value.get("metadata").filter(|found| !found.is_object()) {
            let expected = "an object, with hook_name, model_name and the like";
            return Err(SaeConfigError::Value {
                path: path.to_owned(),
                problem: invalid("metadata", shown(found), expected),
            });
        }
        let cfg = if is_v6(&value) {
            typed::<v6::Cfg>(text, path)?.try_into()
        } else {
            typed::<legacy::Cfg>(text, path)?.try_into()
        };
        cfg.and_then(Self::validated)
            .map_err(|problem| SaeConfigError::Value {
                path: path.to_owned(),
                problem,
            })
    }

    /// Whether inputs may have been multiplied by something in training that is neither in the weights nor known.
    pub fn lacks_scales(&self) -> bool {
        let unfinished = self.unfinished.is_some_and(|u| u.scales.is_none());
        unfinished || self.normalize_activations == NormalizeActivations::ExpectedAverageOnlyIn
    }

    /// Says what inputs and targets were multiplied by in training, for weights into which loading is to fold it.
    pub fn set_scales(&mut self, scales: ActivationScales) {
        self.unfinished
            .get_or_insert(Unfinished {
                shared_threshold: false,
                fold_w_dec_norm: false,
                scales: None,
            })
            .scales = Some(scales);
        self.normalize_activations = NormalizeActivations::None;
        let factor = scales.input.into();
        self.metadata
            .extra
            .insert("activation_scaling_factor".to_owned(), factor);
    }

    /// The configuration as SAELens 6 writes it, of the SAE as it is used.
    pub fn to_json(&self) -> String {
        format!("{:#}", v6::to_value(self))
    }
}

pub(crate) fn invalid(
    key: &'static str,
    found: impl std::fmt::Display,
    expected: impl Into<String>,
) -> Problem {
    Problem::Invalid {
        key,
        found: found.to_string(),
        expected: expected.into(),
    }
}

/// Reads JSON that is known to be well-formed into a type; an error says under which key it is of another.
fn typed<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, SaeConfigError> {
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let key = error.path().to_string();
        SaeConfigError::Json {
            path: path.to_owned(),
            key: (key != ".").then_some(key),
            reason: error::in_words(error.inner()),
        }
    })
}

/// A value for a message: whole if it is short, else what it is.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    match value {
        _ if text.chars().count() <= 40 => text,
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        _ => text.chars().take(39).chain(['…']).collect(),
    }
}

/// Version 6 writes its version, and nests what is not the SAE's own under `metadata`; a nested `metadata` without a version is
/// taken as version 6 too, since nothing older has one.
fn is_v6(value: &Value) -> bool {
    let version = value
        .get("sae_lens_version")
        .or_else(|| value.get("metadata")?.get("sae_lens_version"));
    match version.and_then(Value::as_str) {
        Some(version) => {
            let major = version.split('.').next().unwrap_or_default();
            major.parse::<u32>().map_or(true, |major| major >= 6)
        }
        None => value.get("metadata").is_some_and(Value::is_object),
    }
}

#[cfg(test)]
mod tests;
