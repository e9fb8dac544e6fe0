//! What loading makes of sound files.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod common;

use burn::tensor::{Device, FloatDType, Int, Tensor};
use common::{Stored, Tensors, config, serialize, tensors, write};
use half::{bf16, f16};
use llama_hooked::{ForwardOptions, Llama, LlamaLoadOptions, ModelSource, NoHooks};
use safetensors::Dtype;
use serde_json::json;
use std::fs;
use std::path::Path;

fn load(dir: &Path, dtype: FloatDType) -> Llama {
    let files = ModelSource::Dir(dir.into()).resolve().unwrap();
    Llama::load(&files, &LlamaLoadOptions::new(&Device::flex(), dtype)).unwrap()
}

fn logits(model: &Llama) -> Vec<f32> {
    let tokens = Tensor::<2, Int>::from_ints([[1, 5, 9, 0]], &Device::flex());
    let output = model
        .forward(tokens, &ForwardOptions::default(), &mut NoHooks)
        .unwrap();
    output
        .logits()
        .unwrap()
        .cast(FloatDType::F32)
        .try_into_vec_as()
        .unwrap()
}

fn stored_as(dtype: Dtype, bytes: impl Fn(f32) -> [u8; 2]) -> Tensors {
    let convert = |tensor: Stored| {
        let numbers = tensor
            .bytes
            .as_chunks()
            .0
            .iter()
            .map(|word| f32::from_le_bytes(*word));
        Stored {
            dtype,
            bytes: numbers.flat_map(&bytes).collect(),
            ..tensor
        }
    };
    tensors()
        .into_iter()
        .map(|(name, tensor)| (name, convert(tensor)))
        .collect()
}

/// The weights of the test model are exact in all of them.
#[test]
fn every_stored_dtype_gives_the_same_model() {
    let stored = [
        tensors(),
        stored_as(Dtype::F16, |x| f16::from_f32(x).to_le_bytes()),
        stored_as(Dtype::BF16, |x| bf16::from_f32(x).to_le_bytes()),
    ];
    for dtype in [FloatDType::F32, FloatDType::BF16, FloatDType::F16] {
        let all = stored.each_ref().map(|tensors| {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), &config(), tensors);
            let model = load(dir.path(), dtype);
            assert_eq!(model.dtype(), dtype);
            logits(&model)
        });
        assert_eq!(all[0], all[1], "F16 as {dtype:?}");
        assert_eq!(all[0], all[2], "BF16 as {dtype:?}");
    }
}

#[test]
fn shards_are_one_model() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(whole.path(), &config(), &tensors());
    fs::write(parts.path().join("config.json"), config().to_string()).unwrap();
    let (first, second): (Tensors, Tensors) = tensors()
        .into_iter()
        .partition(|(name, _)| name.contains("mlp"));
    let mut weight_map = serde_json::Map::new();
    for (file, part) in [("one.safetensors", first), ("two.safetensors", second)] {
        fs::write(parts.path().join(file), serialize(&part)).unwrap();
        weight_map.extend(part.into_keys().map(|name| (name, json!(file))));
    }
    let index = json!({"metadata": {"total_size": 0}, "weight_map": weight_map});
    fs::write(
        parts.path().join("model.safetensors.index.json"),
        index.to_string(),
    )
    .unwrap();
    assert_eq!(
        logits(&load(parts.path(), FloatDType::F32)),
        logits(&load(whole.path(), FloatDType::F32))
    );
}

/// Old exports carry RoPE's frequencies, and the embedding a second time.
#[test]
fn redundant_tensors_are_ignored() {
    let mut config = config();
    config["tie_word_embeddings"] = json!(true);
    let (plain, redundant) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut tensors = tensors();
    tensors.insert(
        "lm_head.weight".into(),
        tensors["model.embed_tokens.weight"].clone(),
    );
    tensors.insert(
        "model.layers.0.self_attn.rotary_emb.inv_freq".into(),
        Stored::zeros(Dtype::F32, &[2]),
    );
    write(redundant.path(), &config, &tensors);
    tensors.retain(|name, _| name != "lm_head.weight" && !name.ends_with("inv_freq"));
    write(plain.path(), &config, &tensors);
    assert_eq!(
        logits(&load(redundant.path(), FloatDType::F32)),
        logits(&load(plain.path(), FloatDType::F32))
    );
}

