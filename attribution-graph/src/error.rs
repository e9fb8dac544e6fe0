//! What can be wrong.

use llama_hooked::ForwardError;
use sae_core::SaeLoadError;
use std::fmt;

/// Transcoders that do not replace a model's MLPs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TranscoderError {
    /// Another kind of SAE.
    #[error(
        "{name}: is a {architecture} SAE; a graph needs transcoders, which read an MLP's input and write its output"
    )]
    NotATranscoder {
        /// The folder, or its place in the list.
        name: String,
        /// What it is.
        architecture: &'static str,
    },
    /// It scales its inputs by something that depends on them.
    #[error(
        "{name}: scales its inputs at run time (normalize_activations {normalization}), so that its features are not linear in them; \
         expected a transcoder with none"
    )]
    Normalizes {
        /// The folder, or its place in the list.
        name: String,
        /// SAELens' word.
        normalization: &'static str,
    },
    /// It reads or writes elsewhere.
    #[error("{name}: {problem}")]
    Place {
        /// The folder, or its place in the list.
        name: String,
        /// What is wrong.
        problem: String,
    },
    /// It belongs to a wider or narrower model.
    #[error(
        "{name}: reads {d_in} and writes {d_out} dimensions, the model has {d_model}; was it trained on this model?"
    )]
    Width {
        /// The folder, or its place in the list.
        name: String,
        /// What it reads.
        d_in: usize,
        /// What it writes.
        d_out: usize,
        /// The model's.
        d_model: usize,
    },
    /// The model has no such layer.
    #[error("{name}: belongs to block {layer}, the model has blocks 0 to {last}")]
    NoSuchLayer {
        /// The folder, or its place in the list.
        name: String,
        /// Its layer.
        layer: usize,
        /// The model's last.
        last: usize,
    },
    /// Two for one layer.
    #[error(
        "{first} and {second} both belong to block {layer}; give one transcoder for each block"
    )]
    Twice {
        /// The layer.
        layer: usize,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// Layers without one.
    #[error(
        "there is no transcoder for {}; a graph needs one for each of the model's {n_layers} blocks",
        blocks(layers)
    )]
    Missing {
        /// Those without.
        layers: Vec<usize>,
        /// Of the model.
        n_layers: usize,
    },
}

/// Block numbers in words, some of many.
fn blocks(layers: &[usize]) -> String {
    let named: Vec<String> = layers.iter().take(8).map(ToString::to_string).collect();
    let more = layers.len() - named.len();
    let more = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    let s = if layers.len() == 1 { "" } else { "s" };
    format!("block{s} {}{more}", named.join(", "))
}

/// A prompt with more active features than fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TooLarge {
    /// Features active so far.
    pub n_active: usize,
    /// Layers these are of.
    pub layers: usize,
    /// Of the model.
    pub n_layers: usize,
    /// Bytes that a graph of them needs.
    pub needed_bytes: u64,
    /// Bytes there are.
    pub limit_bytes: u64,
    /// The largest number of feature nodes that would fit, if one does.
    pub fitting_nodes: Option<usize>,
}

impl std::error::Error for TooLarge {}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        write!(
            f,
            "the graph does not fit in memory: {} features are active in the first {} of {} blocks, and need {:.1} MiB where there are {:.1}; ",
            self.n_active,
            self.layers,
            self.n_layers,
            mib(self.needed_bytes),
            mib(self.limit_bytes)
        )?;
        match self.fitting_nodes {
            Some(nodes) => write!(f, "{nodes} feature nodes at the most would fit"),
            None => f.write_str(
                "a shorter prompt, sparser transcoders or more memory would make it fit",
            ),
        }
    }
}

/// A graph that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttributeError {
    /// There is nothing to attribute.
    #[error("the prompt has no tokens")]
    Empty,
    /// All positions are left out.
    #[error(
        "the prompt has {tokens} tokens and the features of the first {zeroed} are left out; expected a longer prompt"
    )]
    AllZeroed {
        /// In the prompt.
        tokens: usize,
        /// Left out.
        zeroed: usize,
    },
    /// The tokens are not the model's.
    #[error(transparent)]
    Forward(#[from] ForwardError),
    /// A transcoder cannot be loaded.
    #[error(transparent)]
    Load(#[from] SaeLoadError),
    /// A target that the model does not know.
    #[error("the target token {id} is not in the model's vocabulary of {vocab_size}")]
    Target {
        /// Its id.
        id: u32,
        /// How many there are.
        vocab_size: usize,
    },
    /// The transcoders are of another model.
    #[error("the transcoders are for {transcoders} blocks, the model has {model}")]
    Layers {
        /// Of the transcoders.
        transcoders: usize,
        /// Of the model.
        model: usize,
    },
    /// A number is none.
    #[error(
        "{what} are not all finite numbers, and a graph of them would mean nothing; try f32, or look at the weights"
    )]
    NotFinite {
        /// Which numbers.
        what: String,
    },
    /// It does not fit.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The observer stopped the work.
    #[error("stopped")]
    Stopped,
}

impl From<sae_progress::Stopped> for AttributeError {
    fn from(_: sae_progress::Stopped) -> Self {
        Self::Stopped
    }
}
