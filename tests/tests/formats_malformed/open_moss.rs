//! Llama Scope and what followed it.

use crate::support::{self, golden, named};
use crate::{check, keyed, tensors};
use safetensors::Dtype;
use serde_json::json;
use std::fs;

const SCOPE: &str = "llama_scope/residual";
const HYPER: &str = "hyperparams.json";
const FINAL: &str = "checkpoints/final.safetensors";

#[test]
fn llama_scope() {
    let hyper = |key, value| keyed(SCOPE, HYPER, key, value);
    let weights = |change| tensors(SCOPE, FINAL, change);
    check(vec![
        (
            "no width",
            hyper("d_model", json!(null)),
            "d_model is missing; expected a whole number",
        ),
        ("a width of 0", hyper("d_model", json!(0)), "d_model is 0"),
        (
            "a negative width",
            hyper("d_model", json!(-8)),
            "d_model is -8",
        ),
        (
            "a huge width",
            hyper("d_sae", json!(1_u64 << 60)),
            "d_sae is 1152921504606846976; expected a whole number from 1 to 268435456",
        ),
        (
            "a width in words",
            hyper("d_model", json!("eight")),
            "d_model is \"eight\"",
        ),
        (
            "another width",
            hyper("d_model", json!(9)),
            "tensor decoder.weight has shape [8, 24], expected [9, 24] by hyperparams.json",
        ),
        (
            "no hook",
            hyper("hook_point_in", json!(null)),
            "hook_point_in is missing; expected a text",
        ),
        (
            "a hook that is a number",
            hyper("hook_point_in", json!(5)),
            "hook_point_in is 5",
        ),
        (
            "no threshold",
            hyper("jump_relu_threshold", json!(null)),
            "jump_relu_threshold is missing; expected a number",
        ),
        (
            "a negative threshold",
            hyper("jump_relu_threshold", json!(-0.5)),
            "jump_relu_threshold is -0.5; expected a number from 0",
        ),
        (
            "a threshold in words",
            hyper("jump_relu_threshold", json!("NaN")),
            "jump_relu_threshold is \"NaN\"",
        ),
        (
            "a negative norm",
            hyper(
                "dataset_average_activation_norm",
                json!({"in": -1.0, "out": 1.0}),
            ),
            "dataset_average_activation_norm.in is -1.0; expected a number above 0",
        ),
        (
            "a norm of 0",
            hyper(
                "dataset_average_activation_norm",
                json!({"in": 1.0, "out": 0.0}),
            ),
            "dataset_average_activation_norm.out is 0.0; expected a number above 0",
        ),
        (
            "norms in a list",
            hyper("dataset_average_activation_norm", json!([1.0])),
            "dataset_average_activation_norm is [1.0]; expected an object",
        ),
        (
            "no norms",
            hyper("dataset_average_activation_norm", json!(null)),
            "dataset_average_activation_norm is missing",
        ),
        (
            "an unknown scale",
            hyper("norm_activation", json!("batch-wise")),
            "norm_activation is \"batch-wise\"; expected dataset-wise, token-wise or inference",
        ),
        (
            "an unknown activation",
            hyper("act_fn", json!("batchtopk")),
            "act_fn is \"batchtopk\"; expected relu, topk or jumprelu",
        ),
        (
            "an encoder with a gate",
            hyper("use_glu_encoder", json!(true)),
            "use_glu_encoder is true",
        ),
        (
            "a flag in words",
            hyper("sparsity_include_decoder_norm", json!("yes")),
            "sparsity_include_decoder_norm is \"yes\"; expected true or false",
        ),
        (
            "no k",
            keyed("llama_scope/topk", HYPER, "top_k", json!(null)),
            "top_k is missing",
        ),
        (
            "more k than features",
            keyed("llama_scope/topk", HYPER, "top_k", json!(25)),
            "top_k is 25; expected at most 24",
        ),
        (
            "a transcoder that subtracts",
            keyed(
                "llama_scope/transcoder",
                HYPER,
                "apply_decoder_bias_to_pre_encoder",
                json!(true),
            ),
            "whose decoder's bias belongs to another place",
        ),
        (
            "no JSON",
            Box::new(|dir| {
                let folder = golden(dir, SCOPE);
                fs::write(folder.join(HYPER), "{\"d_model\": ").unwrap();
                folder
            }),
            "hyperparams.json: is not JSON: EOF",
        ),
        (
            "a list",
            Box::new(|dir| {
                let folder = golden(dir, SCOPE);
                fs::write(folder.join(HYPER), "[]").unwrap();
                folder
            }),
            "holds no object of keys and values",
        ),
        (
            "no weights",
            Box::new(|dir| {
                let folder = golden(dir, SCOPE);
                fs::remove_file(folder.join(FINAL)).unwrap();
                folder
            }),
            "checkpoints/final.safetensors: is missing; a llama_scope SAE keeps its weights there",
        ),
        (
            "a truncated file",
            Box::new(|dir| {
                let folder = golden(dir, SCOPE);
                let whole = fs::read(folder.join(FINAL)).unwrap();
                fs::write(folder.join(FINAL), &whole[..whole.len() / 2]).unwrap();
                folder
            }),
            "is not a safetensors file",
        ),
        (
            "an empty file",
            Box::new(|dir| {
                let folder = golden(dir, SCOPE);
                fs::write(folder.join(FINAL), "").unwrap();
                folder
            }),
            "is not a safetensors file",
        ),
        (
            "a missing tensor",
            weights(|all| all.retain(|t| t.name != "encoder.bias")),
            "tensor encoder.bias of shape [24] is missing",
        ),
        (
            "a tensor too many",
            weights(|all| all[0].name = "encoder_glu.weight".to_owned()),
            "is missing",
        ),
        (
            "an unknown tensor",
            weights(|all| {
                all.push(support::Tensor {
                    name: "extra".to_owned(),
                    dtype: Dtype::F32,
                    shape: vec![1],
                    data: vec![0; 4],
                });
            }),
            "tensor extra of shape [1] is none that a jumprelu SAE of the format llama_scope has",
        ),
        (
            "a transposed matrix",
            weights(|all| named(all, "encoder.weight").shape.reverse()),
            "tensor encoder.weight has shape [8, 24], expected [24, 8]",
        ),
        (
            "whole numbers",
            weights(|all| named(all, "encoder.bias").dtype = Dtype::I32),
            "tensor encoder.bias is stored as I32, expected F32, F16 or BF16",
        ),
        (
            "not a number",
            weights(|all| {
                named(all, "encoder.weight").data[..4].copy_from_slice(&f32::NAN.to_le_bytes());
            }),
            "tensor encoder.weight holds NaN at [0, 0]",
        ),
        (
            "infinity",
            weights(|all| {
                named(all, "decoder.bias").data[4..8].copy_from_slice(&f32::INFINITY.to_le_bytes());
            }),
            "tensor decoder.bias holds inf at [1]",
        ),
    ]);
}

