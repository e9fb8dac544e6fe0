//! What goes into a node sums to what it is, and rows are derivatives of the frozen model.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

mod support;

use burn::tensor::{DType, Int, Tensor};
use llama_hooked::{ForwardOptions, HookPoint, Positions};
use sae_attribution_graph::{AttributeOptions, Graph, Node, attribute};
use sae_progress::Unobserved;
use support::{model, transcoders};

const TOKENS: [u32; 7] = [3, 17, 44, 5, 17, 59, 0];

fn everything() -> AttributeOptions {
    let mut options = AttributeOptions::new();
    options.max_feature_nodes = None;
    options.zero_positions = 0;
    options.max_n_logits = 5;
    options.desired_logit_prob = 1.0;
    options
}

fn graph(seed: u64, tokens: &[u32], options: &AttributeOptions) -> Graph {
    let model = model(3, seed);
    attribute(
        &model,
        &transcoders(seed, &model),
        tokens,
        options,
        &mut Unobserved,
    )
    .unwrap()
}

fn sum(graph: &Graph, node: usize) -> f64 {
    graph.row(node).unwrap().iter().map(|&x| f64::from(x)).sum()
}

#[test]
fn edges_into_a_feature_sum_to_its_activation() {
    for seed in 0..4 {
        let graph = graph(seed, &TOKENS, &everything());
        assert!(graph.features.len() > 100 && graph.n_active == graph.features.len());
        for layer in 0..3 {
            let n = graph.features.iter().filter(|f| f.layer == layer).count();
            assert!(n > 20, "{n} in block {layer}");
        }
        let largest = graph
            .features
            .iter()
            .map(|f| f.activation.abs())
            .fold(0.0, f32::max);
        for node in graph.feature_nodes() {
            let found = sum(&graph, node) + f64::from(graph.constants[node]);
            let expected = f64::from(graph.features[node].activation);
            let error = (found - expected).abs();
            assert!(
                error < 1e-4 * f64::from(largest),
                "{:?}: {found}",
                graph.node(node)
            );
        }
    }
}

#[test]
fn edges_into_a_logit_sum_to_it_less_the_mean() {
    let graph = graph(1, &TOKENS, &everything());
    let model = model(3, 1);
    let ids: Vec<i32> = TOKENS.iter().map(|&id| id.cast_signed()).collect();
    let tokens = Tensor::<1, Int>::from_ints(ids.as_slice(), &model.device()).reshape([1, 7]);
    let (output, _) = model
        .run_with_cache(
            tokens,
            &ForwardOptions::default(),
            HookPoint::Embed,
            Positions::ALL,
        )
        .unwrap();
    let logits = output.logits().unwrap().narrow(1, 6, 1).cast(DType::F32);
    let logits: Vec<f32> = logits.into_data().try_into_vec().unwrap();
    let mean = logits.iter().sum::<f32>() / logits.len() as f32;
    assert_eq!(graph.logits.len(), 5);
    for (place, logit) in graph.logits.iter().enumerate() {
        let node = graph.logit_nodes().start + place;
        let constant = graph.constants[graph.features.len() + place];
        let found = sum(&graph, node) + f64::from(constant);
        let expected = f64::from(logits[logit.token as usize] - mean);
        assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        if place > 0 {
            assert!(logit.probability <= graph.logits[place - 1].probability);
        }
    }
}

#[test]
fn nothing_comes_from_above_or_from_later() {
    let graph = graph(2, &TOKENS, &everything());
    let place = |node: usize| match graph.node(node) {
        Node::Feature(f) => (f.layer, f.position),
        // Errors are written where their layer's features are.
        Node::Error { layer, position } => (layer, position),
        Node::Token { position, .. } => (0, position),
        Node::Logit(_) => (3, 6),
    };
    for target in graph.feature_nodes() {
        let (layer, position) = place(target);
        for (source, _) in graph.edges_into(target) {
            let (from, at) = place(source);
            let below = matches!(graph.node(source), Node::Token { .. }) || from < layer;
            assert!(
                below && at <= position,
                "{:?} to {:?}",
                graph.node(source),
                graph.node(target)
            );
        }
    }
    for node in graph.error_nodes().chain(graph.token_nodes()) {
        assert!(graph.row(node).is_none() && graph.edges_into(node).is_empty());
    }
}

/// Only the batch changes how it is computed; numbers stay.
#[test]
fn batches_and_selection_change_no_edge() {
    let whole = graph(3, &TOKENS, &everything());
    let mut options = everything();
    (options.batch_size, options.features_per_ranking) = (Some(3), 7);
    let batched = graph(3, &TOKENS, &options);
    options.max_feature_nodes = Some(60);
    let some = graph(3, &TOKENS, &options);
    assert_eq!(
        (batched.features.len(), some.features.len()),
        (whole.features.len(), 60)
    );
    assert_eq!(some.n_active, whole.features.len());
    let at: Vec<usize> = some
        .features
        .iter()
        .map(|feature| whole.features.iter().position(|f| f == feature).unwrap())
        .chain(whole.error_nodes().start..whole.n_nodes())
        .collect();
    let close = |a: f32, b: f32| (a - b).abs() < 1e-5;
    for target in whole.feature_nodes().chain(whole.logit_nodes()) {
        let (a, b) = (whole.row(target).unwrap(), batched.row(target).unwrap());
        assert!(a.iter().zip(b).all(|(a, b)| close(*a, *b)), "{target}");
    }
    for target in some.feature_nodes().chain(some.logit_nodes()) {
        let row = some.row(target).unwrap();
        let all = whole.row(at[target]).unwrap();
        assert!(
            row.iter().zip(&at).all(|(x, &at)| close(*x, all[at])),
            "{target}"
        );
    }
}

/// Features at position 0 have no node and its errors add nothing; what is left is as it was.
#[test]
fn the_first_position_is_left_out_by_default() {
    let mut options = everything();
    options.zero_positions = 1;
    let (without, whole) = (
        graph(0, &TOKENS, &options),
        graph(0, &TOKENS, &everything()),
    );
    assert!(without.features.iter().all(|f| f.position > 0));
    let kept: Vec<_> = whole
        .features
        .iter()
        .filter(|f| f.position > 0)
        .copied()
        .collect();
    assert_eq!(without.features, kept);
    for target in without.feature_nodes().chain(without.logit_nodes()) {
        for layer in 0..3 {
            let error = without.error_nodes().start + layer * TOKENS.len();
            let edges = without.edges_into(target);
            assert!(edges.iter().all(|edge| edge.0 != error));
        }
    }
}
