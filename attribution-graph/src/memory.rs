//! How much memory and work a graph takes.
//!
//! With T tokens, L blocks, widths d, h and v of all query and all value heads, a active features (u of them different, layer by layer),
//! R rows (feature nodes and logits) and targets in batches of B:
//!
//! | | bytes |
//! |---|---|
//! | frozen model | 4·L·(H·T² + 2·T·d), and of a streamed model L·d·(h + v) weights that stay |
//! | features | 8·u·d + 48·a, and 4·d² for each skip connection |
//! | the larger of: one transcoder in f32; edges 4·R·(a + (L+1)·T) and gradients 4·B·T·(6·d + 2·h + 2·v) + 4·(a/L)·d | |
//!
//! Of Llama 3 8B in bf16, streamed, with 32 transcoders of 32,768 features, 64 tokens, 60 features active on each and 7,500 nodes, that is 80 MiB for the
//! frozen model, 1,280 MiB of attention weights, 3,845 MiB of features and 4,184 MiB of edges (more than the 1,057 MiB of one transcoder in f32):
//! 9.2 GiB, beside two blocks of the model at a time.
//!
//! The edges are a bound: a row is zero from its target's block on, and pages of zeros that nobody wrote take no memory. Which blocks targets are in is not
//! known beforehand. Between two thirds and nine tenths of the plan were used in the runs of `tests/memory.rs`.
//!
//! A target at block l takes about l·(2·T·d·(h + v) + 2·T²·h + 2·(a/L)·d) operations, half as many as for the last block on average:
//! 3.3·10¹⁴ for that graph. Attention's values and outputs are nearly all of it, 2·T·d·(h + v) of each block.

use crate::error::TooLarge;
use crate::options::AttributeOptions;
use crate::transcoders::{Transcoders, skips};
use llama_hooked::{Llama, LlamaConfig};

/// Bytes that a feature takes besides its vectors: its place, its activation, its row.
const PER_FEATURE: u64 = 48;
/// Floats of pre-activations that encoding has at once.
const TILE: u64 = 8 << 20;

/// The size of a graph, as far as memory and time are concerned.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Work {
    n_layers: u64,
    n_heads: u64,
    d: u64,
    h: u64,
    v: u64,
    tokens: u64,
    batch: u64,
    n_skips: u64,
    d_sae: u64,
    max_feature_nodes: Option<usize>,
    n_logits: u64,
    limit_bytes: Option<u64>,
    /// Active features, all layers together.
    pub n_active: u64,
    /// Those of them that differ, layer by layer.
    pub n_different: u64,
}

/// What a graph takes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demand {
    /// Uses of memory that exist at the same time, and their bytes.
    pub parts: Vec<(&'static str, u64)>,
    /// Floating-point operations of all rows together.
    pub flops: u64,
}

impl Demand {
    /// All bytes together.
    pub fn bytes(&self) -> u64 {
        self.parts.iter().map(|part| part.1).sum()
    }
}

impl Work {
    /// A graph of a prompt of so many tokens; of so many features once they are [found](Self::expect_active).
    pub fn of(
        model: &LlamaConfig,
        transcoders: &Transcoders,
        tokens: usize,
        options: &AttributeOptions,
    ) -> Self {
        let layers = 0..transcoders.n_layers();
        let n_logits = options
            .targets
            .as_ref()
            .map_or(options.max_n_logits, Vec::len);
        Self {
            n_layers: model.n_layers as u64,
            n_heads: model.n_heads as u64,
            d: model.d_model as u64,
            h: (model.n_heads * model.d_head) as u64,
            v: (model.n_kv_heads * model.d_head) as u64,
            tokens: tokens as u64,
            batch: options.batch(tokens) as u64,
            n_skips: layers
                .clone()
                .filter(|&l| skips(transcoders.cfg(l)))
                .count() as u64,
            d_sae: layers.map(|l| transcoders.cfg(l).d_sae).max().unwrap_or(0) as u64,
            max_feature_nodes: options.max_feature_nodes,
            n_logits: n_logits as u64,
            limit_bytes: options.limit_bytes,
            n_active: 0,
            n_different: 0,
        }
    }

