//! sparsify, `dictionary_learning`, circuit-tracer.

use crate::support::{golden, named, rewrite};
use crate::{check, keyed};
use serde_json::json;
use std::fs;

#[test]
fn sparsify() {
    let cfg = |key, value| keyed("sparsify/topk/layers.15", "cfg.json", key, value);
    check(vec![
        (
            "no k",
            cfg("k", json!(0)),
            "k is 0; expected a whole number from 1",
        ),
        (
            "too many",
            cfg("k", json!(100)),
            "k is 100; expected at most 24",
        ),
        (
            "another activation",
            cfg("activation", json!("softmax")),
            "activation is \"softmax\"; expected topk or groupmax",
        ),
        (
            "uneven groups",
            keyed("sparsify/groupmax/h.3.attn", "cfg.json", "k", json!(5)),
            "k is 5; expected a divisor of 24",
        ),
        (
            "signed features",
            cfg("signed", json!(true)),
            "signed is true",
        ),
        ("no d_in", cfg("d_in", json!(null)), "d_in is missing"),
        (
            "a skip that is not said",
            keyed(
                "sparsify/skip/layers.4.mlp",
                "cfg.json",
                "skip_connection",
                json!(false),
            ),
            "tensor W_skip of shape [8, 8] is none",
        ),
        (
            "a skip that is not there",
            keyed(
                "sparsify/transcode/layers.4.mlp",
                "cfg.json",
                "skip_connection",
                json!(true),
            ),
            "tensor W_skip of shape [8, 8] is missing",
        ),
        (
            "another number of latents",
            cfg("num_latents", json!(32)),
            "tensor W_dec has shape [24, 8], expected [32, 8] by cfg.json",
        ),
    ]);
}

#[test]
fn dictionary_learning() {
    let trainer = |key, value| {
        keyed(
            "dictionary_learning/AutoEncoderTopK",
            "config.json",
            key,
            value,
        )
    };
    check(vec![
        (
            "no trainer",
            trainer("trainer", json!(null)),
            "trainer is missing; expected an object",
        ),
        (
            "another class",
            trainer("trainer.dict_class", json!("CrossCoder")),
            "trainer.dict_class is \"CrossCoder\"; expected AutoEncoder",
        ),
        (
            "no k",
            trainer("trainer.k", json!(null)),
            "trainer.k is missing",
        ),
        (
            "a k that the weights deny",
            trainer("trainer.k", json!(5)),
            "trainer.k is 5; expected 4, as the file of weights says",
        ),
        (
            "more k than features",
            trainer("trainer.k", json!(25)),
            "trainer.k is 25; expected at most dict_size (24)",
        ),
        (
            "another size",
            trainer("trainer.dict_size", json!(25)),
            "tensor decoder.weight has shape [8, 24], expected [8, 25] by config.json",
        ),
        (
            "a layer in words",
            trainer("trainer.layer", json!("five")),
            "trainer.layer is \"five\"; expected a whole number from 0",
        ),
        (
            "the class of other weights",
            keyed(
                "dictionary_learning/AutoEncoder",
                "config.json",
                "trainer.dict_class",
                json!("GatedAutoEncoder"),
            ),
            "tensor gate_bias of shape [24] is missing",
        ),
    ]);
}

#[test]
fn sets_of_transcoders_and_folders() {
    check(vec![
        (
            "a set without a layer",
            Box::new(|dir| golden(dir, "circuit_tracer")),
            "is a set of transcoders with layers 0 to 2; give one of them",
        ),
        (
            "a layer beyond the last",
            Box::new(|dir| golden(dir, "circuit_tracer").join("layer_7.safetensors")),
            "no such",
        ),
        (
            "across layers",
            Box::new(|dir| {
                let folder = golden(dir, "circuit_tracer");
                fs::write(
                    folder.join("config.yaml"),
                    "model_kind: cross_layer_transcoder\n",
                )
                .unwrap();
                folder.join("layer_0.safetensors")
            }),
            "model_kind is \"cross_layer_transcoder\"; expected transcoder_set",
        ),
        (
            "no YAML",
            Box::new(|dir| {
                let folder = golden(dir, "circuit_tracer");
                fs::write(folder.join("config.yaml"), "a: [1, 2").unwrap();
                folder.join("layer_0.safetensors")
            }),
            "config.yaml: is not YAML",
        ),
        (
            "another number of rows",
            Box::new(|dir| {
                let folder = golden(dir, "circuit_tracer");
                rewrite(&folder.join("layer_0.safetensors"), |all| {
                    let w = named(all, "W_dec");
                    w.shape = vec![8, 24];
                });
                folder.join("layer_0.safetensors")
            }),
            "W_enc has 24 rows and W_dec 8",
        ),
        (
            "a vector for a matrix",
            Box::new(|dir| {
                let folder = golden(dir, "circuit_tracer");
                rewrite(&folder.join("layer_0.safetensors"), |all| {
                    named(all, "W_enc").shape = vec![192];
                });
                folder.join("layer_0.safetensors")
            }),
            "tensor W_enc has shape [192], expected a matrix",
        ),
        (
            "two pickles",
            Box::new(|dir| {
                fs::write(dir.join("a.pt"), "").unwrap();
                fs::write(dir.join("b.pt"), "").unwrap();
                dir.to_owned()
            }),
            "holds several pickled files and no cfg.json; give one of them: a.pt, b.pt",
        ),
    ]);
}
