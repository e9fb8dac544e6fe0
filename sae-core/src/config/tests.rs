use super::validate::MAX_DIM;
use super::*;
use crate::architecture::{Temporal, TopK, Transcoder};

fn read(json: &str) -> Result<SaeConfig, String> {
    SaeConfig::from_json(json, Path::new("cfg.json")).map_err(|e| e.to_string())
}

fn v6(rest: &str) -> Result<SaeConfig, String> {
    read(&format!(
        r#"{{"d_in": 8, "d_sae": 64, "metadata": {{"sae_lens_version": "6.54.12"}}, {rest}}}"#
    ))
}

fn legacy(rest: &str) -> Result<SaeConfig, String> {
    read(&format!(
        r#"{{"d_in": 8, "d_sae": 64, "hook_name": "blocks.0.hook_resid_pre", {rest}}}"#
    ))
}

/// Each is refused, with the message that a person can act on.
#[test]
fn what_cannot_be_meant_is_refused() {
    let names = "standard, topk, abstopk, jumprelu, gated, matching_pursuit, temporal, transcoder, skip_transcoder, \
                 jumprelu_transcoder, jumprelu_skip_transcoder, groupmax, topk_transcoder, topk_skip_transcoder, groupmax_transcoder, groupmax_skip_transcoder, batchtopk, matryoshka_batchtopk";
    let cases = [
        (v6(r#""k": 3"#), format!("cfg.json: architecture is missing; expected one of {names}")),
        (v6(r#""architecture": "dense""#), format!("cfg.json: architecture is \"dense\"; expected one of {names}")),
        (v6(r#""architecture": "topk", "k": 3.5"#), "cfg.json: k is 3.5; expected a whole number".to_owned()),
        (
            v6(r#""architecture": "topk""#),
            "cfg.json: k is missing; expected the number of features that stay active".to_owned(),
        ),
        (v6(r#""architecture": "topk", "k": 65"#), "cfg.json: k is 65; expected 1 to d_sae (64)".to_owned()),
        (
            v6(r#""architecture": "transcoder""#),
            "cfg.json: d_out is missing; expected the width of what the transcoder writes".to_owned(),
        ),
        (
            v6(r#""architecture": "transcoder", "d_out": 4, "apply_b_dec_to_input": true"#),
            "cfg.json: apply_b_dec_to_input is true; expected false, as b_dec of a transcoder belongs to its output".to_owned(),
        ),
        (
            v6(r#""architecture": "standard", "d_out": 4"#),
            "cfg.json: d_out is 4; expected d_in (8), as only a transcoder writes another width".to_owned(),
        ),
        (
            v6(r#""architecture": "standard", "normalize_activations": "batch_norm""#),
            "cfg.json: normalize_activations is \"batch_norm\"; expected one of none, expected_average_only_in, \
             constant_norm_rescale, layer_norm, constant_scalar_rescale, covariance_whitening"
                .to_owned(),
        ),
        (
            v6(r#""architecture": "standard", "reshape_activations": "hook_q""#),
            "cfg.json: reshape_activations is \"hook_q\"; expected one of none, hook_z".to_owned(),
        ),
        (
            v6(r#""architecture": "standard", "normalize_activations": "constant_scalar_rescale""#),
            "cfg.json: normalize_activations is constant_scalar_rescale; expected another scaling: this one is for temporal SAEs"
                .to_owned(),
        ),
        (
            v6(r#""architecture": "temporal", "n_heads": 3"#),
            "cfg.json: n_heads is 3 with bottleneck_factor 64 and d_sae 64; expected n_heads · bottleneck_factor to divide d_sae"
                .to_owned(),
        ),
        (
            v6(r#""architecture": "temporal", "sae_diff_type": "gelu", "n_heads": 1"#),
            "cfg.json: sae_diff_type is \"gelu\"; expected one of relu, topk".to_owned(),
        ),
        (
            read(r#"{"architecture": "standard", "d_in": 0, "d_sae": 4, "metadata": {}}"#),
            format!("cfg.json: d_in is 0; expected 1 to {MAX_DIM}"),
        ),
        (
            read(r#"{"architecture": "standard", "d_in": 4, "d_sae": 99999999999, "metadata": {}}"#),
            format!("cfg.json: d_sae is 99999999999; expected 1 to {MAX_DIM}"),
        ),
        (
            legacy(r#""activation_fn_str": "tanh-relu""#),
            "cfg.json: activation_fn is \"tanh-relu\"; expected one of relu, topk; SAELens would run this SAE with a ReLU it was not \
             trained with"
                .to_owned(),
        ),
        (
            legacy(r#""activation_fn_str": "topk""#),
            "cfg.json: activation_fn_kwargs.k is missing; expected the number of features that stay active".to_owned(),
        ),
        (
            legacy(r#""activation_fn": "topk", "activation_fn_kwargs": {"k": "ten"}"#),
            "cfg.json: activation_fn_kwargs.k is \"ten\"; expected a whole number".to_owned(),
        ),
        (
            legacy(r#""normalize_activations": 2"#),
            "cfg.json: normalize_activations is 2; expected a word or a bool".to_owned(),
        ),
        (read(r#"{"d_in": 8}"#), "cfg.json: d_sae is missing; expected the number of features".to_owned()),
    ];
    for (found, message) in cases {
        assert_eq!(found.unwrap_err(), message);
    }
}

#[test]
fn what_is_not_json_is_placed() {
    assert_eq!(
        read("{\"d_in\": 8,\n oops}").unwrap_err(),
        "cfg.json: key must be a string at line 2 column 2"
    );
    let wrong = v6(r#""architecture": "standard", "dtype": 32"#).unwrap_err();
    assert!(
        wrong.starts_with(
            "cfg.json: dtype: invalid type: integer `32`, expected a string at line 1"
        ),
        "{wrong}"
    );
    assert!(read("[]").is_err() && read("").is_err());
    assert_eq!(
        read("{\n\"d_in\": \"128\"}").unwrap_err(),
        "cfg.json: d_in: invalid type: string \"128\", expected a whole number from 0 at line 2 column 13"
    );
    let deeper = read(r#"{"d_in": 8, "d_sae": 4, "metadata": {"context_size": -3}}"#).unwrap_err();
    assert!(
        deeper.starts_with(
            "cfg.json: metadata.context_size: invalid value: integer `-3`, expected a whole number from 0"
        ),
        "{deeper}"
    );
    let lone = read(r#"{"dtype": "\ud800"}"#).unwrap_err();
    assert!(
        lone.starts_with("cfg.json: a lone surrogate escape: \\ud800 to \\udfff come in pairs"),
        "{lone}"
    );
    let deep = read(&"[".repeat(100_000)).unwrap_err();
    assert!(
        deep.starts_with("cfg.json: nested far deeper than any configuration at line 1"),
        "{deep}"
    );
}

#[test]
fn a_file_that_is_no_configuration_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cfg.json");
    std::fs::File::create(&path)
        .unwrap()
        .set_len(MAX_BYTES + 1)
        .unwrap();
    let message = SaeConfig::from_file(&path).unwrap_err().to_string();
    let expected =
        "has 16777217 bytes; a cfg.json has a few thousand, this is another kind of file";
    assert_eq!(message, format!("{}: {expected}", path.display()));
    let message = SaeConfig::from_file(&dir.path().join("none"))
        .unwrap_err()
        .to_string();
    assert!(message.contains("none: cannot be read"), "{message}");
    let message = SaeConfig::from_file(dir.path()).unwrap_err().to_string();
    assert!(
        message.ends_with("cannot be read: it is a folder, a pipe or a device"),
        "{message}"
    );
}

#[test]
fn every_configuration_comes_back_from_its_json() {
    let topk = TopK {
        k: 5,
        rescale_acts_by_decoder_norm: true,
    };
    let temporal = Temporal {
        n_heads: 2,
        n_attn_layers: 3,
        bottleneck_factor: 4,
        k: Some(7),
        tied_weights: false,
        activation_normalization_factor: 0.5,
    };
    let pursuit = crate::MatchingPursuit {
        residual_threshold: 0.25,
        max_iterations: Some(9),
        stop_on_duplicate_support: false,
    };
    let mut architectures = vec![
        Architecture::Standard,
        Architecture::TopK(topk),
        Architecture::AbsTopK(topk),
        Architecture::JumpRelu,
        Architecture::Gated,
        Architecture::MatchingPursuit(pursuit),
        Architecture::Temporal(temporal),
    ];
    for (skip, jump_relu) in [(false, false), (true, false), (false, true), (true, true)] {
        architectures.push(Architecture::Transcoder(Transcoder { skip, jump_relu }));
    }
    for (architecture, name) in architectures.into_iter().zip(crate::architecture::NAMES) {
        assert_eq!(architecture.name(), name);
        let mut cfg = SaeConfig::new(architecture, 8, 64);
        cfg.metadata.hook_name = Some("blocks.3.hook_mlp_out".to_owned());
        cfg.metadata.sae_lens_version = Some("6.54.12".to_owned());
        cfg.metadata.extra.insert(
            "model_from_pretrained_kwargs".to_owned(),
            serde_json::json!({"a": [1]}),
        );
        assert_eq!(read(&cfg.to_json()).unwrap(), cfg);
    }
}

#[test]
fn checkpoints_of_training_are_told_by_their_keys() {
    let of = |rest: &str| v6(rest).unwrap();
    let unfinished = |shared_threshold, fold_w_dec_norm| {
        Some(Unfinished {
            shared_threshold,
            fold_w_dec_norm,
            scales: None,
        })
    };
    let cases = [
        (
            r#""architecture": "batchtopk", "k": 3.5, "rescale_acts_by_decoder_norm": false"#,
            "jumprelu",
            unfinished(true, false),
        ),
        (
            r#""architecture": "matryoshka_batchtopk", "k": 100.0"#,
            "jumprelu",
            unfinished(true, true),
        ),
        (
            r#""architecture": "topk", "k": 3, "decoder_init_norm": 0.1"#,
            "topk",
            unfinished(false, true),
        ),
        (
            r#""architecture": "gated", "decoder_init_norm": null"#,
            "gated",
            unfinished(false, false),
        ),
        (r#""architecture": "topk", "k": 3"#, "topk", None),
    ];
    for (json, name, expected) in cases {
        let cfg = of(json);
        assert_eq!((cfg.architecture.name(), cfg.unfinished), (name, expected));
        // What is written is of the SAE as it is used.
        assert_eq!(read(&cfg.to_json()).unwrap().unfinished, None);
    }
    let cfg = of(r#""architecture": "batchtopk""#);
    assert_eq!(cfg.metadata.extra["training_architecture"], "batchtopk");
}

#[test]
fn a_configuration_of_before_version_6_is_saved_as_version_6() {
    let old = legacy(r#""activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3}, "sae_lens_version": "3.13.1""#).unwrap();
    let new = read(&old.to_json()).unwrap();
    assert_eq!(new.metadata.sae_lens_version.as_deref(), Some("6.0.0"));
    assert_eq!(
        (&new.architecture, new.metadata.hook_name.as_deref()),
        (&old.architecture, Some("blocks.0.hook_resid_pre"))
    );
}
