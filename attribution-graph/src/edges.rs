//! The rows found so far, over every active feature, and the influence that follows from them.

use crate::vjp::{Row, Target};

/// Below this a row's sum counts as this, as in circuit-tracer.
const LEAST_SUM: f64 = 1e-8;

/// Rows of logits and of the features that were chosen.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    pub(crate) targets: Vec<Target>,
    pub(crate) rows: Vec<Row>,
    /// Sums of magnitudes, over all sources.
    sums: Vec<f64>,
}

impl Edges {
    pub(crate) fn push(&mut self, target: Target, row: Row) {
        let sum: f64 = row.edges.iter().map(|&x| f64::from(x.abs())).sum();
        self.sums.push(sum.max(LEAST_SUM));
        self.targets.push(target);
        self.rows.push(row);
    }

    /// The influence on the logits of each active feature, by what is known: Σₖ p·Ā^k, where Ā has the magnitudes of the edges as shares of
    /// each row, and rows that are not known yet are zero.
    ///
    /// Edges lead from lower layers to higher ones only, so that one sweep from the top gives the whole series.
    ///
    /// `layer`: of each target, the number of blocks for logits.
    pub(crate) fn influence(
        &self,
        n_features: usize,
        probability: impl Fn(usize) -> f64,
        layer: impl Fn(Target) -> usize,
    ) -> Vec<f64> {
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|&row| std::cmp::Reverse(layer(self.targets[row])));
        let mut influence = vec![0.0; n_features];
        for row in order {
            let weight = match self.targets[row] {
                Target::Logit(logit) => probability(logit),
                Target::Feature(feature) => influence[feature],
            };
            if weight == 0.0 {
                continue;
            }
            let weight = weight / self.sums[row];
            let edges = &self.rows[row].edges[..n_features];
            for (influence, &edge) in influence.iter_mut().zip(edges) {
                *influence += weight * f64::from(edge.abs());
            }
        }
        influence
    }
}

#[cfg(test)]
mod tests {
    use super::Edges;
    use crate::vjp::{Row, Target};

    #[test]
    fn influence_is_the_power_series() {
        // Features 0 and 1 in block 0, 2 in block 1; an error and a token.
        let mut edges = Edges::default();
        let row = |edges: [f32; 5]| Row {
            edges: edges.to_vec(),
            constant: 9.0,
        };
        edges.push(Target::Logit(0), row([1.0, 0.0, -2.0, 1.0, 0.0]));
        let layer = |target| match target {
            Target::Logit(_) => 2,
            Target::Feature(feature) => feature / 2,
        };
        let of = |edges: &Edges| edges.influence(3, |_| 0.8, layer);
        assert_eq!(of(&edges), [0.2, 0.0, 0.4]);
        edges.push(Target::Feature(0), row([0.0, 0.0, 0.0, 0.0, 3.0]));
        edges.push(Target::Feature(2), row([1.0, -1.0, 0.0, 0.0, 2.0]));
        let found = of(&edges);
        for (found, expected) in found.iter().zip([0.2 + 0.1, 0.1, 0.4]) {
            assert!((found - expected).abs() < 1e-12, "{found:?}");
        }
    }
}
