//! Everything a page shows of one feature.

use serde::{Deserialize, Serialize};

/// One feature's dashboard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Feature {
    /// Its number in the dictionary, below `d_sae`.
    pub index: u32,
    /// Figures of its activations.
    pub statistics: Statistics,
    /// Its activations above zero in 50 bins of equal width from the least to the largest. The counts add up to [`Statistics::n_fired`].
    pub activations: ValueHistogram,
    /// Which tokens its direction makes likelier and unlikelier; none where the model's unembedding was not given.
    pub lens: Option<Lens>,
    /// Features like it.
    pub neighbours: Neighbours,
    /// The largest entries of its decoder direction by magnitude, largest first.
    pub alignment: Vec<NeuronWeight>,
    /// Euclidean norm of its decoder direction.
    pub decoder_norm: f32,
    /// Contexts it fires in: the top ones, then the intervals from the highest down, then some drawn at random.
    pub groups: Vec<Group>,
}

/// Figures of a feature's activations. A token counts as firing when the activation is above zero; only kept tokens count.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Tokens on which it fires.
    pub n_fired: u64,
    /// `n_fired` over the kept tokens.
    pub density: f64,
    /// The largest activation; 0 where it never fires, as the other figures.
    pub max: f32,
    /// Mean of the activations above zero.
    pub mean: f64,
    /// Mean of the squares of the activations above zero.
    pub mean_square: f64,
    /// Skewness of the activations above zero, `m₃ / m₂^(3/2)` of central moments; 0 where they are all the same.
    pub skewness: f64,
    /// Kurtosis of the activations above zero, `m₄ / m₂²` of central moments (3 for a normal distribution); 0 where they are all the same.
    pub kurtosis: f64,
    /// Quantiles of the activations above zero.
    pub quantiles: Vec<Quantile>,
}

/// The share `p` of all values does not exceed `value`: the smallest value seen of which this is true.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quantile {
    /// 0 to 1.
    pub p: f64,
    /// The quantile.
    pub value: f32,
}

/// Counts in bins of equal width. A value lies in bin `⌊(x − min) / width⌋`, the largest in the last bin.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ValueHistogram {
    /// Left edge of the first bin.
    pub min: f32,
    /// Right edge of the last bin.
    pub max: f32,
    /// One per bin; empty where there was nothing to count.
    pub counts: Vec<u64>,
}

/// How a direction becomes logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LensConvention {
    /// `d · diag(γ) · W_U`, less the mean over the vocabulary: the weight of the final norm is folded into the unembedding, which is centred.
    Folded,
    /// `d · W_U`.
    Raw,
}

/// The logits that a feature's decoder direction adds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lens {
    /// Which of the conventions in use.
    pub convention: LensConvention,
    /// The ten largest, largest first.
    pub top: Vec<TokenLogit>,
    /// The ten smallest, smallest first.
    pub bottom: Vec<TokenLogit>,
    /// All logits in 50 bins.
    pub histogram: ValueHistogram,
}

/// A token and its logit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TokenLogit {
    /// Token id.
    pub token: u32,
    /// Its logit.
    pub logit: f32,
}

/// Features that point the same way, and features that fire together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Neighbours {
    /// By cosine of decoder directions over the whole dictionary, itself left out, largest first.
    pub decoder: Vec<Neighbour>,
    /// By the share of this feature's (sampled) firing tokens on which the other fires too, largest first; ultra-dense features, which fire with everything, are in it too.
    pub coactive: Vec<Neighbour>,
    /// Firing tokens that `coactive` is estimated from: all of them, or a sample.
    pub n_sampled: u64,
}

/// A feature and how near it is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// Which feature.
    pub index: u32,
    /// Cosine, or share of tokens.
    pub value: f32,
}

/// An entry of the decoder direction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct NeuronWeight {
    /// Dimension of the activation that the SAE writes.
    pub neuron: u32,
    /// The entry.
    pub value: f32,
    /// Its magnitude over the sum of all magnitudes.
    pub l1_share: f32,
}

/// Some of the contexts a feature fires in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// How they were chosen.
    pub kind: GroupKind,
    /// Largest activation first in the top group, in the order of the text in the others. A context appears once in all groups of a feature together.
    pub examples: Vec<Example>,
}

/// How the examples of a group were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum GroupKind {
    /// The largest activations.
    Top,
    /// A sample of the tokens whose activation is in `(low, high]`.
    Interval {
        /// Lower bound, outside.
        low: f32,
        /// Upper bound, inside.
        high: f32,
        /// Tokens with such an activation.
        n_fired: u64,
    },
    /// A sample of all tokens on which it fires.
    Random,
}

/// A token on which the feature fires, and the text around it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// The context (row of the token table) it is in.
    pub context: u64,
    /// Position of the token in its context.
    pub position: u32,
    /// Position in its context of the first token shown.
    pub start: u32,
    /// Ids of the tokens shown.
    pub tokens: Vec<u32>,
    /// The feature's activation on each of them; tokens that do not count (masked ones) have 0.
    pub values: Vec<f32>,
}
