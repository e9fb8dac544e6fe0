//! Cross-layer transcoders and crosscoders against circuit-tracer's class and formulas in float64, and in the demo's model against transformers with
//! torch hooks (`goldens/multi_layer.py`): features, outputs and figures agree to 1e-5 of the largest number.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use llama_hooked::{Llama, LlamaLoadOptions, ModelSource};
use sae_core::{MultiLayer, MultiLayerDir, RunDir, Sae, SaeLoadOptions, layers_of_set};
use sae_llama::{LlamaPlaces, Place, ReconstructionPath, Spliced, SplicedLayers};
use sae_metrics::{
    Evaluation, Masking, MultiEvaluation, ProtocolOptions, ReconstructionStatistics, Unobserved,
    evaluate_ensemble, evaluate_multi,
};
use safetensors::SafeTensors;
use serde_json::Value;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

const TOLERANCE: f64 = 1e-5;

fn data(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("goldens/data/multi_layer").join(path)
}

fn load(name: &str) -> (MultiLayerDir, MultiLayer) {
    let dir = MultiLayerDir::find(data(name)).unwrap().unwrap();
    let loaded = dir.load(&SaeLoadOptions::new(&Device::flex())).unwrap();
    (dir, loaded)
}

/// A tensor of a golden, a matrix for each layer.
fn layers(name: &str, key: &str) -> Vec<(Vec<f32>, [usize; 2])> {
    let bytes = std::fs::read(data(&format!("expected/{name}.safetensors"))).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let view = file.tensor(key).unwrap();
    let [_, n, d] = view.shape() else { panic!() };
    let numbers = view.data().as_chunks::<4>().0.iter();
    let numbers: Vec<f32> = numbers.map(|b| f32::from_le_bytes(*b)).collect();
    let layers = numbers.chunks_exact(n * d);
    layers.map(|layer| (layer.to_vec(), [*n, *d])).collect()
}

#[track_caller]
fn close(what: &str, ours: &[f32], theirs: &[f32]) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let scale = theirs.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
    assert!(scale > 0.0, "{what}: nothing but zeros proves nothing");
    let pairs = ours.iter().zip(theirs);
    let worst = pairs.fold(0.0_f32, |m, (a, b)| m.max((a - b).abs()));
    assert!(
        f64::from(worst) <= TOLERANCE * f64::from(scale),
        "{what}: differs by {worst} where the largest is {scale}"
    );
}

fn check(name: &str, architecture: &str, of: &MultiLayer) {
    assert_eq!(of.cfg().architecture(), architecture, "{name}");
    let x: Vec<Tensor<2>> = layers(name, "x")
        .into_iter()
        .map(|(x, shape)| Tensor::from_data(TensorData::new(x, shape), &Device::flex()))
        .collect();
    let features = match of {
        MultiLayer::CrossLayer(of) => {
            let layers = x.iter().enumerate();
            layers
                .map(|(layer, x)| of.encode(layer, x.clone()))
                .collect()
        }
        MultiLayer::Crosscoder(of) => {
            let all = of.encode(&x);
            let layers = 0..x.len();
            layers
                .map(|layer| of.of_layer(layer, &all))
                .collect::<Vec<_>>()
        }
        _ => unreachable!("there are two kinds"),
    };
    for (layer, (ours, (theirs, _))) in features.iter().zip(layers(name, "features")).enumerate() {
        let what = format!("{name}: features of layer {layer}");
        close(&what, &ours.to_dense(), &theirs);
    }
    let outputs = match of {
        MultiLayer::CrossLayer(of) => of.forward(&x),
        MultiLayer::Crosscoder(of) => of.forward(&x),
        _ => unreachable!("there are two kinds"),
    };
    for (layer, (ours, (theirs, _))) in outputs.into_iter().zip(layers(name, "out")).enumerate() {
        let ours: Vec<f32> = ours.into_data().try_into_vec().unwrap();
        close(&format!("{name}: output of layer {layer}"), &ours, &theirs);
    }
}

