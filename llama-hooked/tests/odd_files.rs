//! Models whose files hold other things than their configuration says, and what transformers makes of them.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod common;

use burn::tensor::{Device, FloatDType, Int, Tensor};
use common::{Stored, Tensors, config, tensors, write};
use llama_hooked::{
    ForwardOptions, Llama, LlamaConfig, LlamaLoadError, LlamaLoadOptions, ModelSource, NoHooks,
    Placement,
};
use safetensors::Dtype;
use serde_json::{Value, json};

const PLACEMENTS: [Placement; 2] = [Placement::Resident, Placement::Streamed];

fn load(
    config: &Value,
    tensors: &Tensors,
    placement: Placement,
) -> Result<(Llama, LlamaConfig), LlamaLoadError> {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), config, tensors);
    let files = ModelSource::Dir(dir.path().into()).resolve().unwrap();
    let mut options = LlamaLoadOptions::new(&Device::flex(), FloatDType::F32);
    options.placement = placement;
    Ok((
        Llama::load(&files, &options)?,
        LlamaConfig::from_files(&files)?,
    ))
}

fn logits(config: &Value, tensors: &Tensors, placement: Placement) -> Vec<f32> {
    let (model, _) = load(config, tensors, placement).unwrap();
    let tokens = Tensor::<2, Int>::from_ints([[1, 5, 9, 0]], &Device::flex());
    let output = model.forward(tokens, &ForwardOptions::default(), &mut NoHooks);
    let logits = output.unwrap().logits().unwrap();
    logits.try_into_vec_as().unwrap()
}

fn tied() -> Value {
    let mut config = config();
    config["tie_word_embeddings"] = json!(true);
    config
}

/// transformers 5.24 unties with a warning; a head that was dropped in silence would give other losses.
#[test]
fn a_head_that_differs_from_the_embedding_it_is_said_to_be_is_used() {
    for placement in PLACEMENTS {
        let own = logits(&config(), &tensors(), placement);
        assert_eq!(logits(&tied(), &tensors(), placement), own);
        let mut headless = tensors();
        headless.remove("lm_head.weight");
        assert_ne!(logits(&tied(), &headless, placement), own);
        let (_, as_loaded) = load(&tied(), &tensors(), placement).unwrap();
        assert!(
            !as_loaded.tie_word_embeddings,
            "memory is planned for two matrices"
        );
    }
}

#[test]
fn a_head_that_is_the_embedding_bit_for_bit_is_tied() {
    let mut same = tensors();
    let embedding = same["model.embed_tokens.weight"].clone();
    same.insert("lm_head.weight".into(), embedding);
    for placement in PLACEMENTS {
        let (_, config) = load(&tied(), &same, placement).unwrap();
        assert!(config.tie_word_embeddings);
        let mut headless = same.clone();
        headless.remove("lm_head.weight");
        let expected = logits(&tied(), &headless, placement);
        assert_eq!(logits(&tied(), &same, placement), expected);
    }
}

#[test]
fn a_head_of_another_shape_is_refused() {
    let mut narrow = tensors();
    narrow.insert("lm_head.weight".into(), Stored::zeros(Dtype::F32, &[9, 8]));
    let error = load(&tied(), &narrow, Placement::Resident).unwrap_err();
    let error = error.to_string();
    assert!(
        error.ends_with(
            "tensor lm_head.weight has shape [9, 8], expected [10, 8] by the configuration"
        ),
        "{error}"
    );
}

#[test]
fn names_without_the_prefix_are_those_of_a_model_without_a_head() {
    let bare: Tensors = tensors()
        .into_iter()
        .map(|(name, tensor)| (name.trim_start_matches("model.").to_owned(), tensor))
        .collect();
    for placement in PLACEMENTS {
        let expected = logits(&config(), &tensors(), placement);
        assert_eq!(logits(&config(), &bare, placement), expected);
    }
}

#[test]
fn tensors_that_a_llama_does_not_have_are_left_out() {
    let mut more = tensors();
    for (name, shape) in [
        ("v_head.summary.weight", vec![1, 8]),
        ("model.layers.1.mlp.up_proj.weight", vec![12, 8]),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", vec![2]),
        ("model.layers.0.mlp.empty", vec![0]),
        ("empty", vec![0, 3]),
    ] {
        more.insert(name.into(), Stored::zeros(Dtype::F32, &shape));
    }
    for placement in PLACEMENTS {
        let expected = logits(&config(), &tensors(), placement);
        assert_eq!(logits(&config(), &more, placement), expected);
    }
}