    pub(crate) fn new(
        model: &Llama,
        transcoders: &Transcoders,
        tokens: usize,
        options: &AttributeOptions,
    ) -> Self {
        Self::of(model.config(), transcoders, tokens, options)
    }

    /// With so many features active on a token in each layer, all of them different.
    #[must_use]
    pub fn expect_active(mut self, per_token: f64) -> Self {
        let of_layer = (per_token.max(0.0) * self.tokens as f64).ceil() as u64;
        self.n_active = self.n_layers * of_layer;
        self.n_different = self.n_layers * of_layer.min(self.d_sae);
        self
    }

    pub(crate) fn found(&mut self, active: usize, different: usize) {
        self.n_active += active as u64;
        self.n_different += different as u64;
    }

    /// Features that get a node.
    fn nodes(&self) -> u64 {
        let most = self.max_feature_nodes.map_or(u64::MAX, |n| n as u64);
        most.min(self.n_active)
    }

    fn per_layer(&self) -> u64 {
        self.n_active.div_ceil(self.n_layers.max(1))
    }

    fn edges(&self, nodes: u64) -> u64 {
        4 * (nodes + self.n_logits) * (self.n_active + (self.n_layers + 1) * self.tokens)
    }

    fn gradients(&self) -> u64 {
        let batch = self.batch.min(self.nodes().max(self.n_logits));
        let per_position = 6 * self.d + 2 * self.h + 2 * self.v;
        4 * batch * self.tokens * per_position + 4 * self.per_layer() * self.d
    }

    fn frozen(&self) -> u64 {
        let Self { tokens: t, d, .. } = self;
        4 * self.n_layers * (self.n_heads * t * t + 2 * t * d)
    }

    fn features(&self) -> u64 {
        let vectors = 8 * self.n_different * self.d + 4 * self.n_skips * self.d * self.d;
        vectors + PER_FEATURE * self.n_active
    }

    /// Memory and operations, where the largest transcoder has so many weights.
    ///
    /// `kept_weight_bytes`: of a weight of the model, if these are streamed: those of attention's values and outputs stay.
    pub fn demand(&self, transcoder_params: u64, kept_weight_bytes: Option<u64>) -> Demand {
        let tile = TILE.min(self.tokens * self.d_sae).max(512 * self.tokens);
        let transcoder = 4 * transcoder_params + 4 * tile;
        let edges = self.edges(self.nodes()) + self.gradients();
        let mut parts = vec![("frozen model", self.frozen())];
        if let Some(size) = kept_weight_bytes {
            let weights = self.n_layers * self.d * (self.h + self.v) * size;
            parts.push(("attention weights", weights));
        }
        parts.push(("active features", self.features()));
        parts.push(if transcoder > edges {
            ("one transcoder", transcoder)
        } else {
            ("edges", edges)
        });
        Demand {
            parts,
            flops: self.flops(),
        }
    }

    fn flops(&self) -> u64 {
        let Self {
            tokens: t, d, h, v, ..
        } = self;
        let layer = 2 * t * d * (h + v) + 2 * t * t * h + 2 * self.per_layer() * d;
        (self.nodes() / 2 + self.n_logits) * self.n_layers * layer
    }

    /// Whether what was found of the first layers can be gone on with.
    pub(crate) fn check(&self, layers: usize) -> Result<(), TooLarge> {
        let Some(limit_bytes) = self.limit_bytes else {
            return Ok(());
        };
        let rest = self.frozen() + self.features() + self.gradients();
        let needed_bytes = rest + self.edges(self.nodes());
        if needed_bytes <= limit_bytes {
            return Ok(());
        }
        let row = (self.edges(1) - self.edges(0)).max(1);
        let fitting = limit_bytes.saturating_sub(rest + self.edges(0)) / row;
        // Of the layers that are still to come nothing is known; a figure for part of them would promise too much.
        let whole = layers as u64 == self.n_layers;
        Err(TooLarge {
            n_active: self.n_active as usize,
            layers,
            n_layers: self.n_layers as usize,
            needed_bytes,
            limit_bytes,
            fitting_nodes: (whole && fitting > 0).then_some(fitting as usize),
        })
    }
}