#[test]
fn features_and_outputs_are_those_of_the_peers() {
    for (name, format, architecture) in [
        ("relu", "circuit_tracer", "cross_layer_transcoder"),
        (
            "jumprelu",
            "circuit_tracer",
            "jumprelu_cross_layer_transcoder",
        ),
        (
            "bfloat16",
            "circuit_tracer",
            "jumprelu_cross_layer_transcoder",
        ),
        (
            "gemma",
            "gemma_scope",
            "jumprelu_skip_cross_layer_transcoder",
        ),
        ("moss_relu", "open_moss", "cross_layer_transcoder"),
        (
            "moss_jumprelu",
            "open_moss",
            "jumprelu_cross_layer_transcoder",
        ),
        ("moss_plain", "open_moss", "jumprelu_cross_layer_transcoder"),
        ("crosscoder", "dictionary_learning", "crosscoder"),
        ("batch_topk", "dictionary_learning", "jumprelu_crosscoder"),
        (
            "batch_topk_sae",
            "dictionary_learning",
            "jumprelu_crosscoder",
        ),
        ("moss_crosscoder", "open_moss", "jumprelu_crosscoder"),
    ] {
        let (dir, loaded) = load(name);
        assert_eq!(dir.cfg.format.name(), format, "{name}");
        check(name, architecture, &loaded);
        check(name, architecture, &loaded.keep_encoders());
    }
}

#[test]
fn hooks_and_sizes_are_read() {
    let (dir, _) = load("relu");
    assert_eq!((dir.cfg.n_layers, dir.cfg.d_in, dir.cfg.d_sae), (4, 8, 24));
    assert_eq!(dir.cfg.hooks[3].read, "blocks.3.mlp.hook_in");
    assert_eq!(dir.cfg.hooks[3].write, "blocks.3.hook_mlp_out");
    assert_eq!(dir.cfg.model_name.as_deref(), Some("demo"));
    // Encoders, biases, 4·5/2 decoders.
    assert_eq!(dir.cfg.n_params(), 4 * (8 * 24 + 24 + 8) + 10 * 24 * 8);
    let (dir, _) = load("demo_crosscoder");
    assert_eq!(dir.cfg.hooks[2].write, "blocks.3.hook_resid_post");
    assert!(load("crosscoder").0.cfg.hooks.is_empty());
    assert_eq!(layers_of_set(&data("set")).unwrap().len(), 4);
    assert!(layers_of_set(&data("relu")).is_none());
    let error = RunDir::open(data("relu")).unwrap_err().to_string();
    assert!(error.contains("is a cross-layer transcoder"), "{error}");
}

struct Setting {
    golden: Value,
    model: Llama,
    options: ProtocolOptions,
    rows: Vec<Vec<u32>>,
}

impl Setting {
    fn new() -> Self {
        let text = std::fs::read_to_string(data("figures.json")).unwrap();
        let golden: Value = serde_json::from_str(&text).unwrap();
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../demo/model");
        let files = ModelSource::parse(model.to_str().unwrap()).unwrap();
        let options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
        let model = Llama::load(&files.resolve().unwrap(), &options).unwrap();
        let ids = |value: &Value| -> Vec<u32> {
            let ids = value.as_array().unwrap().iter();
            ids.map(|id| id.as_u64().unwrap() as u32).collect()
        };
        let mut options = ProtocolOptions::default();
        options.masking = Masking::exclude(ids(&golden["masked"]));
        let rows = golden["tokens"]
            .as_array()
            .unwrap()
            .iter()
            .map(ids)
            .collect();
        Self {
            golden,
            model,
            options,
            rows,
        }
    }

