//! `sae-metrics` against SAELens' `run_evals`, on what a tiny Llama in TransformerLens computed (`goldens/metrics.py`).
//!
//! Figures agree to 1e-4 relative, counts exactly. SAELens' two figures that depend on the batch size are compared with the
//! truth in f64.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use sae_metrics::{
    Autoencoder, Evaluation, Features, Masking, Prefix, ProtocolOptions, Reconstruction, Report,
    SparseRows, Splice, SplitModel, Unobserved, evaluate,
};
use safetensors::SafeTensors;
use serde_json::Value;
use std::collections::HashMap;
use std::convert::Infallible;
use std::ops::Range;
use std::path::PathBuf;

const TOLERANCE: f64 = 1e-4;

fn golden(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/data/metrics")
        .join(file)
}

/// What the peers computed: tensors by name, and the rows of tokens.
struct Recorded {
    tensors: HashMap<String, TensorData>,
    rows: Vec<Vec<u32>>,
}

impl Recorded {
    fn load() -> Self {
        let bytes = std::fs::read(golden("recorded.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let mut tensors = HashMap::new();
        for (name, view) in file
            .tensors()
            .into_iter()
            .filter(|(name, _)| name != "tokens")
        {
            let (values, _) = view.data().as_chunks::<4>();
            let values: Vec<f32> = values
                .iter()
                .map(|bytes| f32::from_le_bytes(*bytes))
                .collect();
            tensors.insert(name, TensorData::new(values, view.shape().to_vec()));
        }
        let tokens = file.tensor("tokens").unwrap();
        let (ids, _) = tokens.data().as_chunks::<8>();
        let ids: Vec<u32> = ids
            .iter()
            .map(|bytes| i64::from_le_bytes(*bytes) as u32)
            .collect();
        let rows = ids.chunks(tokens.shape()[1]).map(<[u32]>::to_vec).collect();
        Self { tensors, rows }
    }

    fn get<const D: usize>(&self, name: &str) -> Tensor<D> {
        Tensor::from_data(self.tensors[name].clone(), (&Device::flex(), DType::F32))
    }

    fn rows(&self) -> impl Iterator<Item = Result<Vec<u32>, Infallible>> + '_ {
        self.rows.iter().cloned().map(Ok)
    }
}

/// Answers from the recording, and checks that it is asked what TransformerLens was asked.
struct RecordedModel<'a> {
    recorded: &'a Recorded,
    case: &'a str,
}

impl SplitModel for RecordedModel<'_> {
    /// Which recorded rows the batch holds.
    type Resume = Tensor<1, Int>;

    fn prefix(&self, tokens: Tensor<2, Int>) -> Prefix<Self::Resume> {
        let [_, length] = tokens.dims();
        let ids: Vec<i64> = tokens.into_data().convert::<i64>().try_into_vec().unwrap();
        let index_of = |row: &[i64]| {
            let same = |known: &Vec<u32>| {
                known
                    .iter()
                    .map(|&id| i64::from(id))
                    .eq(row.iter().copied())
            };
            self.recorded
                .rows
                .iter()
                .position(same)
                .expect("a recorded row") as i64
        };
        let rows: Vec<i64> = ids.chunks(length).map(index_of).collect();
        let rows = Tensor::from_data(TensorData::new(rows.clone(), [rows.len()]), &Device::flex());
        let input = self.recorded.get::<3>("x").select(0, rows.clone());
        Prefix::new(rows, input)
    }

    fn suffix(&self, rows: &Self::Resume, edits: Vec<Splice>) -> Vec<Tensor<3>> {
        let recorded = |what: &str| {
            self.recorded
                .get::<3>(&format!("{}.{what}", self.case))
                .select(0, rows.clone())
        };
        let outcome = |edit| match edit {
            Splice::Keep => recorded("original"),
            Splice::Zero => recorded("ablated"),
            Splice::Replace(edit) => {
                let off = (edit - recorded("edit")).abs().max().into_scalar::<f32>();
                assert!(
                    off < 1e-5,
                    "spliced in something else than SAELens did: off by {off}"
                );
                recorded("reconstructed")
            }
        };
        edits.into_iter().map(outcome).collect()
    }

    fn logits(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        let unembedding = self.recorded.get::<2>("W_U");
        normed.matmul(unembedding.narrow(1, entries.start, entries.len()))
    }

    fn vocab_size(&self) -> usize {
        self.recorded.tensors["W_U"].shape()[1]
    }

    fn device(&self) -> Device {
        Device::flex()
    }
}

struct StandardSae<'a>(&'a Recorded);

impl Autoencoder for StandardSae<'_> {
    fn d_in(&self) -> usize {
        self.0.tensors["W_enc"].shape()[0]
    }

    fn d_sae(&self) -> usize {
        self.0.tensors["W_enc"].shape()[1]
    }

    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction {
        let vector = |name: &str| self.0.get::<1>(name).unsqueeze::<3>();
        let matrix = |name: &str| self.0.get::<2>(name).unsqueeze::<3>();
        let features =
            ((x - vector("b_dec")).matmul(matrix("W_enc")) + vector("b_enc")).clamp_min(0.0);
        let decoded = features.clone().matmul(matrix("W_dec")) + vector("b_dec");
        Reconstruction::new(Features::Sparse(sparse(features)), decoded)
    }
}

