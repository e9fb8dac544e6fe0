//! What a dictionary of several layers is: sizes, hooks, activation.

use crate::formats::Format;

/// The two kinds of dictionaries that read more than one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MultiLayerKind {
    /// Features read one layer and write to it and all above: `y_l = Σ_{i≤l} f_i·W_dec_{i→l} + b_dec_l`.
    CrossLayerTranscoder,
    /// Features read all layers and write to all: `f = relu(Σ_l x_l·W_enc_l + b)`, `y_l = f·W_dec_l + b_dec_l`.
    Crosscoder,
}

impl MultiLayerKind {
    /// The name in JSON and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::CrossLayerTranscoder => "cross_layer_transcoder",
            Self::Crosscoder => "crosscoder",
        }
    }
}

/// Where a layer of such a dictionary reads, and where it writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerHooks {
    /// TransformerLens' name of the hook that is read.
    pub read: String,
    /// TransformerLens' name of the hook that is written: that of a crosscoder is the one that is read.
    pub write: String,
}

impl LayerHooks {
    /// Two hooks.
    pub fn new(read: impl Into<String>, write: impl Into<String>) -> Self {
        Self {
            read: read.into(),
            write: write.into(),
        }
    }
}

/// A dictionary of several layers, as its files describe it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MultiLayerConfig {
    /// What it is.
    pub kind: MultiLayerKind,
    /// Whose files they are.
    pub format: Format,
    /// Layers that it reads, and writes.
    pub n_layers: usize,
    /// Width of the activations of a layer that it reads.
    pub d_in: usize,
    /// Features: of each layer of a cross-layer transcoder, of the whole crosscoder.
    pub d_sae: usize,
    /// Width of what it writes to a layer.
    pub d_out: usize,
    /// Whether features have thresholds.
    pub jump_relu: bool,
    /// Whether the input of a layer, times a matrix, is added to its output.
    pub skip: bool,
    /// A pair of hooks for each layer; none where the files do not name them.
    pub hooks: Vec<LayerHooks>,
    /// The model that it belongs to.
    pub model_name: Option<String>,
    /// What loading folds into the weights, in sentences.
    pub folded: Vec<String>,
}

impl MultiLayerConfig {
    /// `cross_layer_transcoder` or `crosscoder`, with what its activation and its connections add to the name.
    pub fn architecture(&self) -> String {
        let gate = if self.jump_relu { "jumprelu_" } else { "" };
        let skip = if self.skip { "skip_" } else { "" };
        format!("{gate}{skip}{}", self.kind.name())
    }

    /// How many numbers the weights are, all layers together.
    pub fn n_params(&self) -> u64 {
        let [n, d_in, m, d_out] =
            [self.n_layers, self.d_in, self.d_sae, self.d_out].map(|n| n as u64);
        let decoders = match self.kind {
            MultiLayerKind::CrossLayerTranscoder => n * (n + 1) / 2,
            MultiLayerKind::Crosscoder => n,
        };
        let biases = match self.kind {
            MultiLayerKind::CrossLayerTranscoder => n * m,
            MultiLayerKind::Crosscoder => m,
        };
        let thresholds = if self.jump_relu { n * m } else { 0 };
        let skips = if self.skip { n * d_in * d_out } else { 0 };
        n * d_in * m + biases + decoders * m * d_out + n * d_out + thresholds + skips
    }

    /// How many numbers the encoder of one layer is: what is in memory of a cross-layer transcoder whose weights are left in their files.
    pub fn encoder_params(&self) -> u64 {
        self.d_in as u64 * self.d_sae as u64
    }
}
