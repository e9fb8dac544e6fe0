//! Checkpoints of training that SAELens 6.54.12 wrote, loaded as they would be used (`goldens/training_checkpoints.py`); and ours.
//!
//! Features and reconstructions agree to 1e-5 of the largest number.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use sae_core::{Architecture, NormalizeActivations, RunDir, RunDirError, Sae, SaeLoadOptions};
use sae_train::{
    Activations, Normalization, Session, SessionOptions, TrainArchitecture, TrainOptions, Trainer,
    TrainingRun,
};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::error::Error;
use std::path::{Path, PathBuf};

const TOLERANCE: f32 = 1e-5;

fn folder(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("goldens/data/training_checkpoints")
        .join(case)
}

fn cases() -> Vec<String> {
    let mut cases: Vec<String> = std::fs::read_dir(folder(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    cases.sort();
    assert!(cases.len() >= 12, "only {cases:?}");
    cases
}

fn options() -> SaeLoadOptions {
    SaeLoadOptions::new(&Device::flex())
}

fn tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f32>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let numbers = |data: &[u8]| {
        let words = data.as_chunks::<4>().0.iter();
        words.map(|b| f32::from_le_bytes(*b)).collect()
    };
    let all = file.tensors().into_iter();
    all.map(|(name, view)| (name, (view.shape().to_vec(), numbers(view.data()))))
        .collect()
}

fn numbers<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.cast(FloatDType::F32).into_data().try_into_vec().unwrap()
}

fn close(what: &str, ours: &[f32], theirs: &[f32], tolerance: f32) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    assert!(scale > 0.0, "{what}: nothing but zeros proves nothing");
    let pairs = ours.iter().zip(theirs);
    let worst = pairs.fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(
        worst <= tolerance * scale,
        "{what}: differs by {worst} where the largest is {scale}"
    );
}

fn compare(case: &str, sae: &Sae, tolerance: f32) {
    let expected = tensors(&folder(case).join("expected.safetensors"));
    let (shape, x) = &expected["x"];
    let x = Tensor::<3>::from_data(TensorData::new(x.clone(), shape.clone()), &Device::flex());
    let encoded = sae.encode(x);
    let decoded = numbers(sae.decode(&encoded));
    let features = numbers(encoded.features);
    for (what, ours) in [("features", features), ("decoded", decoded)] {
        close(
            &format!("{case}: {what}"),
            &ours,
            &expected[what].1,
            tolerance,
        );
    }
}

#[test]
fn saelens_checkpoints_load_as_they_would_be_used() {
    for case in cases() {
        let run = RunDir::open(folder(&case)).unwrap();
        assert!(run.cfg.unfinished.is_some(), "{case}");
        assert_eq!(
            run.cfg.normalize_activations,
            NormalizeActivations::None,
            "{case}"
        );
        assert!(run.log_sparsity.is_some(), "{case}");
        assert_eq!(
            run.cfg.metadata.hook_name.as_deref(),
            Some("blocks.0.hook_resid_pre")
        );
        let is_batch = case.starts_with("batchtopk") || case == "matryoshka";
        if is_batch {
            assert_eq!(run.cfg.architecture, Architecture::JumpRelu, "{case}");
        }
        let sae = Sae::load(folder(&case), &options()).unwrap();
        assert_eq!(sae.cfg().unfinished, None, "{case}");
        compare(&case, &sae, TOLERANCE);
        // The form that commands load by.
        let same = Sae::load_weights(run.cfg.clone(), &run.weights, &options()).unwrap();
        compare(&case, &same, TOLERANCE);
        // What is saved of it is a finished SAE.
        let dir = tempfile::tempdir().unwrap();
        sae.save(dir.path()).unwrap();
        let again = Sae::load(dir.path(), &options()).unwrap();
        compare(&case, &again, TOLERANCE);
        assert_eq!(RunDir::open(dir.path()).unwrap().cfg.unfinished, None);
        assert!(run.n_params().unwrap() > 0);
    }
}

#[test]
fn a_checkpoint_loads_in_half_precision() {
    let mut half = options();
    half.dtype = FloatDType::BF16;
    for case in ["standard", "gated"] {
        let sae = Sae::load(folder(case), &half).unwrap();
        compare(case, &sae, 0.05);
    }
    let sae = Sae::load(folder("batchtopk"), &half).unwrap();
    let dir = tempfile::tempdir().unwrap();
    sae.save(dir.path()).unwrap();
    assert!(Sae::load(dir.path(), &options()).is_ok());
}

#[test]
fn thresholds_below_0_are_0() {
    let case = folder("jumprelu");
    let stored = tensors(&case.join("sae_weights.safetensors"));
    assert!(stored["threshold"].1.iter().any(|theta| *theta < 0.0));
    let dir = tempfile::tempdir().unwrap();
    Sae::load(&case, &options())
        .unwrap()
        .save(dir.path())
        .unwrap();
    let saved = tensors(&dir.path().join("sae_weights.safetensors"));
    assert!(saved["threshold"].1.iter().all(|theta| *theta >= 0.0));
    assert!(saved["threshold"].1.contains(&0.0));
}

