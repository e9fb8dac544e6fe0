//! How much each node matters to the logits.

use crate::graph::Graph;

/// Below this a row's sum counts as this, as in circuit-tracer.
const LEAST_SUM: f64 = 1e-10;

/// The magnitudes of the edges as shares of what goes into each target.
#[derive(Debug)]
pub(crate) struct Shares<'a> {
    graph: &'a Graph,
    /// Nodes that count; edges of others are as if they were not there.
    kept: Option<&'a [bool]>,
    /// Of each row, the sum of the magnitudes of the edges that count.
    sums: Vec<f64>,
}

impl<'a> Shares<'a> {
    /// Of the graph, or of what is kept of it.
    pub(crate) fn new(graph: &'a Graph, kept: Option<&'a [bool]>) -> Self {
        let counts = |source: usize| kept.is_none_or(|kept| kept[source]);
        let sums = graph.rows.iter().map(|row| {
            let edges = row.iter().enumerate();
            let counting = edges.filter(|(source, _)| counts(*source));
            let sum: f64 = counting.map(|(_, x)| f64::from(x.abs())).sum();
            sum.max(LEAST_SUM)
        });
        Self {
            graph,
            kept,
            sums: sums.collect(),
        }
    }

    /// Sources of a node with their shares of it, those without any left out.
    pub(crate) fn inputs(&self, target: usize) -> impl Iterator<Item = (usize, f64)> {
        let counts = |node: usize| self.kept.is_none_or(|kept| kept[node]);
        let row = self.graph.row_of(target).filter(|_| counts(target));
        let (edges, sum) = match row {
            Some(row) => (self.graph.rows[row].as_slice(), self.sums[row]),
            None => (&[][..], 1.0),
        };
        let edges = edges.iter().enumerate();
        edges
            .filter(move |(source, edge)| **edge != 0.0 && counts(*source))
            .map(move |(source, edge)| (source, f64::from(edge.abs()) / sum))
    }

    /// Σₖ₌₁ p·Ā^k of every node: the influence of all paths to the logits, weighted by these' probabilities.
    ///
    /// Edges lead upwards only, so that one sweep from the top gives the whole series.
    pub(crate) fn influence(&self) -> Vec<f64> {
        let mut influence = vec![0.0; self.graph.n_nodes()];
        let direct = self.graph.logit_weights();
        for target in self.graph.downwards() {
            let weight = influence[target] + direct[target];
            if weight != 0.0 {
                for (source, share) in self.inputs(target) {
                    influence[source] += weight * share;
                }
            }
        }
        influence
    }
}

impl Graph {
    /// The influence of each node on the logits: Σₖ₌₁ p·Ā^k, where Ā has the magnitudes of the edges as shares of all that goes into
    /// their target, and p the probabilities of the logits. Logits have none themselves.
    pub fn influence(&self) -> Vec<f64> {
        Shares::new(self, None).influence()
    }
}

/// The value such that those at least as large have the given share of the sum; as circuit-tracer finds it.
pub(crate) fn threshold(values: impl Iterator<Item = f64>, share: f64) -> f64 {
    let mut values: Vec<f64> = values.filter(|&value| value > 0.0).collect();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    let all: f64 = values.iter().sum();
    let mut sum = 0.0;
    for &value in &values {
        sum += value;
        if sum / all >= share {
            return value;
        }
    }
    // A share of 1 may be missed by rounding, and keeps what is zero.
    0.0
}
