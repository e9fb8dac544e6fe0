//! The table of those keys.

/// What happens to a value that asks for something else than we do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// The run goes on: what is trained is the same, or nearly.
    Warn,
    /// The run would be another one.
    Refuse,
}
use Otherwise::{Refuse, Warn};

const WANDB: &str = "nothing is sent to wandb";
const COMPILE: &str = "nothing is compiled with torch";
const OLD: &str = "SAELens 6 does not have it either";

/// A key, the values that pass in silence (JSON, with spaces between), what happens to others, and why or what to do instead.
pub(super) const RULES: [(&str, &str, Otherwise, &str); 39] = [
    ("log_to_wandb", "true false", Warn, WANDB),
    ("log_weights_to_wandb", "true false", Warn, WANDB),
    ("log_activations_store_to_wandb", "false", Warn, WANDB),
    ("log_optimizer_state_to_wandb", "false", Warn, WANDB),
    (
        "wandb_project",
        r#""sae_lens_training" "mats_sae_training_language_model" null"#,
        Warn,
        WANDB,
    ),
    ("wandb_id", "null", Warn, WANDB),
    ("wandb_entity", "null", Warn, WANDB),
    ("run_name", "null", Warn, WANDB),
    ("compile_llm", "false", Warn, COMPILE),
    ("llm_compilation_mode", "null", Warn, COMPILE),
    ("compile_sae", "false", Warn, COMPILE),
    ("sae_compilation_mode", "null", Warn, COMPILE),
    (
        "llm_device",
        r#"null "None""#,
        Warn,
        "the model runs where the SAE is trained",
    ),
    (
        "act_store_device",
        r#"null "None" "with_model""#,
        Warn,
        "activations wait where the plan of memory puts them",
    ),
    (
        "prefetch_llm_batches",
        "false 0 null",
        Warn,
        "the order of work is planned",
    ),
    (
        "dataset_trust_remote_code",
        "true false null",
        Warn,
        "code of a data set is never run",
    ),
    (
        "model_kwargs",
        "{} null",
        Warn,
        "they are for a model in Python",
    ),
    (
        "model_from_pretrained_kwargs",
        "{} null",
        Warn,
        "they are for a model in Python",
    ),
    (
        "use_sparse_activations",
        "false null",
        Warn,
        "gradients are sparse wherever that is faster",
    ),
    (
        "dead_feature_threshold",
        "1e-8 null",
        Warn,
        "a feature is dead by dead_feature_window alone, in SAELens as well",
    ),
    (
        "hook_eval",
        r#""NOT_IN_USE" null"#,
        Warn,
        "SAELens does not use it either",
    ),
    ("verbose", "true null", Warn, "flags say how much is logged"),
    (
        "decoder_orthogonal_init",
        "false null",
        Warn,
        "decoder rows are drawn at random, as SAELens 6 does",
    ),
    (
        "init_encoder_as_decoder_transpose",
        "true null",
        Warn,
        "the encoder starts as the decoder's transpose, as in SAELens 6",
    ),
    (
        "model_class_name",
        r#""HookedTransformer" "AutoModelForCausalLM" null"#,
        Refuse,
        "models are Llamas from Hugging Face; name one, with HookedTransformer or AutoModelForCausalLM",
    ),
    (
        "use_cached_activations",
        "false null",
        Refuse,
        "set it to false; activations are computed as they are needed",
    ),
    (
        "from_pretrained_path",
        "null",
        Refuse,
        "leave it out; training starts from fresh weights, or goes on from a checkpoint (resume_from_checkpoint)",
    ),
    (
        "use_chat_formatting",
        "false null",
        Refuse,
        "set it to false, and give a data set in which chats are text or tokens already",
    ),
    (
        "saes",
        "",
        Refuse,
        "a run trains one SAE; give each a file with `sae` and `hook_name`, or sweep over a setting",
    ),
    (
        "hook_names",
        "",
        Refuse,
        "a run trains one SAE; give its hook as `hook_name`",
    ),
    (
        "hook_head_indices",
        "null",
        Refuse,
        "a run trains one SAE; give its head as `hook_head_index`",
    ),
    ("evaluator", "null", Refuse, "it is code; leave it out"),
    (
        "resume",
        "false null",
        Refuse,
        "set it to false; resume_from_checkpoint names the checkpoint to go on from",
    ),
    ("mse_loss_normalization", "null", Refuse, OLD),
    ("noise_scale", "0 null", Refuse, OLD),
    (
        "use_ghost_grads",
        "false null",
        Refuse,
        "set it to false; dead features are revived by resample_dead_every, or by the auxiliary loss of the topk family",
    ),
    ("finetuning_tokens", "0 null", Refuse, OLD),
    ("finetuning_method", "null", Refuse, OLD),
    ("finetuning_scaling_factor", "false null", Refuse, OLD),
];

/// Keys that say where a file comes from, or what follows from other keys.
pub(super) const SILENT: [&str; 8] = [
    "metadata",
    "sae_lens_version",
    "sae_lens_training_version",
    "cached_activations_path",
    "tokens_per_buffer",
    "hook_layer",
    "hook_point_layer",
    "neuronpedia_id",
];

/// Scalings of the input that SAELens has and we have not.
pub(super) const SCALINGS: [&str; 3] = [
    "layer_norm",
    "constant_norm_rescale",
    "covariance_whitening",
];

/// Settings of the model's loading that change its activations when they are on.
pub(super) const PROCESSING: [&str; 6] = [
    "fold_ln",
    "center_writing_weights",
    "center_unembed",
    "fold_value_biases",
    "refactor_factored_attn_matrices",
    "first_n_layers",
];

#[cfg(test)]
mod tests {
    use super::super::keys;
    use super::RULES;
    use serde_json::{Deserializer, Value};
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_json_and_names_each_key_once() {
        for (key, silent, ..) in RULES {
            let mut values = Deserializer::from_str(silent).into_iter::<Value>();
            assert!(values.all(|value| value.is_ok()), "{key}: {silent}");
        }
        assert_eq!(keys().collect::<BTreeSet<_>>().len(), keys().count());
    }
}
