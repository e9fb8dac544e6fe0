//! Several SAEs in one model against transformers with torch hooks and SAELens' SAE (`goldens/several.py`): each alone, all together, and zeros at
//! all hooks, to 1e-5 relative.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not their helpers

use burn::tensor::{Device, FloatDType};
use llama_hooked::{Llama, LlamaLoadOptions, ModelSource};
use sae_core::{Sae, SaeLoadOptions};
use sae_llama::{LlamaPlaces, Place, ReconstructionPath, Spliced, SplitLlama};
use sae_metrics::{
    Masking, MultiEvaluation, ProtocolOptions, ReconstructionStatistics, Unobserved, evaluate,
    evaluate_multi,
};
use serde_json::Value;
use std::convert::Infallible;
use std::path::{Path, PathBuf};

const TOLERANCE: f64 = 1e-5;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Setting {
    golden: Value,
    model: Llama,
    sae: Sae,
    options: ProtocolOptions,
    rows: Vec<Vec<u32>>,
}

impl Setting {
    fn new() -> Self {
        let path = root().join("tests/goldens/data/several/figures.json");
        let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        let device = Device::flex();
        let model = root().join("demo/model");
        let files = ModelSource::parse(model.to_str().unwrap())
            .unwrap()
            .resolve()
            .unwrap();
        let model = Llama::load(&files, &LlamaLoadOptions::new(&device, FloatDType::F32)).unwrap();
        let sae = Sae::load(root().join("demo/run"), &SaeLoadOptions::new(&device)).unwrap();
        let ids = |value: &Value| -> Vec<u32> {
            let ids = value.as_array().unwrap().iter();
            ids.map(|id| id.as_u64().unwrap() as u32).collect()
        };
        let rows = golden["tokens"].as_array().unwrap().iter().map(ids);
        let mut options = ProtocolOptions::default();
        options.masking = Masking::exclude(ids(&golden["masked"]));
        Self {
            rows: rows.collect(),
            options,
            model,
            sae,
            golden,
        }
    }

    /// The places, by the hooks' names.
    fn places(&self, names: &[&str]) -> Vec<Place> {
        let place = |name: &&str| {
            let point = name.parse().unwrap();
            Place::at(self.model.config(), point, point).unwrap()
        };
        names.iter().map(place).collect()
    }

    fn hooks(&self) -> Vec<&str> {
        let hooks = self.golden["hooks"].as_array().unwrap();
        hooks.iter().map(|hook| hook.as_str().unwrap()).collect()
    }

    fn rows(&self) -> impl Iterator<Item = Result<Vec<u32>, Infallible>> + '_ {
        self.rows.iter().cloned().map(Ok)
    }

    fn spliced(&self) -> Spliced {
        Spliced::new(&self.sae, ReconstructionPath::DecodeEncode)
    }

    fn measured(&self, names: &[&str], rows_at_once: usize) -> MultiEvaluation {
        let places = self.places(names);
        let model = LlamaPlaces::new(&self.model, &places).rows_at_once(rows_at_once);
        let saes: Vec<_> = places
            .iter()
            .map(|&place| (model.number(place).unwrap(), self.spliced()))
            .collect();
        let observer = &mut Unobserved;
        evaluate_multi(&model, &saes, self.rows(), &self.options, true, observer).unwrap()
    }
}

#[track_caller]
fn close(found: f64, expected: &Value) {
    let expected = expected.as_f64().unwrap();
    assert!(
        (found - expected).abs() <= TOLERANCE * expected.abs(),
        "{found} is not {expected}"
    );
}

fn check_reconstructed(statistics: &ReconstructionStatistics, expected: &Value) {
    close(
        statistics.cross_entropy.reconstructed.mean(),
        &expected["ce"],
    );
    close(
        statistics.kl_divergence.reconstructed.mean(),
        &expected["kl"],
    );
}

fn check_ablated(statistics: &ReconstructionStatistics, expected: &Value) {
    close(statistics.cross_entropy.ablated.mean(), &expected["ce"]);
    close(statistics.kl_divergence.ablated.mean(), &expected["kl"]);
}

#[test]
fn alone_and_together_agree_with_torch() {
    let setting = Setting::new();
    let golden = &setting.golden;
    for rows_at_once in [100, 2] {
        let found = setting.measured(&setting.hooks(), rows_at_once);
        let together = found.together.as_ref().unwrap();
        check_reconstructed(together, &golden["together"]);
        check_ablated(together, &golden["zeroed"]);
        close(
            together.cross_entropy.original.mean(),
            &golden["original"]["ce"],
        );
        for (at, evaluation) in found.saes.iter().enumerate() {
            check_reconstructed(&evaluation.reconstruction, &golden["alone"][at]);
        }
        check_ablated(&found.saes[2].reconstruction, &golden["only_mlp_zeroed"]);
        // Without a hook between blocks, zeros at all hooks take a run of every position.
        let mlp = setting.measured(&setting.hooks()[2..], rows_at_once);
        check_ablated(mlp.together.as_ref().unwrap(), &golden["only_mlp_zeroed"]);
    }
}

