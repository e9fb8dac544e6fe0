//! Keeping what explains most.

use crate::graph::Graph;
use crate::influence::{Shares, threshold};
use crate::options::PruneOptions;

/// What is kept of a graph.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pruned {
    /// Nodes that are kept, ascending. Tokens and logits always are.
    pub nodes: Vec<usize>,
    /// Edges that are kept, as (source, target), by target and source.
    pub edges: Vec<(usize, usize)>,
    /// Of every node: the share of all influence that it and the nodes of more influence have together.
    pub cumulative: Vec<f64>,
    /// What it was pruned by.
    pub options: PruneOptions,
}

impl Graph {
    /// Keeps the nodes, and then the edges between them, that have the given shares of influence on the logits, as circuit-tracer does; then
    /// features that nothing goes into and nodes that go nowhere are dropped, until there are none.
    ///
    /// # Panics
    /// If a threshold is not within 0 and 1.
    pub fn prune(&self, options: &PruneOptions) -> Pruned {
        for threshold in [options.node_threshold, options.edge_threshold] {
            assert!(
                (0.0..=1.0).contains(&threshold),
                "a threshold is a share, 0 to 1, not {threshold}"
            );
        }
        let influence = self.influence();
        let least = threshold(influence.iter().copied(), options.node_threshold);
        let mut kept: Vec<bool> = influence.iter().map(|&x| x >= least).collect();
        kept[self.token_nodes().start..].fill(true);
        let mut edges = self.edges_of(&kept, options.edge_threshold);
        self.drop_loose(&mut kept, &mut edges);
        Pruned {
            nodes: (0..kept.len()).filter(|&node| kept[node]).collect(),
            edges,
            cumulative: cumulative(&influence),
            options: *options,
        }
    }

    /// Edges between nodes that are kept, of most influence: their share of the target times the target's own.
    fn edges_of(&self, kept: &[bool], share: f64) -> Vec<(usize, usize)> {
        let shares = Shares::new(self, Some(kept));
        let influence = shares.influence();
        let direct = self.logit_weights();
        let score = |target: usize| influence[target] + direct[target];
        let targets = || self.feature_nodes().chain(self.logit_nodes());
        let scores = targets().flat_map(|target| {
            let score = score(target);
            shares.inputs(target).map(move |(_, share)| share * score)
        });
        let least = threshold(scores, share);
        let mut edges = Vec::new();
        for target in targets() {
            let score = score(target);
            let into = shares.inputs(target);
            let strong = into.filter(|(_, share)| share * score >= least);
            edges.extend(strong.map(|(source, _)| (source, target)));
        }
        edges
    }

    /// Drops features and errors without edges out of them, and features without edges into them, again and again.
    fn drop_loose(&self, kept: &mut [bool], edges: &mut Vec<(usize, usize)>) {
        let (features, tokens) = (self.feature_nodes(), self.token_nodes());
        loop {
            let mut goes_in = vec![false; kept.len()];
            let mut goes_out = vec![false; kept.len()];
            for &(source, target) in edges.iter() {
                goes_out[source] = true;
                goes_in[target] = true;
            }
            let mut changed = false;
            for node in 0..tokens.start {
                let loose = !goes_out[node] || (features.contains(&node) && !goes_in[node]);
                changed |= kept[node] && loose;
                kept[node] &= !loose;
            }
            if !changed {
                return;
            }
            edges.retain(|&(source, target)| kept[source] && kept[target]);
        }
    }
}

/// For each value the share of the sum that it and the larger ones have.
fn cumulative(influence: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..influence.len()).collect();
    order.sort_by(|&a, &b| influence[b].total_cmp(&influence[a]));
    let all: f64 = influence.iter().sum();
    let mut sum = 0.0;
    let mut shares = vec![0.0; influence.len()];
    for node in order {
        sum += influence[node];
        shares[node] = if all > 0.0 { sum / all } else { 0.0 };
    }
    shares
}
