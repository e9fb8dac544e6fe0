//! What may be said about files that do not say it themselves.

use super::Format;
use std::str::FromStr;

/// How a run is opened: the defaults find everything out from its files.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct RunOptions {
    /// Whose files these are, in place of what the files look like.
    pub format: Option<Format>,
    /// The activation, for files that do not say it.
    pub activation: Option<GivenActivation>,
    /// The layer, of a set of transcoders.
    pub layer: Option<usize>,
}

/// An activation as a user names it: `relu`, `jumprelu`, `topk:K`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GivenActivation {
    /// `max(h, 0)`.
    Relu,
    /// `h` where it exceeds a threshold that is in the file.
    JumpRelu,
    /// The K largest, then ReLU.
    TopK(usize),
}

/// A text that names no activation.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "there is no activation {found:?}; expected relu, jumprelu or topk:K with K from 1, as in topk:32"
)]
pub struct ParseActivationError {
    found: String,
}

impl FromStr for GivenActivation {
    type Err = ParseActivationError;

    fn from_str(text: &str) -> Result<Self, ParseActivationError> {
        let k = text.strip_prefix("topk:").and_then(|k| k.parse().ok());
        match (text, k) {
            ("relu", _) => Ok(Self::Relu),
            ("jumprelu", _) => Ok(Self::JumpRelu),
            (_, Some(k)) if k > 0 => Ok(Self::TopK(k)),
            _ => Err(ParseActivationError {
                found: text.to_owned(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::GivenActivation;

    #[test]
    fn activations_have_names() {
        assert_eq!(
            "relu".parse::<GivenActivation>().unwrap(),
            GivenActivation::Relu
        );
        assert_eq!(
            "topk:8".parse::<GivenActivation>().unwrap(),
            GivenActivation::TopK(8)
        );
        for wrong in ["topk", "topk:0", "topk:-1", "gelu", ""] {
            assert!(wrong.parse::<GivenActivation>().is_err(), "{wrong}");
        }
    }
}
