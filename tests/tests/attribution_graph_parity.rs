//! `sae-attribution-graph` against circuit-tracer 0.5 (`goldens/attribution_graph.py`), which computed in float64.
//!
//! Features, selection, pruned nodes and edges are the same; edges, influence and scores agree to 1e-4 of the largest number.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, FloatDType};
use llama_hooked::Unobserved;
use llama_hooked::{Llama, LlamaLoadOptions, ModelSource};
use sae_attribution_graph::{AttributeOptions, Graph, PruneOptions, Transcoders, attribute};
use sae_core::RunDir;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const TOLERANCE: f64 = 1e-4;

struct Case {
    name: String,
    graph: Graph,
    facts: Value,
    expected: BTreeMap<String, Vec<f64>>,
}

fn numbers(dtype: Dtype, data: &[u8]) -> Vec<f64> {
    let words = || data.as_chunks::<4>().0.iter().copied();
    match dtype {
        Dtype::F32 => words().map(|b| f64::from(f32::from_le_bytes(b))).collect(),
        Dtype::I32 => words().map(|b| f64::from(i32::from_le_bytes(b))).collect(),
        Dtype::U8 => data.iter().map(|&b| f64::from(b)).collect(),
        other => panic!("{other:?}"),
    }
}

fn cases() -> Vec<Case> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("goldens/data/attribution_graph");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.sort();
    assert_eq!(folders.len(), 3);
    folders.iter().map(|folder| Case::run(folder)).collect()
}

impl Case {
    fn run(folder: &Path) -> Self {
        let facts = std::fs::read_to_string(folder.join("case.json")).unwrap();
        let facts: Value = serde_json::from_str(&facts).unwrap();
        let files = ModelSource::Dir(folder.join("model")).resolve().unwrap();
        let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
        let model = Llama::load(&files, &options).unwrap();
        // In another order than that of the layers.
        let runs = [2, 0, 1].map(|layer| RunDir::open(folder.join(format!("layer_{layer}"))));
        let runs = runs.map(Result::unwrap).to_vec();
        let transcoders = Transcoders::from_runs(runs, model.config()).unwrap();
        let size = |key: &str| facts[key].as_u64().map(|n| n as usize);
        let mut options = AttributeOptions::new();
        options.max_feature_nodes = size("max_feature_nodes");
        options.features_per_ranking = size("features_per_ranking").unwrap();
        options.zero_positions = size("zero_positions").unwrap();
        let tokens: Vec<u32> = serde_json::from_value(facts["tokens"].clone()).unwrap();
        let graph = attribute(&model, &transcoders, &tokens, &options, &mut Unobserved).unwrap();
        let bytes = std::fs::read(folder.join("expected.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let expected = file.tensors().into_iter();
        Self {
            name: folder.file_name().unwrap().to_string_lossy().into_owned(),
            graph,
            facts,
            expected: expected
                .map(|(name, view)| (name, numbers(view.dtype(), view.data())))
                .collect(),
        }
    }

    fn check(&self, key: &str, ours: impl IntoIterator<Item = f64>) {
        let (ours, theirs) = (Vec::from_iter(ours), &self.expected[key]);
        let what = format!("{}: {key}", self.name);
        assert_eq!(ours.len(), theirs.len(), "{what}");
        let scale = theirs.iter().fold(0.0_f64, |m, x| m.max(x.abs()));
        assert!(scale > 0.0, "{what}: nothing but zeros proves nothing");
        let differences = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs());
        let worst = differences.fold(0.0, f64::max);
        assert!(
            worst <= TOLERANCE * scale,
            "{what}: differs by {worst} where the largest is {scale}"
        );
    }

    fn pruned(&self) -> sae_attribution_graph::Pruned {
        let mut options = PruneOptions::new();
        options.node_threshold = self.facts["node_threshold"].as_f64().unwrap();
        options.edge_threshold = self.facts["edge_threshold"].as_f64().unwrap();
        self.graph.prune(&options)
    }
}

#[test]
fn features_and_logits_are_the_same() {
    for case in cases() {
        let (graph, name) = (&case.graph, &case.name);
        let active = &case.expected["active"];
        assert_eq!(graph.n_active, active.len() / 3, "{name}");
        let selected = case.expected["selected"].iter().map(|&i| i as usize);
        let theirs: Vec<[f64; 3]> = selected
            .clone()
            .map(|i| [active[3 * i], active[3 * i + 1], active[3 * i + 2]])
            .collect();
        let ours = graph.features.iter();
        let ours = ours.map(|f| [f.layer as f64, f.position as f64, f64::from(f.feature)]);
        assert_eq!(ours.collect::<Vec<_>>(), theirs, "{name}");
        let activations = &case.expected["activations"];
        for (feature, i) in graph.features.iter().zip(selected) {
            let difference = f64::from(feature.activation) - activations[i];
            assert!(difference.abs() < 1e-5, "{name}: {feature:?}");
        }
        let logits = graph.logits.iter().map(|logit| f64::from(logit.token));
        assert_eq!(
            logits.collect::<Vec<_>>(),
            case.expected["logits"],
            "{name}"
        );
        let probabilities = graph
            .logits
            .iter()
            .map(|logit| f64::from(logit.probability));
        case.check("probabilities", probabilities);
    }
}

#[test]
fn edges_are_the_same() {
    for case in cases() {
        let graph = &case.graph;
        let n = graph.n_nodes();
        let rows = (0..n).flat_map(|node| match graph.row(node) {
            Some(row) => row.to_vec(),
            None => vec![0.0; n],
        });
        case.check("adjacency", rows.map(f64::from));
    }
}

#[test]
fn influence_and_scores_are_the_same() {
    for case in cases() {
        case.check("influence", case.graph.influence());
        let scores = case.graph.scores();
        case.check(
            "scores",
            [scores.replacement.unwrap(), scores.completeness.unwrap()],
        );
        let theirs = &case.expected["cumulative"];
        // Where influence is nearly the same, or none, the order is anybody's.
        let influence = &case.expected["influence"];
        for (node, ours) in case.pruned().cumulative.into_iter().enumerate() {
            let near = influence
                .iter()
                .filter(|x| (*x - influence[node]).abs() < 1e-7);
            if near.count() == 1 {
                assert!((ours - theirs[node]).abs() < 1e-4, "{}: {node}", case.name);
            }
        }
    }
}

#[test]
fn the_same_is_kept() {
    for case in cases() {
        let pruned = case.pruned();
        let nodes = case.expected["nodes"].iter().enumerate();
        let nodes: Vec<usize> = nodes.filter(|(_, x)| **x > 0.0).map(|(i, _)| i).collect();
        assert_eq!(pruned.nodes, nodes, "{}", case.name);
        let n = case.graph.n_nodes();
        let edges = case.expected["edges"].iter().enumerate();
        let edges: Vec<(usize, usize)> = edges
            .filter(|(_, x)| **x > 0.0)
            .map(|(i, _)| (i % n, i / n))
            .collect();
        assert_eq!(pruned.edges, edges, "{}", case.name);
    }
}