/// A copy of a checkpoint, with another scaler.
fn with_scaler(case: &str, scaler: Option<&str>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["cfg.json", "sae_weights.safetensors"] {
        std::fs::copy(folder(case).join(name), dir.path().join(name)).unwrap();
    }
    if let Some(scaler) = scaler {
        std::fs::write(dir.path().join("activation_scaler.json"), scaler).unwrap();
    }
    dir
}

#[test]
fn what_the_scaler_says_is_heeded() {
    // As it is in training: the factor is not known.
    for scaler in [
        None,
        Some(r#"{"scaling_factor": null, "has_whitening": false}"#),
    ] {
        let dir = with_scaler("standard", scaler);
        let sae = Sae::load(dir.path(), &options()).unwrap();
        let said = sae.cfg().normalize_activations;
        assert_eq!(said, NormalizeActivations::ExpectedAverageOnlyIn);
        let w_dec = numbers(sae.w_dec());
        let stored = tensors(&dir.path().join("sae_weights.safetensors"));
        assert_eq!(w_dec, stored["W_dec"].1);
    }
    let dir = with_scaler(
        "standard",
        Some(r#"{"scaling_factor": null, "has_whitening": true}"#),
    );
    let error = RunDir::open(dir.path()).unwrap_err();
    assert!(matches!(error, RunDirError::Whitened(_)));
    let message = error.to_string();
    assert!(
        message.contains("activation_scaler.json: has_whitening is true"),
        "{message}"
    );
    assert!(message.contains("save_inference_model"), "{message}");
    for (scaler, expected) in [
        (
            r#"{"scaling_factor": -1.0, "has_whitening": false}"#,
            "scaling_factor is -1; expected a positive number",
        ),
        (r#"{"scaling_factor": "one"}"#, "expected a number"),
        ("", "EOF"),
    ] {
        let dir = with_scaler("topk", Some(scaler));
        let message = RunDir::open(dir.path()).unwrap_err().to_string();
        assert!(message.contains("activation_scaler.json: "), "{message}");
        assert!(message.contains(expected), "{message}");
    }
}

/// Two hooks of width 6, the second one's numbers larger.
#[derive(Debug, Default)]
struct Numbers {
    place: u64,
}

impl Activations for Numbers {
    fn widths(&self) -> &[usize] {
        &[6, 6]
    }

    fn next(&mut self, rows: &mut Vec<f32>) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let mut state = self.place;
        for _ in 0..64 {
            for i in 0..12 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1 + i);
                let unit = (state >> 40) as f32 / (1 << 24) as f32;
                rows.push(if i < 6 { 3.0 * unit } else { 9.0 * unit - 2.0 });
            }
        }
        self.place = state;
        Ok(true)
    }

    fn place(&self) -> u64 {
        self.place
    }

    fn seek(&mut self, place: u64) {
        self.place = place;
    }
}

/// A checkpoint of ours is the SAE that would have been finished there.
#[test]
fn our_checkpoints_load_as_what_they_would_be_finished_as() {
    for architecture in TrainArchitecture::ALL {
        let mut train = TrainOptions::default();
        (train.architecture, train.d_sae, train.k) = (architecture, 20, 3.0);
        train.matryoshka_widths = vec![8];
        train.train_batch_size_tokens = 32;
        train.training_tokens = 3200;
        train.normalize_activations = Normalization::ExpectedAverageOnlyIn;
        train.n_batches_for_norm_estimate = 3;
        train.topk_threshold_lr = 0.2;
        train.l1_coefficient = 0.01;
        let mut run = TrainingRun::new("sae", Trainer::new(&train, 6, 6).unwrap());
        if architecture.is_transcoder() {
            run.target = Some(1);
        }
        let settings = SessionOptions::new(32, 128, 0);
        let mut session = Session::new(&settings, Numbers::default(), vec![run]).unwrap();
        for _ in 0..40 {
            session.step().unwrap();
        }
        let dir = tempfile::tempdir().unwrap();
        let path = session
            .checkpoint(dir.path(), 1, &serde_json::Value::Null)
            .unwrap()
            .join("sae");
        let checkpoint = Sae::load(&path, &options()).unwrap();
        let run = &session.runs()[0];
        let finished = run
            .trainer
            .finished(&run.metadata)
            .to_sae(&options())
            .unwrap();
        assert_eq!(checkpoint.cfg().architecture, finished.cfg().architecture);
        let normalize = checkpoint.cfg().normalize_activations;
        assert_eq!(normalize, NormalizeActivations::None);
        let (x, _) = session.batch(0);
        let data = TensorData::new(x.to_vec(), [1, 32, 6]);
        let x = Tensor::<3>::from_data(data, &Device::flex());
        let [ours, expected] = [&checkpoint, &finished].map(|sae| sae.encode(x.clone()).features);
        close(
            architecture.name(),
            &numbers(ours),
            &numbers(expected),
            TOLERANCE,
        );
        let [ours, expected] = [&checkpoint, &finished].map(|sae| numbers(sae.forward(x.clone())));
        close(architecture.name(), &ours, &expected, TOLERANCE);
    }
}