    fn rows(&self) -> impl Iterator<Item = Result<Vec<u32>, Infallible>> + '_ {
        self.rows.iter().cloned().map(Ok)
    }

    fn place(&self, read: &str, write: &str) -> Place {
        let (read, write) = (read.parse().unwrap(), write.parse().unwrap());
        Place::at(self.model.config(), read, write).unwrap()
    }

    fn of_layers(&self, name: &str, rows_at_once: usize) -> MultiEvaluation {
        let (dir, loaded) = load(name);
        let hooks = dir.cfg.hooks.iter();
        let places: Vec<Place> = hooks.map(|h| self.place(&h.read, &h.write)).collect();
        let model = LlamaPlaces::new(&self.model, &places).rows_at_once(rows_at_once);
        let numbers = places.iter().map(|&place| model.number(place).unwrap());
        let spliced = SplicedLayers::new(&loaded, numbers.collect());
        let observer = &mut Unobserved;
        evaluate_ensemble(&model, &spliced, self.rows(), &self.options, true, observer).unwrap()
    }

    fn of_set(&self) -> MultiEvaluation {
        let runs = layers_of_set(&data("set")).unwrap().into_iter();
        let runs: Vec<RunDir> = runs.map(|path| RunDir::open(path).unwrap()).collect();
        let config = self.model.config();
        let places: Vec<Place> = runs
            .iter()
            .map(|run| Place::new(config, &run.cfg).unwrap())
            .collect();
        let model = LlamaPlaces::new(&self.model, &places);
        let saes: Vec<_> = runs
            .iter()
            .zip(&places)
            .map(|(run, &place)| {
                let options = SaeLoadOptions::new(&Device::flex());
                let sae = Sae::load_weights(run.cfg.clone(), &run.weights, &options).unwrap();
                let path = ReconstructionPath::evaluated(sae.cfg());
                (model.number(place).unwrap(), Spliced::new(&sae, path))
            })
            .collect();
        let observer = &mut Unobserved;
        evaluate_multi(&model, &saes, self.rows(), &self.options, true, observer).unwrap()
    }
}

#[track_caller]
fn same(what: &str, found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= TOLERANCE * expected.abs(),
        "{what}: {found} is not {expected}"
    );
}

fn check_losses(what: &str, found: &ReconstructionStatistics, golden: &Value, zeroed: &Value) {
    let (ce, kl) = (&found.cross_entropy, &found.kl_divergence);
    same(what, ce.reconstructed.mean(), &golden["ce"]);
    same(what, kl.reconstructed.mean(), &golden["kl"]);
    same(what, ce.ablated.mean(), &zeroed["ce"]);
    same(what, kl.ablated.mean(), &zeroed["kl"]);
}

fn check_figures(what: &str, found: &MultiEvaluation, golden: &Value) {
    let alone = golden["alone"].as_array().unwrap();
    assert_eq!(found.saes.len(), alone.len());
    for (layer, (found, golden)) in found.saes.iter().zip(alone).enumerate() {
        let what = format!("{what}, layer {layer}");
        let Evaluation {
            sparsity,
            reconstruction,
            ..
        } = found;
        check_losses(&what, reconstruction, golden, &golden["zeroed"]);
        same(&what, sparsity.l0.mean(), &golden["l0"]);
        let explained = sparsity.quality.explained_variance();
        same(&what, explained, &golden["ev"]);
    }
    let together = found.together.as_ref().unwrap();
    check_losses(
        &format!("{what}, together"),
        together,
        &golden["together"],
        &golden["zeroed"],
    );
}

#[test]
fn a_cross_layer_transcoder_in_the_model_agrees_with_torch() {
    let setting = Setting::new();
    for rows_at_once in [100, 2, 1] {
        let found = setting.of_layers("demo_clt", rows_at_once);
        check_figures("clt", &found, &setting.golden["clt"]);
        same(
            "original",
            found.saes[0].reconstruction.cross_entropy.original.mean(),
            &setting.golden["original"]["ce"],
        );
    }
}

#[test]
fn a_crosscoder_in_the_model_agrees_with_torch() {
    let setting = Setting::new();
    for rows_at_once in [100, 2] {
        let found = setting.of_layers("demo_crosscoder", rows_at_once);
        check_figures("crosscoder", &found, &setting.golden["crosscoder"]);
    }
}

#[test]
fn a_set_of_transcoders_with_skip_connections_agrees_with_torch() {
    let setting = Setting::new();
    check_figures("set", &setting.of_set(), &setting.golden["set"]);
}
