//! What is done to a feature.

use super::SteeringError;
use std::fmt;
use std::str::FromStr;

/// A number as it is, or in multiples of the largest activation that the feature is known to have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Amount {
    /// As it is.
    Value(f32),
    /// Times the feature's maximum. As text, the number with an `x` behind it: `2.5x`.
    OfMax(f32),
}

/// An edit of one feature: `f` its activation, `W_dec` its row of the decoder, `u = W_dec / ‖W_dec‖`, `x` the activation at the hook.
///
/// As text: the name, and an amount after a colon where one is needed.
///
/// | text | effect | who does so |
/// |---|---|---|
/// | `add:S` | x + S·u | Neuronpedia with `normalize_steering`, AxBench (`add:Sx`) |
/// | `add-raw:S` | f + S, so that S·W_dec is added | Neuronpedia |
/// | `clamp:C` | f = C, whatever it was | Anthropic (`clamp:Cx`), AxBench |
/// | `min-clamp:C` | f = max(f, C) | AxBench |
/// | `scale:A` | f = A·f | |
/// | `ablate` | f = 0 | |
/// | `mean`, `mean:M` | f = its mean, given or known | |
/// | `orthogonal:C`, `orthogonal` | the part of x along u times C; C is 0 if left out | Neuronpedia |
/// | `cap:C` | the part of x along u at most C | Neuronpedia |
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum FeatureEdit {
    /// Adds the decoder's direction, made as long as 1, so many times: in units of the activation at the hook.
    Add(Amount),
    /// Adds to the feature's activation, and so the decoder's row as it is, so many times. Where the SAE scales its input token by token,
    /// the addition is scaled back like its output.
    AddRaw(Amount),
    /// Sets the feature's activation.
    Clamp(Amount),
    /// Raises the feature's activation to this where it is below.
    MinClamp(Amount),
    /// Multiplies the feature's activation.
    Scale(f32),
    /// Sets the feature's activation to zero.
    Ablate,
    /// Sets the feature's activation to its mean; `None` for one that is looked up.
    Mean(Option<f32>),
    /// Multiplies the part of the activation at the hook that lies along the decoder's direction.
    Orthogonal(f32),
    /// Cuts the part of the activation at the hook along the decoder's direction off at this.
    Cap(Amount),
}

/// What is known about a feature from elsewhere, such as a dashboard.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct FeatureFigures {
    /// Its largest activation.
    pub max: Option<f32>,
    /// Its mean activation over the tokens of a reference text, those included on which it is zero.
    pub mean: Option<f32>,
}

impl FeatureFigures {
    /// Of a feature with this maximum and mean.
    pub fn new(max: impl Into<Option<f32>>, mean: impl Into<Option<f32>>) -> Self {
        Self {
            max: max.into(),
            mean: mean.into(),
        }
    }
}

impl FeatureEdit {
    /// The edit in plain numbers: multiples of the maximum multiplied out, the mean filled in.
    ///
    /// # Errors
    /// If a figure is needed and not known, or what comes out is no finite number.
    pub fn resolved(self, feature: u32, figures: FeatureFigures) -> Result<Self, SteeringError> {
        let amount = |amount| -> Result<Amount, SteeringError> {
            match amount {
                Amount::Value(_) => Ok(amount),
                Amount::OfMax(times) => {
                    let edit = self;
                    let max = figures.max;
                    let max = max.ok_or(SteeringError::UnknownMax { feature, edit })?;
                    Ok(Amount::Value(times * max))
                }
            }
        };
        let edit = match self {
            Self::Add(a) => Self::Add(amount(a)?),
            Self::AddRaw(a) => Self::AddRaw(amount(a)?),
            Self::Clamp(a) => Self::Clamp(amount(a)?),
            Self::MinClamp(a) => Self::MinClamp(amount(a)?),
            Self::Cap(a) => Self::Cap(amount(a)?),
            Self::Mean(None) => {
                let mean = figures.mean.ok_or(SteeringError::UnknownMean { feature })?;
                Self::Mean(Some(mean))
            }
            edit @ (Self::Scale(_) | Self::Ablate | Self::Mean(Some(_)) | Self::Orthogonal(_)) => {
                edit
            }
        };
        if edit.number().is_some_and(|n| !n.is_finite()) {
            return Err(SteeringError::NotFinite { feature, edit });
        }
        Ok(edit)
    }