#[test]
fn each_is_what_it_is_alone_at_every_kind_of_hook() {
    let setting = Setting::new();
    let names = [
        "hook_embed",
        "blocks.0.hook_resid_pre",
        "blocks.1.attn.hook_z",
        "blocks.1.hook_resid_post",
        "blocks.2.hook_resid_pre",
        "blocks.2.hook_attn_out",
        "blocks.3.hook_resid_mid",
        "blocks.3.hook_resid_post",
        "ln_final.hook_normalized",
        "unembed.hook_in",
    ];
    for rows_at_once in [100, 1] {
        let together = setting.measured(&names, rows_at_once);
        for (name, found) in names.iter().zip(&together.saes) {
            let point = name.parse().unwrap();
            let split = SplitLlama::at(&setting.model, point, point).unwrap();
            let observer = &mut Unobserved;
            let options = &setting.options;
            let alone = evaluate(
                &split,
                &setting.spliced(),
                setting.rows(),
                options,
                observer,
            )
            .unwrap();
            let (a, b) = (&found.reconstruction, &alone.reconstruction);
            for (found, alone) in [
                (&a.cross_entropy.original, &b.cross_entropy.original),
                (
                    &a.cross_entropy.reconstructed,
                    &b.cross_entropy.reconstructed,
                ),
                (&a.cross_entropy.ablated, &b.cross_entropy.ablated),
                (
                    &a.kl_divergence.reconstructed,
                    &b.kl_divergence.reconstructed,
                ),
            ] {
                let (found, alone) = (found.mean(), alone.mean());
                assert!(
                    (found - alone).abs() < 1e-5 * alone,
                    "{name}: {found} {alone}"
                );
            }
            assert!((found.sparsity.l0.mean() - alone.sparsity.l0.mean()).abs() < 0.1);
        }
        // The last hook decides: what is put there is all that counts, and zeros there leave nothing.
        let all = together.together.unwrap();
        assert!((all.cross_entropy.ablated.mean() - 2048_f64.ln()).abs() < 1e-5);
    }
}

#[test]
fn a_single_sae_runs_as_many_blocks_as_alone() {
    let setting = Setting::new();
    for (name, blocks) in [
        ("blocks.1.hook_resid_pre", 4 + 3),
        ("blocks.1.hook_mlp_out", 4 + 3 + 3),
        ("ln_final.hook_normalized", 4),
    ] {
        let places = setting.places(&[name]);
        let model = LlamaPlaces::new(&setting.model, &places);
        let saes = [(0, setting.spliced())];
        let observer = &mut Unobserved;
        let rows = setting.rows();
        evaluate_multi(&model, &saes, rows, &setting.options, false, observer).unwrap();
        let tokens = setting.rows.iter().map(Vec::len).sum::<usize>() as u64;
        assert_eq!(model.block_tokens(), blocks * tokens, "{name}");
        assert_eq!(
            model.block_tokens_alone(places[0], tokens, 0),
            blocks * tokens
        );
    }
}

#[test]
fn rows_without_losses_stop_at_the_last_place() {
    let setting = Setting::new();
    for (names, end) in [
        (&["blocks.1.hook_resid_pre", "hook_embed"][..], 1),
        (&["blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"], 2),
        (&["blocks.3.hook_resid_post"], 4),
        (&["blocks.2.hook_attn_out", "ln_final.hook_normalized"], 4),
    ] {
        let measured = |with_losses: Option<u64>| {
            let mut options = setting.options.clone();
            options.reconstruction_rows = with_losses;
            let model = LlamaPlaces::new(&setting.model, &setting.places(names)).rows_at_once(2);
            let saes = setting.places(names).into_iter();
            let saes = saes.map(|place| (model.number(place).unwrap(), setting.spliced()));
            let saes: Vec<_> = saes.collect();
            let (rows, observer) = (setting.rows(), &mut Unobserved);
            let found = evaluate_multi(&model, &saes, rows, &options, false, observer).unwrap();
            (found.saes, model.block_tokens())
        };
        let (all, _) = measured(None);
        let (none, block_tokens) = measured(Some(0));
        let tokens = setting.rows.iter().map(Vec::len).sum::<usize>() as u64;
        assert_eq!(block_tokens, end * tokens, "{names:?}");
        for (all, none) in all.iter().zip(&none) {
            assert!(all.sparsity == none.sparsity, "{names:?}");
            assert_eq!(none.reconstruction.tokens.seen, 0);
        }
        let (some, _) = measured(Some(2));
        assert_eq!(some[0].reconstruction.tokens.sequences, 2);
        assert!(some[0].sparsity.density == all[0].sparsity.density);
    }
}
