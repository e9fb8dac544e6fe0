//! How much of the model's computation a graph has in terms of features.

use crate::graph::Graph;
use crate::influence::Shares;
use serde::Serialize;

/// Figures of a whole graph, both 0 to 1; of circuit-tracer's `compute_graph_scores`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// The share of the influence on the logits that begins at tokens rather than at errors. `None` if nothing has any.
    pub replacement: Option<f64>,
    /// The share of edges into nodes that do not come from errors, nodes weighted by their influence. `None` if nothing has any.
    pub completeness: Option<f64>,
}

impl Graph {
    /// The scores of the graph.
    pub fn scores(&self) -> Scores {
        let shares = Shares::new(self, None);
        let influence = shares.influence();
        let errors = self.error_nodes();
        let sum = |nodes: std::ops::Range<usize>| influence[nodes].iter().sum::<f64>();
        let (tokens, from_errors) = (sum(self.token_nodes()), sum(errors.clone()));
        let (mut explained, mut all) = (0.0, 0.0);
        let direct = self.logit_weights();
        for node in 0..self.n_nodes() {
            let weight = influence[node] + direct[node];
            let into = shares.inputs(node);
            let by_errors = into.filter(|(source, _)| errors.contains(source));
            explained += weight * (1.0 - by_errors.map(|(_, share)| share).sum::<f64>());
            all += weight;
        }
        let ratio = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
        Scores {
            replacement: ratio(tokens, tokens + from_errors),
            completeness: ratio(explained, all),
        }
    }
}
