//! Files of SAELens 3 to 5.

#![allow(clippy::float_cmp, reason = "numbers are as they are read")]

use super::super::RunConfig;
use super::{error, json, testdata, warnings};
use crate::{BiasInit, Normalization, TrainArchitecture};

#[test]
fn a_file_of_saelens_5() {
    let (config, warnings) = RunConfig::read(testdata("v5_cfg.json")).unwrap();
    let options = &config.options;
    assert_eq!(options.architecture, TrainArchitecture::JumpRelu);
    assert_eq!((config.d_in, options.d_sae), (Some(768), 6144));
    // Then the coefficient was one for all architectures.
    assert_eq!(
        (options.l0_coefficient, options.l0_warm_up_steps),
        (5.0, 500)
    );
    assert!(!config.given.contains("l1_coefficient"));
    assert_eq!(options.decoder_init_norm, Some(0.1));
    assert_eq!(options.b_dec_init, BiasInit::Zeros);
    assert_eq!((options.unit_decoder, options.adam_beta1), (false, 0.0));
    assert_eq!(options.jumprelu_bandwidth, 0.001);
    assert_eq!(config.eval_every_n_wandb_logs, Some(100));
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0]
            .ends_with("verbose is false, which has no effect here: flags say how much is logged")
    );
}

#[test]
fn old_keys_in_terms_of_new_ones() {
    let rest = r#""adam_beta1": 0.9, "l1_coefficient": 0"#;
    let unit = json(&format!(
        r#"{{"normalize_sae_decoder": true, "decoder_heuristic_init": false, "b_dec_init_method": "geometric_median",
            "scale_sparsity_penalty_by_decoder_norm": false, "d_in": 16, "expansion_factor": 4, "d_sae": null, "hook_layer": 3,
            "hook_point": "blocks.3.hook_resid_pre", "normalize_activations": true, {rest}}}"#
    ));
    let options = &unit.options;
    assert!(options.unit_decoder && unit.given.contains("unit_decoder"));
    assert_eq!((options.decoder_init_norm, options.d_sae), (Some(1.0), 64));
    assert_eq!(options.b_dec_init, BiasInit::GeometricMedian);
    assert_eq!(
        options.normalize_activations,
        Normalization::ExpectedAverageOnlyIn
    );
    assert_eq!(unit.hook_name.as_deref(), Some("blocks.3.hook_resid_pre"));

    let rest = format!(r#""normalize_sae_decoder": false, "b_dec_init_method": "zeros", {rest}"#);
    let topk = json(&format!(
        r#"{{"architecture": "topk", "activation_fn": "topk", "activation_fn_kwargs": {{"k": 32}},
            "decoder_heuristic_init": false, {rest}}}"#
    ));
    let options = &topk.options;
    assert_eq!(options.architecture, TrainArchitecture::TopK);
    assert_eq!((options.k, options.decoder_init_norm), (32.0, None));
    assert!(!options.rescale_acts_by_decoder_norm);
    assert_eq!(options.aux_loss_coefficient, 1.0);

    let standard = format!(
        r#"{{"architecture": "standard", "activation_fn": "topk", "activation_fn_kwargs": {{"k": 32}}, {rest}}}"#
    );
    let options = json(&standard).options;
    assert_eq!(options.architecture, TrainArchitecture::TopK);
    assert_eq!(options.aux_loss_coefficient, 0.0);
    let penalised = standard.replace(r#""l1_coefficient": 0"#, r#""l1_coefficient": 1"#);
    assert_eq!(
        error("run.json", &penalised),
        r#"run.json: activation_fn is "topk", which is not supported: standard with topk had an L1 penalty, which topk has not; set l1_coefficient to 0, or the architecture to topk"#
    );
    assert_eq!(
        error(
            "run.json",
            r#"{"scale_sparsity_penalty_by_decoder_norm": false}"#
        ),
        "run.json: scale_sparsity_penalty_by_decoder_norm is false, which is not supported: set it to true, or keep decoder rows at norm 1 (unit_decoder, normalize_sae_decoder of old), where it makes no difference"
    );
    assert_eq!(
        error("run.json", r#"{"activation_fn": "tanh-relu"}"#),
        r#"run.json: activation_fn is "tanh-relu", which is not supported: relu is what there is for standard; leave it out"#
    );
    assert_eq!(
        error("run.json", r#"{"expansion_factor": 8}"#),
        "run.json: expansion_factor is 8: expected d_in beside it, the width of the activations; or give d_sae"
    );
    assert_eq!(
        error("run.json", r#"{"expansion_factor": 0.3, "d_in": 8}"#),
        "run.json: expansion_factor is 0.3: expected a number that makes d_in (8) a number of features"
    );
    assert_eq!(
        warnings(r#"{"use_ghost_grads": false, "adam_beta1": 0.9, "l1_coefficient": 1}"#),
        [
            "its keys are those of SAELens 5 or older; what it leaves out has another default today: normalize_sae_decoder (was true), b_dec_init_method (was geometric_median)"
        ]
    );
}
