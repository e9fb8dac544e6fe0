//! The kinds of SAE, and what each needs to know about itself.

/// How an SAE turns activations into features, and back, with its settings.
///
/// The names are SAELens'; see [`Architecture::name`]. `BatchTopK` and Matryoshka SAEs are kinds of training: they are saved, and
/// load, checkpoints included, as JumpReLU SAEs.
#[derive(Debug, Clone, PartialEq)]
pub enum Architecture {
    /// `relu(h)`.
    Standard,
    /// The `k` largest pre-activations, then ReLU, so that fewer than `k` may be active.
    TopK(TopK),
    /// The `k` pre-activations of largest magnitude, with their sign.
    AbsTopK(TopK),
    /// `relu(h)` where `h` exceeds a threshold of the feature.
    JumpRelu,
    /// `relu` of a magnitude path where a gate path is positive.
    Gated,
    /// Greedy selection of decoder directions; the encoder is the decoder's transpose.
    MatchingPursuit(MatchingPursuit),
    /// Features of what attention over earlier positions does not predict.
    Temporal(Temporal),
    /// Reads at one hook and writes at another.
    Transcoder(Transcoder),
    /// The largest pre-activation of each of `k` groups, then ReLU. Not among SAELens' architectures.
    GroupMax(GroupMax),
    /// Reads at one hook and writes at another, with a few features of each token. Not among SAELens' architectures.
    TopKTranscoder(TopKTranscoder),
}

/// Settings of [`Architecture::TopK`] and [`Architecture::AbsTopK`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopK {
    /// Most features active on a token.
    pub k: usize,
    /// Whether features are chosen by pre-activation times decoder norm, and given in that unit.
    pub rescale_acts_by_decoder_norm: bool,
}

/// Settings of [`Architecture::GroupMax`]: the features are `k` groups of neighbours, of which each has one winner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupMax {
    /// The number of groups, a divisor of `d_sae`.
    pub k: usize,
}

/// Settings of [`Architecture::TopKTranscoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopKTranscoder {
    /// Most features active on a token.
    pub k: usize,
    /// Whether the raw input, times `W_skip`, is added to the output.
    pub skip: bool,
    /// Whether the features are `k` groups with one winner each, rather than `k` winners of all.
    pub grouped: bool,
}

impl TopKTranscoder {
    /// The `k` largest of all, without a skip connection.
    pub fn new(k: usize) -> Self {
        Self {
            k,
            skip: false,
            grouped: false,
        }
    }
}

/// Settings of [`Architecture::MatchingPursuit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MatchingPursuit {
    /// A token is done when the norm of what is left falls below this; 0 never stops early.
    pub residual_threshold: f64,
    /// Most steps; `d_in` if `None`.
    pub max_iterations: Option<usize>,
    /// Whether a token is done when a step has not changed which features are active.
    pub stop_on_duplicate_support: bool,
}

/// Settings of [`Architecture::Temporal`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Temporal {
    /// Heads of each attention layer.
    pub n_heads: usize,
    /// Attention layers, each predicting what the ones before it left.
    pub n_attn_layers: usize,
    /// Queries and keys have `d_sae / bottleneck_factor` dimensions.
    pub bottleneck_factor: usize,
    /// Most novel features active on a token; `None` for all positive ones.
    pub k: Option<usize>,
    /// Whether the encoder is the decoder's transpose.
    pub tied_weights: bool,
    /// Factor of `constant_scalar_rescale`.
    pub activation_normalization_factor: f64,
}

/// Settings of [`Architecture::Transcoder`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transcoder {
    /// Whether the raw input, times `W_skip`, is added to the output.
    pub skip: bool,
    /// Whether the activation is JumpReLU rather than ReLU.
    pub jump_relu: bool,
}

/// Every name that `cfg.json` may give as `architecture`.
pub(crate) const NAMES: [&str; 16] = [
    "standard",
    "topk",
    "abstopk",
    "jumprelu",
    "gated",
    "matching_pursuit",
    "temporal",
    "transcoder",
    "skip_transcoder",
    "jumprelu_transcoder",
    "jumprelu_skip_transcoder",
    "groupmax",
    "topk_transcoder",
    "topk_skip_transcoder",
    "groupmax_transcoder",
    "groupmax_skip_transcoder",
];

/// Names that only checkpoints of training give: SAEs that are used as jumprelu.
pub(crate) const TRAINING_NAMES: [&str; 2] = ["batchtopk", "matryoshka_batchtopk"];

impl Architecture {
    /// SAELens' name of the architecture, as in `cfg.json`; ours for the two that SAELens does not have.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::TopK(_) => "topk",
            Self::AbsTopK(_) => "abstopk",
            Self::JumpRelu => "jumprelu",
            Self::Gated => "gated",
            Self::MatchingPursuit(_) => "matching_pursuit",
            Self::Temporal(_) => "temporal",
            Self::Transcoder(Transcoder { skip, jump_relu }) => match (skip, jump_relu) {
                (false, false) => "transcoder",
                (true, false) => "skip_transcoder",
                (false, true) => "jumprelu_transcoder",
                (true, true) => "jumprelu_skip_transcoder",
            },
            Self::GroupMax(_) => "groupmax",
            Self::TopKTranscoder(TopKTranscoder { grouped, skip, .. }) => match (grouped, skip) {
                (false, false) => "topk_transcoder",
                (false, true) => "topk_skip_transcoder",
                (true, false) => "groupmax_transcoder",
                (true, true) => "groupmax_skip_transcoder",
            },
        }
    }

    /// Whether it reads at one hook and writes at another.
    pub fn is_transcoder(&self) -> bool {
        matches!(self, Self::Transcoder(_) | Self::TopKTranscoder(_))
    }

    /// Whether there is a skip connection from input to output.
    pub fn skips(&self) -> bool {
        matches!(
            self,
            Self::Transcoder(Transcoder { skip: true, .. })
                | Self::TopKTranscoder(TopKTranscoder { skip: true, .. })
        )
    }

    /// Whether SAELens has this architecture, and loads what is saved of it.
    pub fn is_in_saelens(&self) -> bool {
        !matches!(self, Self::GroupMax(_) | Self::TopKTranscoder(_))
    }

    /// Whether a full forward pass adds to `decode(encode(x))`: a skip connection, or temporal's predicted part.
    pub fn forward_adds_to_decode(&self) -> bool {
        self.skips() || matches!(self, Self::Temporal(_))
    }
}
