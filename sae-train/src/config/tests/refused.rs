//! What is not taken, and what is said of it.

#![allow(clippy::float_cmp, reason = "numbers are as they are read")]

use super::super::ConfigProblem;
use super::{error, json, read, warnings};

#[test]
fn unknown_keys_are_named_with_what_they_resemble() {
    assert_eq!(
        error("run.json", r#"{"sae": {"l1_coeficient": 1}}"#),
        "run.json: there is no setting sae.l1_coeficient; did you mean l1_coefficient?"
    );
    assert_eq!(
        error("run.toml", "store_batch_prompts = 3"),
        "run.toml: there is no setting store_batch_prompts; did you mean store_batch_size_prompts?"
    );
    assert_eq!(
        error("run.json", r#"{"wandb_projekt": "p"}"#),
        "run.json: there is no setting wandb_projekt; did you mean wandb_project?"
    );
    assert_eq!(
        error("run.json", r#"{"saes": {}, "hook_names": "h"}"#),
        "run.json: hook_names is \"h\", which is not supported: a run trains one SAE; give its hook as `hook_name`"
    );
    assert_eq!(
        error("run.json", r#"{"zzz": {}}"#),
        "run.json: there is no setting zzz"
    );
}

#[test]
fn wrong_types_say_where_what_and_what_instead() {
    let cases = [
        (
            r#"{"sae": {"k": "many"}}"#,
            r#"sae.k is "many": expected a number"#,
        ),
        (
            r#"{"d_sae": 1.5}"#,
            "d_sae is 1.5: expected a whole number from 0",
        ),
        (
            r#"{"d_sae": -1}"#,
            "d_sae is -1: expected a whole number from 0",
        ),
        (
            r#"{"sae": {"matryoshka_widths": [1, 2, "x"]}}"#,
            r#"sae.matryoshka_widths[2] is "x": expected a whole number from 0"#,
        ),
        (
            r#"{"apply_b_dec_to_input": 1}"#,
            "apply_b_dec_to_input is 1: expected true or false",
        ),
        (r#"{"model_name": 5}"#, "model_name is 5: expected a string"),
        (
            r#"{"sae": {"architecture": "temporal"}}"#,
            r#"sae.architecture is "temporal": expected one of standard, gated, topk, abstopk, batchtopk, matryoshka_batchtopk, jumprelu, matching_pursuit, transcoder, skip_transcoder, jumprelu_transcoder, jumprelu_skip_transcoder"#,
        ),
        (
            r#"{"lr_scheduler_name": "linear"}"#,
            r#"lr_scheduler_name is "linear": expected one of constant, cosineannealing, cosineannealingwarmrestarts"#,
        ),
        (
            r#"{"seqpos_slice": [1, 2, 3, 4]}"#,
            "seqpos_slice is [1,2,3,4]: expected [end], [start, end] or [start, end, step] with a step from 1",
        ),
        (
            r#"{"seqpos_slice": [1, 2, 0]}"#,
            "seqpos_slice is [1,2,0]: expected [end], [start, end] or [start, end, step] with a step from 1",
        ),
        (
            r#"{"seqpos_slice": [1, "x"]}"#,
            r#"seqpos_slice[1] is "x": expected a whole number"#,
        ),
        (
            r#"{"sequence_separator_token": "pad"}"#,
            r#"sequence_separator_token is "pad": expected bos, eos, sep, none or the id of a token"#,
        ),
        (
            r#"{"exclude_special_tokens": [1, -1]}"#,
            "exclude_special_tokens[1] is -1: expected a whole number from 0",
        ),
        (
            r#"{"exclude_special_tokens": "all"}"#,
            r#"exclude_special_tokens is "all": expected true, false or a list of the ids of tokens"#,
        ),
        (
            r#"{"context_size": 0}"#,
            "context_size is 0: expected at least 1",
        ),
        (
            r#"{"activations_mixing_fraction": 1.5}"#,
            "activations_mixing_fraction is 1.5: expected a number from 0 to 1",
        ),
        (
            r#"{"sae": []}"#,
            "sae is []: expected an object with settings",
        ),
        (r#"{"output_path": 1}"#, "output_path is 1: expected a path"),
    ];
    for (text, expected) in cases {
        assert_eq!(error("run.json", text), format!("run.json: {expected}"));
    }
    assert_eq!(
        error("run.json", r#"{"sae": {"dtype": "float16"}}"#),
        r#"run.json: sae.dtype is "float16": expected one of float32, torch.float32, bfloat16, torch.bfloat16"#
    );
}

#[test]
fn saelens_defaults_are_silent_and_the_rest_is_told() {
    let silent = r#"{"device": "cuda", "act_store_device": "with_model", "llm_device": "cuda", "verbose": true, "model_kwargs": {},
        "dataset_trust_remote_code": false, "hook_eval": "NOT_IN_USE", "tokens_per_buffer": 3, "metadata": {"a": 1},
        "run_name": "standard-4096-LR-0.0003-Tokens-2.000e+06", "model_from_pretrained_kwargs": {"center_writing_weights": false},
        "dead_feature_threshold": 1e-08, "sae": {"device": "cpu", "use_sparse_activations": false}}"#;
    assert_eq!(warnings(silent), [""; 0]);
    let told = r#"{"device": "cuda", "act_store_device": "cpu", "dtype": "float32", "run_name": "mine",
        "model_from_pretrained_kwargs": {"n_devices": 2}, "sae": {"dtype": "bfloat16", "device": "cpu"}}"#;
    assert_eq!(
        warnings(told),
        [
            "sae.dtype is \"bfloat16\", which has no effect here: dtype is \"float32\", for the SAE as well",
            "act_store_device is \"cpu\", which has no effect here: activations wait where the plan of memory puts them",
            "model_from_pretrained_kwargs is {\"n_devices\":2}, which has no effect here: they are for a model in Python",
            "run_name is \"mine\", which has no effect here: nothing is sent to wandb",
        ]
    );
}

#[test]
fn what_cannot_be_honoured_is_refused_with_what_to_do() {
    let cases = [
        (
            r#"{"use_cached_activations": true}"#,
            "use_cached_activations is true, which is not supported: set it to false; activations are computed as they are needed",
        ),
        (
            r#"{"sae": {"normalize_activations": "layer_norm"}}"#,
            r#"sae.normalize_activations is "layer_norm", which is not supported: use expected_average_only_in, or none"#,
        ),
        (
            r#"{"model_class_name": "HookedMamba"}"#,
            r#"model_class_name is "HookedMamba", which is not supported: models are Llamas from Hugging Face; name one, with HookedTransformer or AutoModelForCausalLM"#,
        ),
        (
            r#"{"model_from_pretrained_kwargs": {"fold_ln": true}}"#,
            "model_from_pretrained_kwargs.fold_ln is true, which is not supported: leave it out; weights are used as they are published, as SAELens does by default",
        ),
        (
            r#"{"architecture": "jumprelu", "metadata": {"training_architecture": "batchtopk"}}"#,
            r#"architecture is "jumprelu", which is not supported: this is the configuration of a finished SAE, trained as "batchtopk"; give the runner_cfg.json beside it"#,
        ),
        (
            r#"{"noise_scale": 0.1}"#,
            "noise_scale is 0.1, which is not supported: SAELens 6 does not have it either",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error("run.json", text), format!("run.json: {expected}"));
    }
    for text in [
        r#"{"from_pretrained_path": "x"}"#,
        r#"{"use_chat_formatting": true}"#,
        r#"{"saes": {}}"#,
        r#"{"sae": {"normalize_activations": "covariance_whitening"}}"#,
        r#"{"normalize_activations": "constant_norm_rescale"}"#,
    ] {
        let problem = read("run.json", text).unwrap_err().problem;
        assert!(
            matches!(problem, ConfigProblem::Unsupported { .. }),
            "{text}"
        );
    }
    let reshape = error("run.json", r#"{"reshape_activations": "other"}"#);
    assert!(reshape.contains("expected none or hook_z"), "{reshape}");
}

#[test]
fn one_setting_may_not_say_two_things() {
    assert_eq!(
        error("run.json", r#"{"lr": 1, "sae": {"lr": 2}}"#),
        "run.json: lr and sae.lr are one setting, and say different things; leave one of them out"
    );
    assert_eq!(
        error(
            "run.json",
            r#"{"d_in": 8, "d_sae": 64, "expansion_factor": 4}"#
        ),
        "run.json: d_sae and expansion_factor are one setting, and say different things; leave one of them out"
    );
    assert_eq!(json(r#"{"lr": 1, "sae": {"lr": 1.0}}"#).options.lr, 1.0);
}
