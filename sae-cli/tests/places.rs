//! An SAE wherever one can sit: lossless, it changes nothing; with no output, it is the ablation.

mod support;

use safetensors::Dtype;
use serde_json::Value;
use support::tensors::{Numbers, read};
use support::{Scratch, assert_close, number, sae};

const EVAL: &str =
    "eval --sae sae --model $MODEL --dataset $TEXT --sequences 2 --keep-all-tokens --quiet";

/// Points with one vector per position, and its width in the demo's model.
const WIDE: [(&str, usize); 16] = [
    ("hook_embed", 128),
    ("blocks.0.hook_resid_pre", 128),
    ("blocks.1.ln1.hook_scale", 1),
    ("blocks.1.ln1.hook_normalized", 128),
    ("blocks.1.hook_attn_out", 128),
    ("blocks.1.hook_resid_mid", 128),
    ("blocks.1.hook_mlp_in", 128),
    ("blocks.1.ln2.hook_normalized", 128),
    ("blocks.1.mlp.hook_pre", 384),
    ("blocks.1.mlp.hook_pre_linear", 384),
    ("blocks.1.mlp.hook_post", 384),
    ("blocks.1.hook_mlp_out", 128),
    ("blocks.1.hook_resid_post", 128),
    ("blocks.3.hook_resid_post", 128),
    ("ln_final.hook_scale", 1),
    ("ln_final.hook_normalized", 128),
];

/// Points with heads, joined: the width of all heads together.
const HEADS: [(&str, usize); 6] = [
    ("blocks.1.attn.hook_q", 128),
    ("blocks.1.attn.hook_k", 64),
    ("blocks.1.attn.hook_v", 64),
    ("blocks.1.attn.hook_rot_k", 64),
    ("blocks.1.attn.hook_z", 128),
    ("blocks.1.attn.hook_result", 512),
];

fn joined(hook: &str, d: usize) -> Value {
    let mut cfg = sae::cfg("standard", d, 2 * d, hook);
    cfg["reshape_activations"] = "hook_z".into();
    cfg
}

fn of_head(hook: &str, d: usize, head: usize) -> Value {
    let mut cfg = sae::cfg("standard", d, 2 * d, hook);
    cfg["metadata"]["hook_head_index"] = head.into();
    cfg
}

/// Evaluates a lossless SAE: the losses and divergences must be the model's own.
#[track_caller]
fn loses_nothing(cfg: &Value) -> Value {
    let scratch = Scratch::new();
    sae::perfect(&scratch, "sae", cfg);
    let metrics = scratch.json(EVAL)["metrics"].take();
    let m = |path: &str| number(&metrics, path);
    let (with, without) = (
        m("model_performance_preservation.ce_loss_with_sae"),
        m("model_performance_preservation.ce_loss_without_sae"),
    );
    assert_close(with, without, 1e-6);
    let kl = m("model_behavior_preservation.kl_div_with_sae");
    assert!(kl.abs() < 1e-5, "{kl}");
    assert!(m("reconstruction_quality.mse") < 1e-9);
    metrics
}

/// Evaluates an SAE without output: what comes of it is what zero ablation gives.
#[track_caller]
fn ablates(scratch: &Scratch) -> Value {
    let metrics = scratch.json(EVAL)["metrics"].take();
    let ce = &metrics["model_performance_preservation"];
    assert_close(
        number(ce, "ce_loss_with_sae"),
        number(ce, "ce_loss_with_ablation"),
        1e-6,
    );
    assert!(
        number(ce, "ce_loss_with_ablation") > number(ce, "ce_loss_without_sae"),
        "the point matters"
    );
    metrics
}

#[test]
fn a_lossless_sae_changes_nothing_anywhere() {
    let original: Vec<f64> = WIDE
        .iter()
        .map(|&(hook, d)| {
            let metrics = loses_nothing(&sae::cfg("standard", d, 2 * d, hook));
            number(
                &metrics,
                "model_performance_preservation.ce_loss_without_sae",
            )
        })
        .collect();
    assert!(
        original.iter().all(|ce| (ce - original[0]).abs() < 1e-5),
        "one model: {original:?}"
    );
}

#[test]
fn nor_does_it_where_there_are_heads() {
    for (hook, d) in HEADS {
        loses_nothing(&joined(hook, d));
    }
    loses_nothing(&of_head("blocks.1.attn.hook_z", 32, 3));
    loses_nothing(&of_head("blocks.1.attn.hook_v", 32, 1));
}

#[test]
fn an_empty_sae_is_the_ablation() {
    let scratch = Scratch::new();
    for hook in [
        "hook_embed",
        "blocks.1.hook_mlp_out",
        "blocks.3.hook_resid_mid",
        "ln_final.hook_normalized",
    ] {
        sae::zero(&scratch, "sae", &sae::cfg("standard", 128, 256, hook));
        ablates(&scratch);
    }
    sae::zero(&scratch, "sae", &joined("blocks.0.attn.hook_z", 128));
    ablates(&scratch);
    sae::zero(&scratch, "sae", &of_head("blocks.0.attn.hook_z", 32, 0));
    ablates(&scratch);
}

