//! What is trained.

use std::fmt;
use std::str::FromStr;

/// A kind of SAE as it is trained, by SAELens' names. `batchtopk` and `matryoshka_batchtopk` are saved as `jumprelu`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrainArchitecture {
    /// ReLU with an L1 penalty.
    Standard,
    /// A gate and a magnitude, with an auxiliary reconstruction by the gate.
    Gated,
    /// The k largest pre-activations of a token.
    TopK,
    /// The k largest by magnitude, with their signs.
    AbsTopK,
    /// The k·n largest pre-activations of a batch of n tokens.
    BatchTopK,
    /// As `BatchTopK`, with the first so many features reconstructing on their own as well.
    MatryoshkaBatchTopK,
    /// Thresholds that are learnt through a straight-through estimator.
    JumpRelu,
    /// Decoder directions chosen greedily; there is no encoder.
    MatchingPursuit,
    /// `Standard`, from one hook to another.
    Transcoder,
    /// As `Transcoder`, with a linear connection beside it.
    SkipTranscoder,
    /// `JumpRelu`, from one hook to another.
    JumpReluTranscoder,
    /// As `JumpReluTranscoder`, with a linear connection beside it.
    JumpReluSkipTranscoder,
}

impl TrainArchitecture {
    /// Every one.
    pub const ALL: [Self; 12] = [
        Self::Standard,
        Self::Gated,
        Self::TopK,
        Self::AbsTopK,
        Self::BatchTopK,
        Self::MatryoshkaBatchTopK,
        Self::JumpRelu,
        Self::MatchingPursuit,
        Self::Transcoder,
        Self::SkipTranscoder,
        Self::JumpReluTranscoder,
        Self::JumpReluSkipTranscoder,
    ];

    /// SAELens' name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Gated => "gated",
            Self::TopK => "topk",
            Self::AbsTopK => "abstopk",
            Self::BatchTopK => "batchtopk",
            Self::MatryoshkaBatchTopK => "matryoshka_batchtopk",
            Self::JumpRelu => "jumprelu",
            Self::MatchingPursuit => "matching_pursuit",
            Self::Transcoder => "transcoder",
            Self::SkipTranscoder => "skip_transcoder",
            Self::JumpReluTranscoder => "jumprelu_transcoder",
            Self::JumpReluSkipTranscoder => "jumprelu_skip_transcoder",
        }
    }

    /// Whether it reads at one hook and writes at another.
    pub fn is_transcoder(self) -> bool {
        matches!(
            self,
            Self::Transcoder
                | Self::SkipTranscoder
                | Self::JumpReluTranscoder
                | Self::JumpReluSkipTranscoder
        )
    }

    /// Whether the input reaches the output by a matrix as well.
    pub fn has_skip(self) -> bool {
        matches!(self, Self::SkipTranscoder | Self::JumpReluSkipTranscoder)
    }

    /// Whether each feature has a threshold that is learnt.
    pub fn has_threshold(self) -> bool {
        matches!(
            self,
            Self::JumpRelu | Self::JumpReluTranscoder | Self::JumpReluSkipTranscoder
        )
    }

    /// Whether features are selected by a number of them, and dead ones are revived by an auxiliary loss.
    pub fn is_topk(self) -> bool {
        matches!(self, Self::TopK | Self::AbsTopK) || self.is_batch_topk()
    }

    /// Whether the number of active features is that of a batch.
    pub fn is_batch_topk(self) -> bool {
        matches!(self, Self::BatchTopK | Self::MatryoshkaBatchTopK)
    }
}

impl fmt::Display for TrainArchitecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no architecture's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no trainer for {found:?}; expected one of {}", names())]
#[non_exhaustive]
pub struct UnknownArchitecture {
    /// The name.
    pub found: String,
}

fn names() -> String {
    TrainArchitecture::ALL
        .map(TrainArchitecture::name)
        .join(", ")
}

impl FromStr for TrainArchitecture {
    type Err = UnknownArchitecture;

    /// Hyphens stand for underscores, and `matryoshka-batchtopk` may be written in full.
    fn from_str(text: &str) -> Result<Self, UnknownArchitecture> {
        let name = text.replace('-', "_");
        let found = Self::ALL.into_iter().find(|a| a.name() == name);
        found.ok_or_else(|| UnknownArchitecture {
            found: text.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TrainArchitecture;

    #[test]
    fn names_lead_back() {
        for architecture in TrainArchitecture::ALL {
            assert_eq!(architecture.name().parse(), Ok(architecture));
            assert_eq!(
                architecture.name().replace('_', "-").parse(),
                Ok(architecture)
            );
        }
        let error = "batch-topk".parse::<TrainArchitecture>().unwrap_err();
        assert!(error.to_string().contains("matryoshka_batchtopk"));
    }
}
