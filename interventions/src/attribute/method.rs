//! How effects are found.

use std::fmt;
use std::str::FromStr;

/// How the effect of a part on the metric is found.
///
/// As text: `gradient`, `integrated` or `integrated:N`, `ablate`, `direct`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Method {
    /// One gradient: what a part is, or the difference to what it is in the other prompt, times ∂metric/∂part. With another prompt this is
    /// attribution patching.
    Gradient,
    /// The mean gradient at this many points (the middles of as many pieces) on the straight line to the activation from zero, or from that of
    /// the other prompt. The effects sum to the difference of the metric between both ends.
    Integrated(usize),
    /// Each part taken away, or patched, by itself, and the layers above run again. Exact for each; effects do not add up.
    Ablate,
    /// What a part adds to the logits straight through the residual stream, at the last position, with the final norm's divisor held fixed.
    Direct,
}

/// Steps of the straight line unless told otherwise.
const STEPS: usize = 16;
/// More steps than any line needs.
const MOST_STEPS: usize = 4096;

/// Text that is not a method.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a method; write gradient, integrated, integrated:N (N from 1 to {MOST_STEPS}), ablate or direct"
)]
#[non_exhaustive]
pub struct ParseMethodError(String);

impl FromStr for Method {
    type Err = ParseMethodError;

    fn from_str(text: &str) -> Result<Self, ParseMethodError> {
        let steps = |text: &str| {
            let n = text.parse().ok();
            n.filter(|n| (1..=MOST_STEPS).contains(n))
        };
        let found = match text {
            "gradient" => Some(Self::Gradient),
            "integrated" => Some(Self::Integrated(STEPS)),
            "ablate" => Some(Self::Ablate),
            "direct" => Some(Self::Direct),
            other => other
                .strip_prefix("integrated:")
                .and_then(steps)
                .map(Self::Integrated),
        };
        found.ok_or_else(|| ParseMethodError(text.to_owned()))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gradient => f.write_str("gradient"),
            Self::Integrated(n) => write!(f, "integrated:{n}"),
            Self::Ablate => f.write_str("ablate"),
            Self::Direct => f.write_str("direct"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Method;

    #[test]
    fn text_and_back() {
        for text in ["gradient", "integrated:8", "ablate", "direct"] {
            assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
        }
        assert_eq!("integrated".parse(), Ok(Method::Integrated(16)));
        for text in ["integrated:0", "integrated:9999", "ig", ""] {
            let error = text.parse::<Method>().unwrap_err().to_string();
            assert!(error.contains("is not a method; write gradient"), "{error}");
        }
    }
}
