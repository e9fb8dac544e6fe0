//! tokenize → activations → encode → eval: each verb's output is the next one's input, and the numbers agree along the way.

mod support;

use std::collections::BTreeMap;
use std::sync::LazyLock;
use support::tensors::{Numbers, read};
use support::{Scratch, assert_close, keys, number, read_json, reference, sae};

const HOOK: &str = "blocks.2.hook_resid_pre";

/// The demo's 32 rows, through every verb.
struct Chain {
    acts: BTreeMap<String, Numbers>,
    encoded: BTreeMap<String, Numbers>,
    by_tokens: serde_json::Value,
    by_dataset: serde_json::Value,
}

static CHAIN: LazyLock<Chain> = LazyLock::new(|| {
    let scratch = Scratch::new();
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 128 --sequences 32 --out t.safetensors");
    scratch.ok(&format!(
        "activations --model $MODEL --tokens t.safetensors --hook {HOOK} --loss --batch-size 5 --out a.safetensors"
    ));
    scratch.ok("encode --sae $RUN --input a.safetensors --out e.safetensors");
    let eval = |data: &str| {
        scratch.json(&format!(
            "eval --sae $RUN --model $MODEL --keep-all-tokens {data}"
        ))
    };
    Chain {
        acts: read(&scratch.path("a.safetensors")),
        encoded: read(&scratch.path("e.safetensors")),
        by_tokens: eval("--tokens t.safetensors"),
        by_dataset: eval("--dataset $TEXT --sequences 32"),
    }
});

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn losses_are_those_of_analyze() {
    let loss = &CHAIN.acts["loss"];
    assert_eq!(loss.shape, [32, 127]);
    assert_close(
        mean(&loss.values),
        number(&reference(), "loss.original"),
        1e-5,
    );
}

#[test]
fn features_have_the_l0_of_analyze() {
    let features = &CHAIN.encoded["feature_acts"];
    assert_eq!(features.shape, [32, 128, 1024]);
    let l0 = |row: &[f64]| row.iter().filter(|&&f| f != 0.0).count() as f64;
    let counted: Vec<f64> = features
        .rows()
        .enumerate()
        .filter(|(i, _)| i % 128 != 0)
        .map(|(_, row)| l0(row))
        .collect();
    let m = mean(&counted);
    let squares: f64 = counted.iter().map(|x| (x - m).powi(2)).sum();
    let std = (squares / (counted.len() - 1) as f64).sqrt();
    assert_close(m, number(&reference(), "l0.mean"), 1e-6);
    assert_close(std, number(&reference(), "l0.std"), 1e-6);
}

#[test]
fn decoded_explains_the_activations_as_eval_says() {
    let (x, decoded) = (&CHAIN.acts[HOOK], &CHAIN.encoded["decoded"]);
    assert_eq!(x.shape, [32, 128, 128]);
    assert_eq!(decoded.shape, x.shape);
    assert_eq!(
        decoded, &CHAIN.encoded["forward"],
        "a standard SAE adds nothing"
    );
    let n = x.values.len() as f64 / 128.0;
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>() / n;
    let error = square(&mut x.values.iter().zip(&decoded.values).map(|(x, y)| x - y));
    let mut center = vec![0.0; 128];
    for row in x.rows() {
        center.iter_mut().zip(row).for_each(|(c, x)| *c += x / n);
    }
    let variance =
        square(&mut x.values.iter().copied()) - center.iter().map(|c| c * c).sum::<f64>();
    let quality = &CHAIN.by_tokens["metrics"]["reconstruction_quality"];
    assert_close(error, number(quality, "mse"), 1e-5);
    assert_close(
        1.0 - error / variance,
        number(quality, "explained_variance"),
        1e-5,
    );
}

#[test]
fn a_file_of_tokens_is_worth_the_text() {
    let (a, b) = (&CHAIN.by_tokens, &CHAIN.by_dataset);
    assert_eq!(a["metrics"], b["metrics"]);
    assert_eq!(a["feature_metrics"], b["feature_metrics"]);
    assert_eq!(a["eval_cfg"]["tokens"], "t.safetensors");
    assert!(a["eval_cfg"]["dataset"].is_null() && b["eval_cfg"]["tokens"].is_null());
    let ce = &a["metrics"]["model_performance_preservation"];
    assert_close(
        number(ce, "ce_loss_without_sae"),
        number(&reference(), "loss.original"),
        1e-5,
    );
    assert_close(
        number(ce, "ce_loss_with_sae"),
        number(&reference(), "loss.reconstruction"),
        1e-4,
    );
}

/// Sixteen tokens of each of three rows, for the shapes.
fn short(scratch: &Scratch) {
    scratch.ok("tokenize --tokenizer $MODEL --dataset $TEXT --context-size 16 --sequences 3 --out t.safetensors");
}

