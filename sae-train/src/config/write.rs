//! Settings as `runner_cfg.json`.

use super::{ExcludeSpecialTokens, RunConfig, SequenceSeparator};
use crate::keys::whole;
use crate::options::TrainOptions;
use sae_backend::Dtype;
use serde_json::{Map, Value, json};

/// Settings that SAELens keeps with the SAE, besides the architecture's own.
const OF_THE_SAE: [&str; 5] = [
    "architecture",
    "d_sae",
    "apply_b_dec_to_input",
    "normalize_activations",
    "decoder_init_norm",
];
/// Settings that it keeps with the logger.
const OF_THE_LOGGER: [&str; 2] = ["wandb_log_frequency", "eval_every_n_wandb_logs"];

impl RunConfig {
    /// The settings by SAELens' keys, nested as it nests them: what [`read`](Self::read) takes.
    pub fn to_json(&self) -> Value {
        let (mut sae, mut logger, mut top) = (Map::new(), Map::new(), Map::new());
        let own = self.options.architecture.keys();
        let known = serde_json::to_value(TrainOptions::default()).unwrap_or_default();
        let options = serde_json::to_value(&self.options).unwrap_or_default();
        for (key, value) in options.as_object().into_iter().flatten() {
            let key_str = key.as_str();
            if OF_THE_SAE.contains(&key_str) || own.contains(&key_str) {
                sae.insert(key.clone(), whole(value.clone()));
            } else if is_of_some_architecture(key) {
                // Another architecture's: it would be an unknown key to SAELens.
            } else if !is_ours(key) || known.get(key) != Some(value) {
                top.insert(key.clone(), value.clone());
            }
        }
        for (key, value) in self.run_values() {
            if ["d_in", "d_out", "reshape_activations"].contains(&key) {
                sae.insert(key.to_owned(), value);
            } else if OF_THE_LOGGER.contains(&key) {
                logger.insert(key.to_owned(), value);
            } else {
                top.insert(key.to_owned(), value);
            }
        }
        let mut all = Map::new();
        all.insert("sae".to_owned(), sae.into());
        all.extend(top);
        logger.insert("log_to_wandb".to_owned(), json!(false));
        all.insert("logger".to_owned(), logger.into());
        all.into()
    }
}

fn is_of_some_architecture(key: &str) -> bool {
    crate::TrainArchitecture::ALL
        .iter()
        .any(|architecture| architecture.keys().contains(&key))
}

/// Settings that SAELens does not have: written where they are not the default.
fn is_ours(key: &str) -> bool {
    [
        "unit_decoder",
        "b_dec_init",
        "aux_loss_form",
        "resample_dead_every",
        "ema_decay",
    ]
    .contains(&key)
}

impl RunConfig {
    /// The settings beside those of the options, where they were given.
    fn run_values(&self) -> Vec<(&'static str, Value)> {
        let separator = self.sequence_separator_token.map(|token| match token {
            SequenceSeparator::None => Value::Null,
            SequenceSeparator::Bos => json!("bos"),
            SequenceSeparator::Eos => json!("eos"),
            SequenceSeparator::Sep => json!("sep"),
            SequenceSeparator::Id(id) => json!(id),
        });
        let excluded = self
            .exclude_special_tokens
            .as_ref()
            .map(|tokens| match tokens {
                ExcludeSpecialTokens::None => json!(false),
                ExcludeSpecialTokens::All => json!(true),
                ExcludeSpecialTokens::Ids(ids) => json!(ids),
            });
        let slice = self
            .seqpos_slice
            .map(|slice| json!([slice.start, slice.end, slice.step]));
        let dtype = self.dtype.map(|dtype| match dtype {
            Dtype::Bf16 => json!("bfloat16"),
            _ => json!("float32"),
        });
        let reshape = self
            .reshape_activations
            .map(|reshape| json!(reshape.name()));
        let all = [
            ("model_name", self.model_name.as_ref().map(|x| json!(x))),
            ("hook_name", self.hook_name.as_ref().map(|x| json!(x))),
            (
                "hook_name_out",
                self.hook_name_out.as_ref().map(|x| json!(x)),
            ),
            ("hook_head_index", self.hook_head_index.map(|x| json!(x))),
            ("d_in", self.d_in.map(|x| json!(x))),
            ("d_out", self.d_out.map(|x| json!(x))),
            ("reshape_activations", reshape),
            ("dataset_path", self.dataset_path.as_ref().map(|x| json!(x))),
            (
                "is_dataset_tokenized",
                self.is_dataset_tokenized.map(|x| json!(x)),
            ),
            ("streaming", self.streaming.map(|x| json!(x))),
            ("context_size", self.context_size.map(|x| json!(x))),
            ("prepend_bos", self.prepend_bos.map(|x| json!(x))),
            (
                "disable_concat_sequences",
                self.disable_concat_sequences.map(|x| json!(x)),
            ),
            ("sequence_separator_token", separator),
            ("seqpos_slice", slice),
            ("exclude_special_tokens", excluded),
            (
                "store_batch_size_prompts",
                self.store_batch_size_prompts.map(|x| json!(x)),
            ),
            (
                "n_batches_in_buffer",
                self.n_batches_in_buffer.map(|x| json!(x)),
            ),
            (
                "activations_mixing_fraction",
                self.activations_mixing_fraction.map(|x| json!(x)),
            ),
            ("device", self.device.as_ref().map(|x| json!(x))),
            ("dtype", dtype),
            ("autocast", self.autocast.map(|x| json!(x))),
            ("autocast_lm", self.autocast_lm.map(|x| json!(x))),
            (
                "wandb_log_frequency",
                self.wandb_log_frequency.map(|x| json!(x)),
            ),
            (
                "eval_every_n_wandb_logs",
                self.eval_every_n_wandb_logs.map(|x| json!(x)),
            ),
            ("n_eval_batches", self.n_eval_batches.map(|x| json!(x))),
            (
                "eval_batch_size_prompts",
                self.eval_batch_size_prompts.map(|x| json!(x)),
            ),
            ("n_checkpoints", self.n_checkpoints.map(|x| json!(x))),
        ];
        let given = all.into_iter();
        given
            .filter_map(|(key, value)| Some((key, value?)))
            .collect()
    }
}
