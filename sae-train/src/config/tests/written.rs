//! What SAELens writes, and the same in TOML.

#![allow(clippy::float_cmp, reason = "numbers are as they are read")]

use super::super::{ExcludeSpecialTokens, RunConfig, SeqposSlice, SequenceSeparator};
use super::{json, read, testdata};
use crate::{BiasInit, LrScheduler, Normalization, TrainArchitecture};
use sae_backend::Dtype;
use sae_core::ReshapeActivations;
use std::path::Path;

#[test]
fn what_saelens_writes_for_a_standard_sae() {
    let path = testdata("standard_runner_cfg.json");
    let (config, warnings) = RunConfig::read(&path).unwrap();
    let options = &config.options;
    assert_eq!(options.architecture, TrainArchitecture::Standard);
    assert_eq!((options.d_sae, options.l1_coefficient), (4608, 2.5));
    assert_eq!(options.l1_warm_up_steps, 1000);
    assert_eq!(
        options.normalize_activations,
        Normalization::ExpectedAverageOnlyIn
    );
    assert_eq!((options.training_tokens, options.lr), (8_192_000, 5e-5));
    assert_eq!(
        (options.lr_warm_up_steps, options.lr_decay_steps),
        (100, 400)
    );
    // Filled in by SAELens: a tenth of lr, which it shall stay when lr changes.
    assert_eq!(options.lr_end, None);
    assert!(!config.given.contains("lr_end"));
    assert!(config.given.contains("lr") && config.given.contains("l1_coefficient"));
    assert!(!config.given.contains("k") && !config.given.contains("model_name"));
    let text = |value: &Option<String>| value.clone().unwrap();
    assert_eq!(text(&config.model_name), "HuggingFaceTB/SmolLM2-135M");
    assert_eq!(text(&config.hook_name), "blocks.12.hook_resid_post");
    assert_eq!((config.hook_head_index, config.d_in), (None, Some(576)));
    assert_eq!(text(&config.dataset_path), "NeelNanda/pile-10k");
    assert_eq!(config.is_dataset_tokenized, Some(false));
    assert_eq!(config.context_size, Some(256));
    assert_eq!(config.device.as_deref(), Some("cuda"));
    assert_eq!(config.dtype, Some(Dtype::F32));
    assert_eq!(config.reshape_activations, Some(ReshapeActivations::None));
    assert_eq!(
        config.sequence_separator_token,
        Some(SequenceSeparator::Bos)
    );
    assert_eq!(config.seqpos_slice, SeqposSlice::new(&[Some(5), Some(-5)]));
    assert_eq!(
        config.exclude_special_tokens,
        Some(ExcludeSpecialTokens::Ids(vec![0, 2]))
    );
    assert_eq!(config.wandb_log_frequency, Some(30));
    assert_eq!(config.eval_every_n_wandb_logs, Some(20));
    assert_eq!(config.n_checkpoints, Some(3));
    assert_eq!(
        config.checkpoint_path.as_deref(),
        Some(Path::new("checkpoints/run1"))
    );
    assert_eq!(config.hook_name_out, None);
    // Only what is not SAELens' default, a line each, with the file.
    let path = path.display();
    assert_eq!(
        warnings,
        [
            format!(
                "{path}: compile_llm is true, which has no effect here: nothing is compiled with torch"
            ),
            format!(
                "{path}: dead_feature_threshold is 0.0001, which has no effect here: a feature is dead by dead_feature_window alone, in SAELens as well"
            ),
            format!(
                "{path}: llm_compilation_mode is \"default\", which has no effect here: nothing is compiled with torch"
            ),
            format!(
                "{path}: logger.wandb_id is \"run1\", which has no effect here: nothing is sent to wandb"
            ),
            format!(
                "{path}: logger.wandb_project is \"smol\", which has no effect here: nothing is sent to wandb"
            ),
        ]
    );
}

#[test]
fn what_saelens_writes_for_a_batchtopk_sae() {
    let (config, warnings) = RunConfig::read(testdata("batchtopk_runner_cfg.json")).unwrap();
    assert_eq!(warnings, [""; 0]);
    let options = &config.options;
    assert_eq!(options.architecture, TrainArchitecture::BatchTopK);
    assert_eq!((options.d_sae, options.k), (1152, 32.5));
    assert_eq!(options.aux_loss_coefficient, 0.03125);
    assert!(config.given.contains("topk_threshold_lr"));
    assert_eq!(
        config.exclude_special_tokens,
        Some(ExcludeSpecialTokens::None)
    );
    assert_eq!(config.seqpos_slice, SeqposSlice::new(&[]));
}

#[test]
fn toml_has_the_same_keys_nested_or_flat() {
    let nested = r#"
        model_name = "m"
        training_tokens = 2e6
        lr_scheduler_name = "cosineannealing"
        sequence_separator_token = "none"
        exclude_special_tokens = true
        seqpos_slice = [0, -1, 2]
        [sae]
        architecture = "matryoshka-batchtopk"
        d_sae = 1_024
        matryoshka_widths = [64, 256]
        decoder_init_norm = "none"
        dtype = "torch.bfloat16"
        reshape_activations = "hook_z"
        b_dec_init = "mean"
        ema_decay = 0.999
        [logger]
        log_to_wandb = false
        wandb_project = "p"
    "#;
    let (config, warnings) = read("Run.TOML", nested).unwrap();
    assert_eq!(warnings, [""; 0]);
    let options = &config.options;
    assert_eq!(options.architecture, TrainArchitecture::MatryoshkaBatchTopK);
    assert_eq!(options.matryoshka_widths, [64, 256]);
    assert_eq!((options.decoder_init_norm, options.d_sae), (None, 1024));
    assert_eq!(options.training_tokens, 2_000_000);
    assert_eq!(options.lr_scheduler_name, LrScheduler::CosineAnnealing);
    assert_eq!(options.b_dec_init, BiasInit::Mean);
    assert_eq!(options.ema_decay, Some(0.999));
    assert_eq!(config.dtype, Some(Dtype::Bf16));
    assert_eq!(config.reshape_activations, Some(ReshapeActivations::HookZ));
    assert_eq!(
        config.sequence_separator_token,
        Some(SequenceSeparator::None)
    );
    assert_eq!(
        config.exclude_special_tokens,
        Some(ExcludeSpecialTokens::All)
    );
    let flat = nested.replace("[sae]", "").replace("[logger]", "");
    assert_eq!(read("run.toml", &flat).unwrap().0, config);
}

#[test]
fn flat_json_and_null() {
    let config = json(
        r#"{"architecture": "jumprelu", "d_sae": 64, "sequence_separator_token": null, "model_name": null,
            "decoder_init_norm": null, "target_l0": 20, "hook_name_out": "blocks.1.hook_mlp_out", "seed": 7.0}"#,
    );
    assert_eq!(
        config.sequence_separator_token,
        Some(SequenceSeparator::None)
    );
    assert_eq!((config.model_name, config.dtype), (None, None));
    assert_eq!(config.options.decoder_init_norm, None);
    assert_eq!(config.options.target_l0, Some(20.0));
    assert_eq!(config.options.seed, 7);
    assert_eq!(
        config.hook_name_out.as_deref(),
        Some("blocks.1.hook_mlp_out")
    );
    assert_eq!(json("{}"), RunConfig::default());
    assert_eq!(json("\u{feff}{}"), RunConfig::default());
}