#[test]
fn tensors_are_named_and_shaped_as_the_hooks() {
    let scratch = Scratch::new();
    short(&scratch);
    let hooks = [
        ("hook_embed", vec![3, 16, 128]),
        ("blocks.1.ln1.hook_scale", vec![3, 16, 1]),
        ("blocks.1.attn.hook_q", vec![3, 16, 4, 32]),
        ("blocks.1.attn.hook_k", vec![3, 16, 2, 32]),
        ("blocks.1.attn.hook_pattern", vec![3, 4, 16, 16]),
        ("blocks.1.attn.hook_result", vec![3, 16, 4, 128]),
        ("blocks.1.mlp.hook_post", vec![3, 16, 384]),
        ("blocks.3.hook_resid_post", vec![3, 16, 128]),
        ("ln_final.hook_normalized", vec![3, 16, 128]),
    ];
    let names = hooks
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(" ");
    let line = format!(
        "activations --model $MODEL --tokens t.safetensors --hook {names} --logits --loss --out a.safetensors"
    );
    let result = scratch.json(&line);
    assert_eq!(
        keys(&result),
        ["out", "rows", "tensors", "timings", "warnings"]
    );
    assert_eq!(result["rows"], 3);
    let found = read(&scratch.path("a.safetensors"));
    assert_eq!(found.len(), hooks.len() + 2);
    assert_eq!(found["logits"].shape, [3, 16, 2048]);
    assert_eq!(found["loss"].shape, [3, 15]);
    for (name, shape) in hooks {
        assert_eq!(found[name].shape, shape, "{name}");
        assert_eq!(result["tensors"][name], serde_json::json!(shape));
    }
    let pattern = &found["blocks.1.attn.hook_pattern"];
    assert!(
        pattern
            .rows()
            .all(|row| (row.iter().sum::<f64>() - 1.0).abs() < 1e-5)
    );
}

#[test]
fn asking_for_more_changes_nothing() {
    let scratch = Scratch::new();
    short(&scratch);
    let keep = |what: &str| {
        scratch.ok(&format!(
            "activations --model $MODEL --tokens t.safetensors {what} --out a.safetensors"
        ));
        read(&scratch.path("a.safetensors"))
    };
    let both = keep("--logits --loss");
    let (logits, loss) = (keep("--logits"), keep("--loss --batch-size 1"));
    let near = |a: &Numbers, b: &Numbers| {
        let pairs = a.values.iter().zip(&b.values);
        a.shape == b.shape && pairs.clone().all(|(a, b)| (a - b).abs() < 1e-4)
    };
    assert!(near(&both["logits"], &logits["logits"]));
    assert!(near(&both["loss"], &loss["loss"]));
    // The loss is that of the logits, at the next token.
    let ids = &read(&scratch.path("t.safetensors"))["tokens"];
    let rows: Vec<&[f64]> = both["logits"].rows().collect();
    let row = rows[16 + 4];
    let log_sum = row.iter().map(|l| l.exp()).sum::<f64>().ln();
    let target = ids.values[16 + 5] as usize;
    assert_close(both["loss"].values[15 + 4], log_sum - row[target], 1e-4);
}

#[test]
fn positions_are_pythons_slices() {
    let scratch = Scratch::new();
    short(&scratch);
    let keep = |positions: &str| {
        scratch.ok(&format!(
            "activations --model $MODEL --tokens t.safetensors --hook {HOOK} {positions} --out a.safetensors"
        ));
        read(&scratch.path("a.safetensors"))[HOOK].clone()
    };
    let all = keep("");
    let last = keep("--positions -1");
    assert_eq!(last.shape, [3, 1, 128]);
    assert_eq!(last.values[..128], all.values[15 * 128..16 * 128]);
    let some = keep("--positions 2:4");
    assert_eq!(some.shape, [3, 2, 128]);
    assert_eq!(some.values[..256], all.values[2 * 128..4 * 128]);
    assert_eq!(keep("--positions :-14").shape, [3, 2, 128]);
    assert_eq!(keep("--stop-at-layer -1"), all, "a hook below the stop");
}

#[test]
fn encode_keeps_the_axes_of_its_input() {
    let scratch = Scratch::new();
    let x = |shape: &[usize]| {
        let n: usize = shape.iter().product();
        let values = (0..n).map(|i| ((i * 37 % 101) as f32 - 50.0) / 10.0);
        Numbers::f32(shape, values)
    };
    let shapes: [&[usize]; 3] = [&[6, 128], &[2, 3, 128], &[1, 2, 3, 128]];
    let mut values = Vec::new();
    for shape in shapes {
        support::tensors::write(&scratch.path("x.safetensors"), [("acts", x(shape))]);
        let result = scratch.json("encode --sae $RUN --input x.safetensors --out e.safetensors");
        let found = read(&scratch.path("e.safetensors"));
        let wide = [&shape[..shape.len() - 1], &[1024]].concat();
        assert_eq!(found["feature_acts"].shape, wide);
        assert_eq!(found["decoded"].shape, shape);
        assert_eq!(result["tensors"]["forward"], serde_json::json!(shape));
        values.push(found["decoded"].values.clone());
    }
    assert!(values.iter().all(|v| *v == values[0]));
}