#[test]
fn keys_without_a_value_have_transformers_defaults() {
    let mut config = config();
    let config = config.as_object_mut().unwrap();
    for key in [
        "num_key_value_heads",
        "rms_norm_eps",
        "max_position_embeddings",
        "rope_theta",
        "tie_word_embeddings",
        "model_type",
    ] {
        config.remove(key);
    }
    // Old conversions write -1 for "none".
    config.insert("pad_token_id".into(), json!(-1));
    config.insert("eos_token_id".into(), json!([2, 3]));
    let text = serde_json::to_string(config).unwrap();
    let config = llama_hooked::LlamaConfig::from_json(&text).unwrap();
    assert_eq!(
        (
            config.n_kv_heads,
            config.d_head,
            config.max_position_embeddings
        ),
        (2, 4, 2048)
    );
    assert_eq!((config.rms_norm_eps, config.rope.theta), (1e-6, 10_000.0));
    assert!(!config.tie_word_embeddings);
    assert_eq!(
        (
            config.bos_token_id,
            config.eos_token_ids,
            config.pad_token_id
        ),
        (None, vec![2, 3], None)
    );
}

#[test]
fn the_three_layouts_of_rope_say_the_same() {
    let numbers = json!({"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut config = config();
        change(&mut config);
        llama_hooked::LlamaConfig::from_json(&config.to_string())
            .unwrap()
            .rope
    };
    let classic = with(&|config| {
        config["rope_theta"] = json!(500_000.0);
        config["rope_scaling"] = numbers.clone();
        config["rope_scaling"]["rope_type"] = json!("llama3");
    });
    // Some releases wrote the type under both names.
    let both = with(&|config| {
        config["rope_theta"] = json!(500_000.0);
        config["rope_scaling"] = numbers.clone();
        config["rope_scaling"]["rope_type"] = json!("llama3");
        config["rope_scaling"]["type"] = json!("llama3");
    });
    let parameters = with(&|config| {
        config.as_object_mut().unwrap().remove("rope_theta");
        config["rope_parameters"] = numbers.clone();
        config["rope_parameters"]["rope_type"] = json!("llama3");
        config["rope_parameters"]["rope_theta"] = json!(500_000.0);
    });
    assert_eq!(classic, both);
    assert_eq!(classic, parameters);
    assert!((classic.theta - 500_000.0).abs() < 1e-9);
}

/// A window that never hides anything is no window.
#[test]
fn an_inactive_sliding_window_is_fine() {
    for (window, used) in [
        (json!(null), json!(null)),
        (json!(32), json!(null)),
        (json!(4), json!(false)),
    ] {
        let mut config = config();
        config["model_type"] = json!("mistral");
        config["sliding_window"] = window;
        config["use_sliding_window"] = used;
        llama_hooked::LlamaConfig::from_json(&config.to_string()).unwrap();
    }
}

/// A reconstruction usually comes in f32, whatever the model runs in.
#[test]
fn a_residual_may_have_another_dtype() {
    let config = llama_hooked::LlamaConfig::from_json(&config().to_string()).unwrap();
    let device = Device::flex();
    let model = Llama::random(config, 1, &device, FloatDType::BF16);
    let resid = Tensor::<3>::ones([1, 2, 8], &device).cast(FloatDType::F32);
    let logits =
        model.unembed(model.ln_final(model.blocks(resid, 0..1, &mut NoHooks), &mut NoHooks));
    assert_eq!(FloatDType::from(logits.dtype()), FloatDType::BF16);
}

#[test]
fn random_models_depend_on_the_seed_alone() {
    let config = llama_hooked::LlamaConfig::from_json(&config().to_string()).unwrap();
    let random = |seed| {
        logits(&Llama::random(
            config.clone(),
            seed,
            &Device::flex(),
            FloatDType::F32,
        ))
    };
    assert_eq!(random(1), random(1));
    assert_ne!(random(1), random(2));
    assert!(random(1).iter().all(|x| x.is_finite()));
}
