//! `sae info` and `sae devices`.

mod support;

use support::{Scratch, number, sae, tensors};

#[test]
fn a_run_is_described() {
    let scratch = Scratch::new();
    let info = scratch.json("info $RUN");
    let expected = [
        ("architecture", "\"standard\""),
        ("d_in", "128"),
        ("d_sae", "1024"),
        ("hook_name", "\"blocks.2.hook_resid_pre\""),
        ("hook_name_out", "\"blocks.2.hook_resid_pre\""),
        ("model_name", "\"demo/model\""),
        ("dataset_path", "\"demo/text\""),
        ("context_size", "128"),
        ("prepend_bos", "true"),
        ("dtype", "\"float32\""),
        ("dead_fraction", "0.0"),
    ];
    for (key, value) in expected {
        assert_eq!(info[key].to_string(), value, "{key}");
    }
    assert!((number(&info, "mean_log_sparsity") + 1.823_948_6).abs() < 1e-6);
    let shown = scratch.ok("info $RUN").stdout;
    for part in [
        "standard",
        "d_in=128, d_sae=1024 (8.0x)",
        "mean log10 -1.824, 0.00 % dead",
    ] {
        assert!(shown.contains(part), "{shown}");
    }
}

#[test]
fn every_layout_is_one_run() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let whole = scratch.json("info run");
    assert_eq!(scratch.json("info run/final_sae"), whole);
    // SAELens' own layout: everything in one folder.
    scratch.write("flat/x", "");
    for name in ["cfg.json", "sae_weights.safetensors"] {
        std::fs::copy(
            scratch.path(&format!("run/final_sae/{name}")),
            scratch.path(&format!("flat/{name}")),
        )
        .unwrap();
    }
    assert!(scratch.json("info flat")["mean_log_sparsity"].is_null());
    std::fs::copy(
        scratch.path("run/sparsity.safetensors"),
        scratch.path("flat/sparsity.safetensors"),
    )
    .unwrap();
    let mut flat = scratch.json("info flat");
    assert_eq!(flat["path"], "flat");
    flat["path"] = whole["path"].clone();
    assert_eq!(flat["weights"], "sae_weights.safetensors");
    assert_eq!(flat, whole);
}

#[test]
fn runs_from_before_version_6_are_read() {
    let scratch = Scratch::new();
    scratch.copy_demo("run");
    let old = serde_json::json!({
        "hook_point": "blocks.2.hook_resid_pre", "model_name": "demo/model", "d_in": 128, "d_sae": 1024,
        "activation_fn_str": "relu", "context_size": 128, "dtype": "torch.float32",
    });
    scratch.write("run/final_sae/cfg.json", old.to_string());
    let info = scratch.json("info run");
    assert_eq!(info["architecture"], "standard");
    assert_eq!(info["hook_name"], "blocks.2.hook_resid_pre");
    assert_eq!(info["prepend_bos"], true, "what it meant by saying nothing");
}

#[test]
fn dead_features_are_counted() {
    let scratch = Scratch::new();
    sae::zero(&scratch, "sae", &sae::cfg("standard", 4, 8, "hook_embed"));
    let recorded = tensors::Numbers::f32(&[8], [-10.0, -10.0, -1.0, -2.0, -3.0, -1.0, -2.0, -3.0]);
    tensors::write(
        &scratch.path("sae/sparsity.safetensors"),
        [("sparsity", recorded)],
    );
    let info = scratch.json("info sae");
    assert_eq!(info["dead_fraction"], 0.25);
    assert_eq!(info["mean_log_sparsity"], -4.0);
    assert!(info["dataset_path"].is_null());
    assert!(scratch.ok("info sae").stdout.contains("not recorded"));
}

#[test]
fn a_sparsity_of_nan_is_no_figure() {
    let scratch = Scratch::new();
    sae::zero(&scratch, "sae", &sae::cfg("standard", 4, 8, "hook_embed"));
    let mut values = [-1.0; 8];
    values[5] = f32::NAN;
    let recorded = tensors::Numbers::f32(&[8], values);
    tensors::write(
        &scratch.path("sae/sparsity.safetensors"),
        [("sparsity", recorded)],
    );
    let info = scratch.json("info sae");
    assert!(info["dead_fraction"].is_null() && info["mean_log_sparsity"].is_null());
    let shown = scratch.ok("info sae").stdout;
    assert!(
        shown.contains("recorded, but not as numbers (NaN)"),
        "{shown}"
    );
}

#[test]
fn the_text_says_what_the_json_says() {
    let scratch = Scratch::new();
    let mut cfg = sae::cfg("transcoder", 4, 8, "blocks.1.attn.hook_z");
    cfg["d_out"] = 6.into();
    cfg["reshape_activations"] = "hook_z".into();
    cfg["metadata"]["hook_head_index"] = 3.into();
    sae::zero(&scratch, "sae", &cfg);
    let shown = scratch.ok("info sae").stdout;
    let lines = [
        "size           d_in=4, d_sae=8 (2.0x), d_out=6",
        "head index     3",
        "reshaping      hook_z",
        "b_dec          left out of the input",
        "path           sae",
    ];
    for line in lines {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
    let shown = scratch.ok("info $RUN").stdout;
    for line in [
        "head index     none",
        "b_dec          subtracted from the input",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "{line}\n{shown}");
    }
}

#[test]
fn text_from_a_run_cannot_steer_the_terminal() {
    let scratch = Scratch::new();
    let mut cfg = sae::cfg("standard", 4, 8, "hook_embed");
    cfg["metadata"]["model_name"] = "\u{1b}]0;owned\u{7}".into();
    sae::zero(&scratch, "sae", &cfg);
    let shown = scratch.ok("info sae").stdout;
    assert!(
        shown.contains("owned") && !shown.contains(['\u{1b}', '\u{7}']),
        "{shown}"
    );
    assert_eq!(
        scratch.json("info sae")["model_name"],
        "\u{1b}]0;owned\u{7}"
    );
}

#[test]
fn devices_are_listed() {
    let scratch = Scratch::new();
    let devices = scratch.json("devices");
    let cpu = &devices[0];
    assert_eq!((&cpu["kind"], &cpu["index"]), (&"cpu".into(), &0.into()));
    assert_eq!(cpu["available"], cfg!(feature = "cpu"));
    assert!(cpu["name"].is_string());
    let others = &devices.as_array().expect("an array")[1..];
    for kind in ["cuda", "vulkan"] {
        if kind == "vulkan" && cfg!(target_os = "macos") {
            continue;
        }
        let of_kind: Vec<_> = others.iter().filter(|it| it["kind"] == kind).collect();
        assert!(!of_kind.is_empty(), "{kind} or why there is none");
        for (index, device) in of_kind.into_iter().enumerate() {
            assert_eq!(device["index"], index);
            assert!(device["software"].is_boolean() && device["name"].is_string());
            if device["available"] == false {
                assert!(device["memory_bytes"].is_null() && device["driver"].is_null());
                assert!(device["reason"].is_string(), "and says why");
            }
        }
    }
    let shown = scratch.ok("devices").stdout;
    assert!(shown.starts_with("cpu "), "{shown}");
}