    /// In which unit the number is, in words.
    pub fn unit(self) -> &'static str {
        match self {
            Self::Add(_) => "the decoder's direction made as long as 1",
            Self::AddRaw(_) => "the decoder's row as it is",
            Self::Clamp(_) | Self::MinClamp(_) | Self::Mean(_) | Self::Ablate => {
                "the feature's activation"
            }
            Self::Scale(_) => "times the feature's activation",
            Self::Orthogonal(_) => "times the projection on the decoder's direction",
            Self::Cap(_) => "the projection on the decoder's direction",
        }
    }

    /// Whether it says what the feature's activation becomes, so that a second such edit would contradict it.
    pub(super) fn sets_activation(self) -> bool {
        !matches!(self, Self::Add(_) | Self::Orthogonal(_) | Self::Cap(_))
    }

    fn number(self) -> Option<f32> {
        match self {
            Self::Add(a) | Self::AddRaw(a) | Self::Clamp(a) | Self::MinClamp(a) | Self::Cap(a) => {
                Some(a.number())
            }
            Self::Scale(a) | Self::Orthogonal(a) => Some(a),
            Self::Mean(mean) => mean,
            Self::Ablate => None,
        }
    }
}

impl Amount {
    fn number(self) -> f32 {
        match self {
            Self::Value(x) | Self::OfMax(x) => x,
        }
    }
}

impl From<f32> for Amount {
    fn from(value: f32) -> Self {
        Self::Value(value)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(x) => write!(f, "{x}"),
            Self::OfMax(x) => write!(f, "{x}x"),
        }
    }
}

impl fmt::Display for FeatureEdit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(a) => write!(f, "add:{a}"),
            Self::AddRaw(a) => write!(f, "add-raw:{a}"),
            Self::Clamp(a) => write!(f, "clamp:{a}"),
            Self::MinClamp(a) => write!(f, "min-clamp:{a}"),
            Self::Scale(a) => write!(f, "scale:{a}"),
            Self::Ablate => f.write_str("ablate"),
            Self::Mean(None) => f.write_str("mean"),
            Self::Mean(Some(m)) => write!(f, "mean:{m}"),
            Self::Orthogonal(c) => write!(f, "orthogonal:{c}"),
            Self::Cap(a) => write!(f, "cap:{a}"),
        }
    }
}

/// Text that is not an edit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseEditError {
    /// An unknown name.
    #[error(
        "{0:?} is not an edit; write add:S, add-raw:S, clamp:C, min-clamp:C, scale:A, ablate, mean, mean:M, orthogonal, orthogonal:C or cap:C"
    )]
    Unknown(String),
    /// An edit that needs a number has none.
    #[error("{0} needs a number: {0}:NUMBER")]
    NoNumber(&'static str),
    /// An edit that takes no number has one.
    #[error("{name} takes no number, and has {found:?}")]
    Surplus {
        /// The edit.
        name: &'static str,
        /// What stands behind it.
        found: String,
    },
    /// The number is none.
    #[error("{name}: {found:?} is not a finite number{}", if *.multiples { "; a multiple of the feature's maximum ends in x, as in 2.5x" } else { "" })]
    Number {
        /// The edit.
        name: &'static str,
        /// What stands in the number's place.
        found: String,
        /// Whether multiples of the maximum are possible.
        multiples: bool,
    },
}

/// Every name.
const NAMES: [&str; 9] = [
    "add",
    "add-raw",
    "clamp",
    "min-clamp",
    "scale",
    "ablate",
    "mean",
    "orthogonal",
    "cap",
];

impl FromStr for FeatureEdit {
    type Err = ParseEditError;