#[test]
fn encode_joins_and_parts_heads() {
    let scratch = Scratch::new();
    short(&scratch);
    let mut cfg = sae::cfg("standard", 128, 256, "blocks.1.attn.hook_z");
    cfg["reshape_activations"] = "hook_z".into();
    sae::perfect(&scratch, "sae", &cfg);
    scratch.ok("activations --model $MODEL --tokens t.safetensors --hook blocks.1.attn.hook_z --out a.safetensors");
    scratch.ok(
        "encode --sae sae --input a.safetensors --key blocks.1.attn.hook_z --out e.safetensors",
    );
    let found = read(&scratch.path("e.safetensors"));
    let z = &read(&scratch.path("a.safetensors"))["blocks.1.attn.hook_z"];
    assert_eq!(found["feature_acts"].shape, [3, 16, 256]);
    assert_eq!(&found["decoded"], z, "nothing is lost on the way");
}

#[test]
fn a_temporal_sae_sees_each_sequence_whole() {
    let scratch = Scratch::new();
    let mut cfg = sae::cfg("temporal", 4, 64, HOOK);
    for (key, value) in [("n_heads", 2), ("bottleneck_factor", 16), ("kval_topk", 8)] {
        cfg[key] = value.into();
    }
    let random = |seed: usize, shape: &[usize]| {
        let n: usize = shape.iter().product();
        let values = (0..n).map(|i| (((i + seed) * 7919 % 211) as f32 - 105.0) / 100.0);
        Numbers::f32(shape, values)
    };
    let mut weights = vec![
        ("W_dec".to_owned(), random(1, &[64, 4])),
        ("b_dec".to_owned(), random(2, &[4])),
    ];
    for (seed, (part, width)) in [("k_ctx", 4), ("q_target", 4), ("v_ctx", 64), ("c_proj", 64)]
        .into_iter()
        .enumerate()
    {
        let name = format!("attn_layers.0.{part}");
        weights.push((format!("{name}.weight"), random(seed, &[width, 64])));
        weights.push((format!("{name}.bias"), random(seed + 9, &[width])));
    }
    sae::run(
        &scratch,
        "sae",
        &cfg,
        weights.iter().map(|(name, x)| (name.as_str(), x.clone())),
    );
    let forward = |shape: &[usize]| {
        support::tensors::write(&scratch.path("x.safetensors"), [("acts", random(3, shape))]);
        scratch.ok("encode --sae sae --input x.safetensors --out e.safetensors");
        let found = read(&scratch.path("e.safetensors"));
        assert_ne!(
            found["forward"], found["decoded"],
            "the prediction is added"
        );
        assert_eq!(found["forward"].shape, shape);
        found["forward"].values.clone()
    };
    let one = forward(&[12, 4]);
    assert_eq!(
        forward(&[1, 12, 4]),
        one,
        "rows of a matrix are one sequence"
    );
    assert_ne!(
        forward(&[2, 6, 4]),
        one,
        "two sequences do not see each other"
    );
    assert_eq!(forward(&[1, 2, 6, 4]), forward(&[2, 6, 4]));
}

#[test]
fn bf16_is_a_number_format_of_the_model() {
    let scratch = Scratch::new();
    let prompt = "prompt In --answer the --model $MODEL --json --dtype";
    let full = scratch.ok(&format!("{prompt} f32")).json();
    let half = scratch.sae(&format!("{prompt} bf16"));
    // A processor without the instructions is told that bf16 is slow there.
    assert_eq!(
        half.stderr.contains("AVX512_BF16"),
        !sae_backend::has_bf16_products(),
        "{}",
        half.stderr
    );
    let (full, half) = (
        number(&full, "baseline.logit"),
        number(&half.json(), "baseline.logit"),
    );
    assert_close(half, full, 0.05);
    assert!(
        (half - full).abs() > 0.0,
        "it is not f32 under another name"
    );
}

#[test]
fn the_demo_names_its_model() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    scratch.copy_demo("model");
    scratch.edit("run/final_sae/cfg.json", "demo/model", "model");
    scratch.ok("eval --sae run --dataset $TEXT --sequences 1 --json e.json");
    let result = read_json(&scratch.path("e.json"));
    assert_eq!(result["eval_cfg"]["model"]["name"], "model");
}
