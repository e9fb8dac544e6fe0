//! The settings of a run, each named once.

use super::error::ConfigProblem;
use super::slice::SeqposSlice;
use super::tokens::{ExcludeSpecialTokens, SequenceSeparator};
use super::value::typed;
use super::words::{DtypeWord, ReshapeWord};
use crate::options::TrainOptions;
use sae_backend::Dtype;
use sae_core::ReshapeActivations;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// The type that a value is read as, where it is not the field's own.
macro_rules! wire {
    ($own:ty) => {
        $own
    };
    ($own:ty, $wire:ty) => {
        $wire
    };
}

macro_rules! run_config {
    ($($(#[$doc:meta])* $key:ident: $own:ty $(as $wire:ty)?,)*) => {
        /// What a configuration file says about a run: how an SAE is trained, on what, and what is kept.
        ///
        /// Names are SAELens'. What is none was not given, so that a flag or a default can decide.
        #[derive(Debug, Clone, Default, PartialEq)]
        #[non_exhaustive]
        pub struct RunConfig {
            /// Settings of the SAE and of its training; those that were not given are the defaults.
            pub options: TrainOptions,
            /// The keys of `options` that were given.
            pub given: BTreeSet<String>,
            $($(#[$doc])* pub $key: Option<$own>,)*
        }

        /// The keys beside those of `options`.
        pub(super) const RUN_KEYS: &[&str] = &[$(stringify!($key)),*];

        impl RunConfig {
            /// Whether a key is about the model, the data and the run, rather than about an SAE and its training.
            pub fn is_of_run(key: &str) -> bool {
                RUN_KEYS.contains(&key)
            }

            /// Sets the key if it is one of [`RUN_KEYS`], which it says. `name` is the key for the message.
            pub(super) fn put_run(&mut self, key: &str, name: &str, value: &Value) -> Result<bool, ConfigProblem> {
                match key {
                    $(stringify!($key) => {
                        self.$key = typed::<Option<wire!($own $(, $wire)?)>>(name, value)?.map(Into::into);
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }
    };
}

run_config! {
    /// The model, on the Hub or in a folder.
    model_name: String,
    /// Where activations are read.
    hook_name: String,
    /// Where a transcoder writes. Not one of SAELens' keys.
    hook_name_out: String,
    /// The head whose part of the activations is taken.
    hook_head_index: usize,
    /// Width of the activations: what the model's must be.
    d_in: usize,
    /// Width of a transcoder's output: what the model's must be.
    d_out: usize,
    /// Whether heads are joined.
    reshape_activations: ReshapeActivations as ReshapeWord,

    /// The text, on the Hub or in a folder.
    dataset_path: String,
    /// Whether it holds tokens already.
    is_dataset_tokenized: bool,
    /// Whether it is read as it is needed.
    streaming: bool,
    /// Tokens of a context.
    context_size: usize,
    /// Whether a context begins with the token for it.
    prepend_bos: bool,
    /// Whether documents are kept apart, and those shorter than a context left out.
    disable_concat_sequences: bool,
    /// What stands between documents.
    sequence_separator_token: SequenceSeparator,
    /// Positions of a context that are trained on.
    seqpos_slice: SeqposSlice,
    /// Tokens that are not trained on.
    exclude_special_tokens: ExcludeSpecialTokens,

    /// Contexts that the model sees at once.
    store_batch_size_prompts: usize,
    /// Contexts that the buffer holds.
    n_batches_in_buffer: usize,
    /// Share of the buffer that stays to be mixed with what comes: 0 to 1.
    activations_mixing_fraction: f64,

    /// Where the SAE is trained, by torch's name.
    device: String,
    /// The format of activations, and of the SAE's weights.
    dtype: Dtype as DtypeWord,
    /// Whether products of the SAE are computed in bfloat16.
    autocast: bool,
    /// Whether those of the model are.
    autocast_lm: bool,

    /// Steps from one line of the log to the next.
    wandb_log_frequency: u64,
    /// Lines of the log from one evaluation to the next.
    eval_every_n_wandb_logs: u64,
    /// Batches of an evaluation.
    n_eval_batches: usize,
    /// Contexts of one of its batches.
    eval_batch_size_prompts: usize,

    /// Checkpoints on the way.
    n_checkpoints: usize,
    /// Whether there is one at the end.
    save_final_checkpoint: bool,
    /// Where they are kept; SAELens adds an id of its run, so that a file that it wrote has it here.
    checkpoint_path: PathBuf,
    /// Where the trained SAE is kept.
    output_path: PathBuf,
    /// The checkpoint to go on from.
    resume_from_checkpoint: PathBuf,
}