    fn from_str(text: &str) -> Result<Self, ParseEditError> {
        let (name, number) = match text.split_once(':') {
            Some((name, number)) => (name, Some(number)),
            None => (text, None),
        };
        let unknown = || ParseEditError::Unknown(text.to_owned());
        let name = *NAMES.iter().find(|n| **n == name).ok_or_else(unknown)?;
        let finite = |text: &str, multiples| {
            let number = text.parse::<f32>().ok().filter(|x| x.is_finite());
            number.ok_or_else(|| ParseEditError::Number {
                name,
                found: text.to_owned(),
                multiples,
            })
        };
        let given = || number.ok_or(ParseEditError::NoNumber(name));
        let amount = || {
            let text = given()?;
            match text.strip_suffix('x') {
                Some(times) => finite(times, true).map(Amount::OfMax),
                None => finite(text, true).map(Amount::Value),
            }
        };
        let plain = |text| finite(text, false);
        Ok(match name {
            "add" => Self::Add(amount()?),
            "add-raw" => Self::AddRaw(amount()?),
            "clamp" => Self::Clamp(amount()?),
            "min-clamp" => Self::MinClamp(amount()?),
            "cap" => Self::Cap(amount()?),
            "scale" => Self::Scale(plain(given()?)?),
            "mean" => Self::Mean(number.map(plain).transpose()?),
            "orthogonal" => Self::Orthogonal(number.map_or(Ok(0.0), plain)?),
            _ => match number {
                None => Self::Ablate,
                Some(found) => {
                    return Err(ParseEditError::Surplus {
                        name,
                        found: found.to_owned(),
                    });
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Amount, FeatureEdit, FeatureFigures};
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        text.parse::<FeatureEdit>().unwrap_err().to_string()
    }

    #[test]
    fn other_text_is_refused() {
        assert!(error("push:3").starts_with("\"push:3\" is not an edit; write add:S, "));
        assert_eq!(error("add"), "add needs a number: add:NUMBER");
        assert_eq!(error("ablate:0"), "ablate takes no number, and has \"0\"");
        assert_eq!(
            error("clamp:nan"),
            "clamp: \"nan\" is not a finite number; a multiple of the feature's maximum ends in x, as in 2.5x"
        );
        assert_eq!(error("scale:2x"), "scale: \"2x\" is not a finite number");
        assert!("".parse::<FeatureEdit>().is_err());
    }

    #[test]
    fn figures_are_filled_in_or_asked_for() {
        let edit = |text: &str| text.parse::<FeatureEdit>().unwrap();
        let known = FeatureFigures::new(4.0, 0.5);
        let resolved = |text| edit(text).resolved(7, known).unwrap();
        assert_eq!(resolved("clamp:2.5x"), FeatureEdit::Clamp(10.0.into()));
        assert_eq!(resolved("mean"), FeatureEdit::Mean(Some(0.5)));
        let lacking = |text| {
            let error = edit(text).resolved(7, FeatureFigures::default());
            error.unwrap_err().to_string()
        };
        assert_eq!(
            lacking("clamp:2x"),
            "clamp:2x of feature 7 is in multiples of its maximum, which is not known; give a number"
        );
        assert_eq!(
            lacking("mean"),
            "the mean of feature 7 is not known; give it as mean:NUMBER"
        );
        let huge = edit("add:3e38x").resolved(7, known);
        assert!(huge.unwrap_err().to_string().contains("finite"));
    }

    proptest! {
        #[test]
        fn text_and_back(x in -1e6_f32..1e6, times: bool, which in 0_usize..9) {
            let amount = if times { Amount::OfMax(x) } else { Amount::Value(x) };
            let edit = [
                FeatureEdit::Add(amount), FeatureEdit::AddRaw(amount), FeatureEdit::Clamp(amount), FeatureEdit::MinClamp(amount),
                FeatureEdit::Scale(x), FeatureEdit::Ablate, FeatureEdit::Mean(times.then_some(x)), FeatureEdit::Orthogonal(x),
                FeatureEdit::Cap(amount),
            ][which];
            prop_assert_eq!(edit.to_string().parse::<FeatureEdit>().unwrap(), edit);
        }
    }
}
