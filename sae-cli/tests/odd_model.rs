//! Models whose files and configuration disagree: what is measured, and what is said.

#![allow(clippy::unwrap_used)] // clippy sees only the #[test] functions as tests, not the functions they share

mod support;

use safetensors::Dtype;
use support::Scratch;
use support::tensors::{Numbers, read, write};

const EVAL: &str = "eval --sae $RUN --model model --dataset $TEXT --sequences 8 --keep-all-tokens";

/// The demo's model with the embedding, flipped along its rows, as a head of its own. transformers 5.24 warns and uses it.
#[test]
fn a_head_beside_tied_embeddings_counts() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    let weights = scratch.path("model/model.safetensors");
    let tensors = read(&weights);
    let embedding = &tensors["model.embed_tokens.weight"];
    let flipped = embedding.rows().flat_map(|row| row.iter().rev().copied());
    let flipped = flipped.collect();
    let mut named: Vec<(&str, Numbers)> = tensors
        .iter()
        .map(|(name, numbers)| (name.as_str(), numbers.clone().of(Dtype::F32)))
        .collect();
    named.push((
        "lm_head.weight",
        Numbers {
            values: flipped,
            ..embedding.clone().of(Dtype::F32)
        },
    ));
    write(&weights, named);
    let json = scratch.json(EVAL);
    let warning = json["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("tie_word_embeddings") && warning.contains("lm_head.weight"),
        "{warning}"
    );
    let loss = &json["metrics"]["model_performance_preservation"]["ce_loss_without_sae"];
    let loss = loss.as_f64().unwrap();
    // transformers 5.24.0 on the same rows: cross_entropy of logits[:, :-1] against rows[:, 1:].
    assert!(
        (loss - 8.626_284_599_3).abs() < 1e-5,
        "{loss}: not the head that is there"
    );
}

#[test]
fn more_blocks_than_the_configuration_has_are_left_out_with_a_warning() {
    let scratch = Scratch::new();
    scratch.copy_demo("model");
    let (four, three) = ("\"num_hidden_layers\": 4", "\"num_hidden_layers\": 3");
    scratch.edit("model/config.json", four, three);
    let json = scratch.json(EVAL);
    let warnings = json["warnings"].to_string();
    assert!(
        warnings.contains("hold 4 blocks, config.json says 3"),
        "{warnings}"
    );
}
