//! What is to be found out.

/// How a graph is made. The defaults are circuit-tracer's.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AttributeOptions {
    /// Features that get a node, those of most influence on the logits; all of them if `None`.
    pub max_feature_nodes: Option<usize>,
    /// The tokens whose logits are explained; by default the likeliest ones.
    pub targets: Option<Vec<u32>>,
    /// The likeliest tokens: at most so many.
    pub max_n_logits: usize,
    /// The likeliest tokens: until they have this probability together.
    pub desired_logit_prob: f64,
    /// Positions at the beginning whose features and errors are left out: the first token's activations are outliers that explain
    /// nothing. With 0, the edges into a node sum to its activation.
    pub zero_positions: usize,
    /// Features that are attributed before the rest is ranked again by what is known then.
    pub features_per_ranking: usize,
    /// Nodes whose edges are found at once; by default as many as make 4,096 positions.
    pub batch_size: Option<usize>,
    /// Bytes that the graph and the work on it may take, the model left out. Checked layer by layer as features are found.
    pub limit_bytes: Option<u64>,
}

impl AttributeOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Targets at once, for prompts of this length.
    pub(crate) fn batch(&self, tokens: usize) -> usize {
        let filling = (4096 / tokens.max(1)).clamp(1, 512);
        self.batch_size.unwrap_or(filling).max(1)
    }
}

impl Default for AttributeOptions {
    fn default() -> Self {
        Self {
            max_feature_nodes: Some(7500),
            targets: None,
            max_n_logits: 10,
            desired_logit_prob: 0.95,
            zero_positions: 1,
            features_per_ranking: 2048,
            batch_size: None,
            limit_bytes: None,
        }
    }
}

/// What is kept of a graph. The defaults are circuit-tracer's.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PruneOptions {
    /// The share of all nodes' influence on the logits that those kept have, 0 to 1.
    pub node_threshold: f64,
    /// The share of all edges' influence that those kept have, 0 to 1.
    pub edge_threshold: f64,
}

impl PruneOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for PruneOptions {
    fn default() -> Self {
        Self {
            node_threshold: 0.8,
            edge_threshold: 0.98,
        }
    }
}