#[test]
fn a_transcoder_reads_here_and_writes_there() {
    let scratch = Scratch::new();
    let mut cfg = sae::cfg("transcoder", 128, 16, "blocks.1.ln2.hook_normalized");
    cfg["d_out"] = 128.into();
    cfg["metadata"]["hook_name_out"] = "blocks.1.hook_mlp_out".into();
    sae::zero(&scratch, "sae", &cfg);
    let metrics = ablates(&scratch);
    // What it is measured against is what it should have written: the error of nothing is the square of that.
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 2 --out t.safetensors");
    scratch.ok("activations --model $MODEL --tokens t.safetensors --hook blocks.1.hook_mlp_out --out a.safetensors");
    let out = &read(&scratch.path("a.safetensors"))["blocks.1.hook_mlp_out"];
    let square = out.values.iter().map(|x| x * x).sum::<f64>() / 32.0;
    assert_close(number(&metrics, "reconstruction_quality.mse"), square, 1e-5);
    assert_eq!(
        scratch.json("info sae")["hook_name_out"],
        "blocks.1.hook_mlp_out"
    );
}

#[test]
fn a_place_can_be_given() {
    let scratch = Scratch::new();
    let mut cfg = sae::cfg("standard", 128, 256, "nowhere");
    sae::perfect(&scratch, "sae", &cfg);
    let result = scratch.json(&format!("{EVAL} --hook blocks.2.hook_resid_mid"));
    assert_eq!(result["eval_cfg"]["read_hook"], "blocks.2.hook_resid_mid");
    assert_eq!(result["eval_cfg"]["write_hook"], "blocks.2.hook_resid_mid");
    cfg["metadata"]["hook_name"] = Value::Null;
    sae::perfect(&scratch, "sae", &cfg);
    scratch.ok("analyze sae --model $MODEL --dataset $TEXT --hook blocks.2.hook_resid_pre --sequences 2 --out o");
}

#[test]
fn what_does_not_fit_is_refused() {
    let scratch = Scratch::new();
    let refused = |cfg: &Value, said: &[&str]| {
        sae::zero(&scratch, "sae", cfg);
        let d_in = cfg["d_in"].as_u64().unwrap() as usize;
        assert_eq!(
            read(&scratch.path("sae/sae_weights.safetensors"))["W_enc"].shape[0],
            d_in
        );
        scratch.fails(1, EVAL, said);
        scratch.fails(1, "prompt In --answer the --sae sae --model $MODEL", said);
    };
    let resid = "blocks.1.hook_resid_pre";
    refused(
        &sae::cfg("standard", 64, 16, resid),
        &["64", "128", "does this SAE belong", "hook?"],
    );
    let pattern = "blocks.1.attn.hook_pattern";
    refused(
        &joined(pattern, 64),
        &[pattern, "one value per pair of positions"],
    );
    let z = "blocks.1.attn.hook_z";
    refused(
        &sae::cfg("standard", 128, 16, z),
        &[z, "reshape_activations", "hook_head_index"],
    );
    refused(&of_head(z, 32, 4), &["hook_head_index is 4", "4 heads"]);
    refused(
        &of_head("blocks.1.attn.hook_k", 32, 2),
        &["hook_head_index is 2", "2 heads"],
    );
    refused(
        &of_head(resid, 128, 0),
        &["hook_head_index is 0", "no heads"],
    );
    let mut backwards = sae::cfg("transcoder", 128, 16, "blocks.2.hook_mlp_out");
    backwards["d_out"] = 128.into();
    backwards["metadata"]["hook_name_out"] = resid.into();
    refused(
        &backwards,
        &["writes at blocks.1.hook_resid_pre, before it reads at blocks.2.hook_mlp_out"],
    );
}

#[test]
fn where_it_writes_must_fit_as_well_as_where_it_reads() {
    let scratch = Scratch::new();
    let q = "blocks.1.attn.hook_q";
    let refused = |cfg: &mut Value, write: &str, said: &[&str]| {
        cfg["metadata"]["hook_name_out"] = write.into();
        cfg["architecture"] = "transcoder".into();
        cfg["d_out"] = cfg["d_in"].clone();
        sae::zero(&scratch, "sae", cfg);
        for line in [EVAL, "prompt In --answer the --sae sae --model $MODEL"] {
            scratch.fails(1, line, said);
        }
    };
    refused(
        &mut of_head(q, 32, 3),
        "blocks.1.attn.hook_k",
        &["hook_head_index is 3, but blocks.1.attn.hook_k has 2 heads"],
    );
    for pairs in [
        "blocks.1.attn.hook_pattern",
        "blocks.1.attn.hook_attn_scores",
    ] {
        refused(
            &mut joined(q, 128),
            pairs,
            &[
                pairs,
                "one value per pair of positions: no SAE can work on it",
            ],
        );
    }
    let resid = "blocks.1.hook_resid_mid";
    refused(
        &mut joined(q, 128),
        resid,
        &[q, resid, "one has an axis of heads and the other has none"],
    );
    refused(&mut of_head(q, 32, 0), resid, &["has an axis of heads"]);
}

#[test]
fn weights_of_integers_are_refused() {
    let scratch = Scratch::new();
    let cfg = sae::cfg("standard", 128, 16, "blocks.1.hook_resid_pre");
    let whole = |shape: &[usize]| Numbers::zeros(shape).of(Dtype::I64);
    let weights = [
        ("W_enc", whole(&[128, 16])),
        ("W_dec", whole(&[16, 128])),
        ("b_enc", whole(&[16])),
        ("b_dec", whole(&[128])),
    ];
    sae::run(&scratch, "sae", &cfg, weights);
    scratch.fails(1, EVAL, &["sae/sae_weights.safetensors", "W_dec", "I64"]);
}