fn sparse(features: Tensor<3>) -> SparseRows {
    let [_, _, d_sae] = features.dims();
    let values: Vec<f32> = features.into_data().try_into_vec().unwrap();
    SparseRows::from_dense(&values, d_sae)
}

fn figures() -> Value {
    serde_json::from_slice(&std::fs::read(golden("figures.json")).unwrap()).unwrap()
}

fn measure(recorded: &Recorded, case: &str, masking: Masking, batch_size: usize) -> Evaluation {
    let model = RecordedModel { recorded, case };
    let mut options = ProtocolOptions::default();
    options.masking = masking;
    options.batch_size = batch_size;
    evaluate(
        &model,
        &StandardSae(recorded),
        recorded.rows(),
        &options,
        &mut Unobserved,
    )
    .unwrap()
}

fn masking(figures: &Value, case: &str) -> Masking {
    let ids = figures[case]["excluded"].as_array().unwrap();
    Masking::exclude(ids.iter().map(|id| id.as_u64().unwrap() as u32))
}

fn report(evaluation: &Evaluation) -> Value {
    serde_json::to_value(Report::new(
        Some(&evaluation.sparsity),
        Some(&evaluation.reconstruction),
    ))
    .unwrap()
}

fn assert_close(name: &str, ours: &Value, theirs: &Value, tolerance: f64) {
    match (ours.as_f64(), theirs.as_f64()) {
        (Some(a), Some(b)) => assert!(
            (a - b).abs() <= tolerance * b.abs(),
            "{name}: {a}, the peer has {b}"
        ),
        _ => assert_eq!(ours, theirs, "{name}"),
    }
}

#[test]
fn every_figure_of_saelens_whatever_the_batch_size() {
    let (recorded, figures) = (Recorded::load(), figures());
    for (case, batch_size) in ["plain", "masked"]
        .into_iter()
        .flat_map(|case| [1, 4, 6].map(|size| (case, size)))
    {
        let ours = report(&measure(
            &recorded,
            case,
            masking(&figures, case),
            batch_size,
        ));
        let theirs = &figures[case]["saelens"];
        let mut compared = 0;
        for (group, metrics) in theirs["metrics"].as_object().unwrap() {
            for (key, value) in metrics.as_object().unwrap() {
                assert_close(
                    &format!("{case}.{group}.{key}"),
                    &ours["metrics"][group][key],
                    value,
                    TOLERANCE,
                );
                compared += 1;
            }
        }
        assert_eq!(compared, 19, "SAELens gives nineteen figures");
        for key in ["feature_density", "consistent_activation_heuristic"] {
            let (ours, theirs) = (
                &ours["feature_metrics"][key],
                &theirs["feature_metrics"][key],
            );
            let (ours, theirs) = (ours.as_array().unwrap(), theirs.as_array().unwrap());
            assert_eq!(ours.len(), theirs.len());
            for (feature, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                assert_close(&format!("{case}.{key}[{feature}]"), ours, theirs, 1e-6);
            }
        }
    }
}

#[test]
fn what_saelens_does_not_give_or_gives_by_batch_is_true_to_f64() {
    let (recorded, figures) = (Recorded::load(), figures());
    for case in ["plain", "masked"] {
        let measured = measure(&recorded, case, masking(&figures, case), 2);
        let ours = report(&measured);
        let groups = ours["metrics"].as_object().unwrap();
        for (key, truth) in figures[case]["truth"].as_object().unwrap() {
            if key == "l0_counts" {
                let counts: Vec<u64> = truth
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|n| n.as_u64().unwrap())
                    .collect();
                assert_eq!(measured.sparsity.l0.counts(), counts);
            } else {
                let ours = groups.values().find_map(|group| group.get(key)).unwrap();
                assert_close(&format!("{case}.{key}"), ours, truth, 1e-5);
            }
        }
        // With the same batches, SAELens is off by far more than the tolerance.
        let batched = &figures[case]["saelens_in_batches_of_2"]["metrics"];
        for (group, key) in [
            ("shrinkage", "relative_reconstruction_bias"),
            ("reconstruction_quality", "explained_variance_legacy"),
        ] {
            let (ours, theirs) = (
                ours["metrics"][group][key].as_f64().unwrap(),
                batched[group][key].as_f64().unwrap(),
            );
            assert!(
                (ours - theirs).abs() > 10.0 * TOLERANCE * theirs.abs(),
                "{key}: {ours} and {theirs}"
            );
        }
    }
}

#[test]
fn the_notebooks_l0_and_losses() {
    let (recorded, figures) = (Recorded::load(), figures());
    let measured = measure(
        &recorded,
        "plain",
        Masking::Notebook { prepend_bos: true },
        4,
    );
    let l0 = &measured.sparsity.l0;
    assert_close(
        "mean L0",
        &l0.mean().into(),
        &figures["notebook"]["l0_mean"],
        1e-6,
    );
    assert_close(
        "std of L0",
        &l0.std().into(),
        &figures["notebook"]["l0_std"],
        1e-6,
    );
    let theirs = &figures["plain"]["saelens"]["metrics"]["model_performance_preservation"];
    let ours = &report(&measured)["metrics"]["model_performance_preservation"];
    for key in [
        "ce_loss_without_sae",
        "ce_loss_with_sae",
        "ce_loss_with_ablation",
    ] {
        assert_close(key, &ours[key], &theirs[key], TOLERANCE);
    }
}
