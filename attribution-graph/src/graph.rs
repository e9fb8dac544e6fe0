//! The graph.

use std::ops::Range;

/// A feature that is active at a position of the prompt.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActiveFeature {
    /// The block whose transcoder it is of.
    pub layer: usize,
    /// The place of the token.
    pub position: usize,
    /// Its index in the transcoder.
    pub feature: u32,
    /// Its activation.
    pub activation: f32,
}

/// A logit that is explained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogitNode {
    /// The token's id.
    pub token: u32,
    /// Its probability as the next token.
    pub probability: f32,
}

/// What a node of the graph is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Node {
    /// An active feature.
    Feature(ActiveFeature),
    /// What a block's transcoder leaves out of the MLP's output at a position.
    Error {
        /// The block.
        layer: usize,
        /// The place of the token.
        position: usize,
    },
    /// A token's embedding.
    Token {
        /// The place of the token.
        position: usize,
        /// Its id.
        token: u32,
    },
    /// A logit of the next token, less the mean of all logits.
    Logit(LogitNode),
}

/// Direct effects of nodes on nodes, on one prompt.
///
/// Nodes are counted as circuit-tracer counts them: features by (layer, position, index), errors by (layer, position), tokens, logits from the
/// likeliest. The weight of an edge is what its source adds to its target: to a feature's pre-activation, or to a logit less the mean of
/// all. Only features and logits have edges into them.
#[derive(Debug, Clone, PartialEq)]
pub struct Graph {
    /// The prompt.
    pub tokens: Vec<u32>,
    /// Blocks of the model.
    pub n_layers: usize,
    /// The features that have a node, ascending by layer, position and index.
    pub features: Vec<ActiveFeature>,
    /// How many features are active, those without a node included.
    pub n_active: usize,
    /// The logits.
    pub logits: Vec<LogitNode>,
    /// What biases add: for each feature, then each logit.
    pub constants: Vec<f32>,
    /// Rows of the features, then of the logits, each over all nodes.
    pub(crate) rows: Vec<Vec<f32>>,
}

impl Graph {
    /// The number of nodes.
    pub fn n_nodes(&self) -> usize {
        self.logit_nodes().end
    }

    /// Nodes that are features.
    pub fn feature_nodes(&self) -> Range<usize> {
        0..self.features.len()
    }

    /// Nodes that are errors.
    pub fn error_nodes(&self) -> Range<usize> {
        let start = self.features.len();
        start..start + self.n_layers * self.tokens.len()
    }

    /// Nodes that are tokens.
    pub fn token_nodes(&self) -> Range<usize> {
        let start = self.error_nodes().end;
        start..start + self.tokens.len()
    }

    /// Nodes that are logits.
    pub fn logit_nodes(&self) -> Range<usize> {
        let start = self.token_nodes().end;
        start..start + self.logits.len()
    }

    /// What a node is.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn node(&self, node: usize) -> Node {
        let (errors, tokens) = (self.error_nodes(), self.token_nodes());
        if node < errors.start {
            Node::Feature(self.features[node])
        } else if node < errors.end {
            let place = node - errors.start;
            let n = self.tokens.len();
            Node::Error {
                layer: place / n,
                position: place % n,
            }
        } else if node < tokens.end {
            let position = node - tokens.start;
            Node::Token {
                position,
                token: self.tokens[position],
            }
        } else {
            Node::Logit(self.logits[node - tokens.end])
        }
    }

    /// The weights of the edges into a node, from every node; `None` for errors and tokens, which nothing causes.
    ///
    /// # Panics
    /// If there is no such node.
    pub fn row(&self, node: usize) -> Option<&[f32]> {
        self.row_of(node).map(|row| self.rows[row].as_slice())
    }

    /// The edges into a node that are not zero, as (source, weight).
    ///
    /// # Panics
    /// If there is no such node.
    pub fn edges_into(&self, node: usize) -> Vec<(usize, f32)> {
        let row = self.row(node).unwrap_or_default().iter().copied();
        row.enumerate().filter(|edge| edge.1 != 0.0).collect()
    }

    /// The row of a node, among those of [`rows`](Self::rows).
    pub(crate) fn row_of(&self, node: usize) -> Option<usize> {
        assert!(node < self.n_nodes(), "the graph has no node {node}");
        let n = self.features.len();
        if node < n {
            return Some(node);
        }
        node.checked_sub(self.logit_nodes().start)
            .map(|logit| n + logit)
    }

    /// The probabilities of the logits, at their nodes.
    pub(crate) fn logit_weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.n_nodes()];
        let start = self.logit_nodes().start;
        for (weight, logit) in weights[start..].iter_mut().zip(&self.logits) {
            *weight = f64::from(logit.probability);
        }
        weights
    }

    /// Nodes with edges into them, each after all of those that it has edges to: logits, then features from the last layer down.
    pub(crate) fn downwards(&self) -> impl Iterator<Item = usize> {
        self.logit_nodes().chain(self.feature_nodes().rev())
    }
}
