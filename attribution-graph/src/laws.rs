//! What holds of every graph.

use crate::graph::{ActiveFeature, Graph, LogitNode};
use crate::options::PruneOptions;
use proptest::prelude::*;

/// Any graph of three layers and two tokens, with some edges zero.
fn graphs() -> impl Strategy<Value = Graph> {
    let counts = (0_usize..5, 0_usize..5, 0_usize..5, 1_usize..4);
    counts.prop_flat_map(|(a, b, c, n_logits)| {
        let n = a + b + c;
        let n_sources = n + 3 * 2 + 2;
        let weight = prop_oneof![2 => Just(0.0_f32), 5 => -3.0_f32..3.0];
        let rows = prop::collection::vec(prop::collection::vec(weight, n_sources), n + n_logits);
        let probabilities = prop::collection::vec(0.01_f32..0.3, n_logits);
        (Just([a, b, c]), rows, probabilities).prop_map(|(counts, rows, p)| graph(counts, rows, &p))
    })
}

fn graph(counts: [usize; 3], mut rows: Vec<Vec<f32>>, probabilities: &[f32]) -> Graph {
    let mut features = Vec::new();
    for (layer, n) in counts.into_iter().enumerate() {
        for feature in 0..n as u32 {
            features.push(ActiveFeature {
                layer,
                position: 1,
                feature,
                activation: 1.0,
            });
        }
    }
    let n = features.len();
    for (target, row) in rows.iter_mut().enumerate() {
        // Nothing comes from the same layer or from above.
        let layer = features.get(target).map_or(3, |f| f.layer);
        for (source, edge) in row.iter_mut().enumerate() {
            let from = match features.get(source) {
                Some(feature) => feature.layer,
                None => ((source - n) / 2).min(3),
            };
            let is_token = source >= n + 6;
            if !is_token && from >= layer {
                *edge = 0.0;
            }
        }
        row.resize(row.len() + probabilities.len(), 0.0);
    }
    let logits = probabilities.iter().enumerate();
    Graph {
        tokens: vec![1, 2],
        n_layers: 3,
        n_active: n,
        constants: vec![0.0; rows.len()],
        logits: logits
            .map(|(i, &probability)| LogitNode {
                token: i as u32,
                probability,
            })
            .collect(),
        features,
        rows,
    }
}

/// Σₖ₌₁ p·Ā^k, term by term.
fn series(graph: &Graph) -> Vec<f64> {
    let n = graph.n_nodes();
    let share = |target: usize| -> Vec<f64> {
        let Some(row) = graph.row(target) else {
            return vec![0.0; n];
        };
        let sum: f64 = row.iter().map(|x| f64::from(x.abs())).sum();
        row.iter()
            .map(|x| f64::from(x.abs()) / sum.max(1e-10))
            .collect()
    };
    let shares: Vec<Vec<f64>> = (0..n).map(share).collect();
    let mut term = graph.logit_weights();
    let mut influence = vec![0.0; n];
    for _ in 0..5 {
        let mut next = vec![0.0; n];
        for (weight, row) in term.iter().zip(&shares) {
            for (next, share) in next.iter_mut().zip(row) {
                *next += weight * share;
            }
        }
        term = next;
        for (sum, x) in influence.iter_mut().zip(&term) {
            *sum += x;
        }
    }
    assert!(term.iter().all(|&x| x == 0.0), "the series ends");
    influence
}

proptest! {
    #[test]
    fn one_sweep_is_the_whole_series(graph in graphs()) {
        for (found, expected) in graph.influence().into_iter().zip(series(&graph)) {
            prop_assert!((found - expected).abs() < 1e-9, "{found} {expected}");
        }
    }

    #[test]
    fn what_is_kept_holds_together(graph in graphs(), node_threshold in 0.0_f64..=1.0, edge_threshold in 0.0_f64..=1.0) {
        let options = PruneOptions { node_threshold, edge_threshold };
        let pruned = graph.prune(&options);
        let kept = |node: &usize| pruned.nodes.binary_search(node).is_ok();
        prop_assert!((graph.token_nodes().start..graph.n_nodes()).all(|node| kept(&node)));
        for (source, target) in &pruned.edges {
            prop_assert!(kept(source) && kept(target));
            prop_assert!(graph.row(*target).unwrap()[*source] != 0.0);
        }
        for &node in &pruned.nodes {
            if node < graph.token_nodes().start {
                prop_assert!(pruned.edges.iter().any(|edge| edge.0 == node), "{node} leads nowhere");
            }
            if graph.feature_nodes().contains(&node) {
                prop_assert!(pruned.edges.iter().any(|edge| edge.1 == node), "nothing leads to {node}");
            }
        }
        prop_assert!(pruned.cumulative.iter().all(|share| (0.0..=1.0 + 1e-9).contains(share)));
    }

    #[test]
    fn a_lower_threshold_keeps_fewer_nodes(graph in graphs(), a in 0.0_f64..=1.0, b in 0.0_f64..=1.0) {
        let of = |node_threshold: f64| {
            graph.prune(&PruneOptions { node_threshold, edge_threshold: 1.0 }).nodes
        };
        let (few, many) = (of(a.min(b)), of(a.max(b)));
        prop_assert!(few.iter().all(|node| many.contains(node)), "{few:?} {many:?}");
    }

    #[test]
    fn scores_are_shares(graph in graphs()) {
        let scores = graph.scores();
        for score in [scores.replacement, scores.completeness].into_iter().flatten() {
            prop_assert!((-1e-9..=1.0 + 1e-9).contains(&score), "{scores:?}");
        }
    }
}