#[test]
fn open_moss() {
    let v2 = |key, value| keyed("v2/transcoder", "config.json", key, value);
    check(vec![
        (
            "a crosscoder",
            v2("sae_type", json!("crosscoder")),
            "sae_type is \"crosscoder\": its features are of several layers",
        ),
        (
            "no factor",
            v2("expansion_factor", json!(null)),
            "expansion_factor is missing; expected a whole number, or d_sae",
        ),
        (
            "a huge factor",
            v2("expansion_factor", json!(1 << 27)),
            "expansion_factor is 134217728; expected a smaller number",
        ),
        (
            "NaN for a threshold",
            tensors("r1/L5R", "sae_weights.safetensors", |all| {
                named(all, "log_jumprelu_threshold").data[..4]
                    .copy_from_slice(&f32::NAN.to_le_bytes());
            }),
            "tensor log_jumprelu_threshold holds NaN at [0]",
        ),
        (
            "a negative norm",
            tensors("r1/L5R", "sae_weights.safetensors", |all| {
                let norm = all
                    .iter_mut()
                    .find(|t| t.name.starts_with("dataset_average"))
                    .unwrap();
                norm.data = (-7.0_f32).to_le_bytes().to_vec();
            }),
            "is not one number above 0",
        ),
        (
            "no norms",
            tensors("r1/L5R", "sae_weights.safetensors", |all| {
                all.retain(|t| !t.name.starts_with("dataset_average"));
            }),
            "dataset_average_activation_norm is missing; expected the norms of input and output, here or as tensor",
        ),
        (
            "no thresholds",
            tensors("r1/L5R", "sae_weights.safetensors", |all| {
                all.retain(|t| t.name != "log_jumprelu_threshold");
            }),
            "tensor log_jumprelu_threshold of shape [24] is missing",
        ),
    ]);
}
