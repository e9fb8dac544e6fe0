//! SAELens' settings as options, each by its name.

use crate::error::UsageError;
use anyhow::Result;
use sae_train::RunConfig;

macro_rules! settings {
    ($($(#[doc = $doc:literal])* $key:ident: $value:literal $(= $default:literal)?,)*) => {
        /// Settings of an SAE and of its training. Which of them an architecture has is in docs/cli.md.
        #[derive(Debug, Default, clap::Args)]
        #[command(next_help_heading = "Settings")]
        pub(crate) struct Settings {
            $($(#[doc = $doc])*
            #[arg(long, value_name = $value, allow_negative_numbers = true, help_heading = "Settings" $(, num_args = 0..=1, default_missing_value = $default)?)]
            $key: Option<String>,)*
        }

        impl Settings {
            /// Those that were given, by key.
            fn given(&self) -> impl Iterator<Item = (&'static str, &str)> {
                [$((stringify!($key), self.$key.as_deref())),*]
                    .into_iter()
                    .filter_map(|(key, value)| Some((key, value?)))
            }
        }
    };
}

settings! {
    /// standard, gated, topk, abstopk, batchtopk, matryoshka-batchtopk, jumprelu, matching-pursuit, transcoder, skip-transcoder, jumprelu-transcoder or jumprelu-skip-transcoder [default: standard]
    architecture: "NAME",
    /// Features of the SAE
    d_sae: "N",
    /// Features of the SAE, as a multiple of the width of the activations
    expansion_factor: "N",
    /// Tokens to train on [default: 2000000]
    training_tokens: "N",
    /// Tokens in a training step [default: 4096]
    train_batch_size_tokens: "N",
    /// Weight of the L1 penalty (standard, gated, transcoder) [default: 1]
    l1_coefficient: "X",
    /// Steps over which the L1 penalty rises from 0
    l1_warm_up_steps: "N",
    /// p of the L1 penalty's norm [default: 1]
    lp_norm: "P",
    /// Active features of a token (the topk family) [default: 100]
    k: "K",
    /// Select by pre-activation times decoder norm
    rescale_acts_by_decoder_norm: "BOOL" = "true",
    /// Weight of the loss that revives dead features (the topk family) [default: 1]
    aux_loss_coefficient: "X",
    /// saelens, or openai: through a ReLU, divided by the residual's variance
    aux_loss_form: "FORM",
    /// How fast batchtopk's threshold follows
    topk_threshold_lr: "X",
    /// Numbers of features that reconstruct on their own, such as 64,256
    matryoshka_widths: "LIST",
    /// Revive each group by what its own reconstruction leaves
    use_matryoshka_aux_loss: "BOOL" = "true",
    /// Threshold at first (jumprelu)
    jumprelu_init_threshold: "X",
    /// Width of the straight-through estimator
    jumprelu_bandwidth: "X",
    /// step, tanh or quadratic
    jumprelu_sparsity_loss_mode: "MODE",
    /// Weight of the sparsity loss (jumprelu) [default: 1]
    l0_coefficient: "X",
    /// Steps over which the sparsity loss rises from 0
    l0_warm_up_steps: "N",
    /// Weight of the loss that pulls dead features towards their threshold
    pre_act_loss_coefficient: "X",
    /// Scale of the tanh loss
    jumprelu_tanh_scale: "X",
    /// Let the estimator's gradient reach the encoder
    jumprelu_ste_to_input: "BOOL" = "true",
    /// Active features that the quadratic loss asks for
    target_l0: "L0",
    /// A token is done below this residual norm (matching pursuit)
    residual_threshold: "X",
    /// Most features of a token (matching pursuit)
    max_iterations: "N",
    /// Norm of decoder rows at first
    decoder_init_norm: "X",
    /// Subtract the decoder's bias from the input
    apply_b_dec_to_input: "BOOL" = "true",
    /// none or expected_average_only_in [default: none]
    normalize_activations: "HOW",
    /// Batches to estimate the norm from
    n_batches_for_norm_estimate: "N",
    /// Learning rate [default: 0.0003]
    lr: "X",
    /// constant, cosineannealing or cosineannealingwarmrestarts [default: constant]
    lr_scheduler_name: "NAME",
    /// Steps over which the learning rate rises from 0
    lr_warm_up_steps: "N",
    /// Steps at the end over which the learning rate falls to 0
    lr_decay_steps: "N",
    /// The learning rate at the end of a cosine; a tenth of --lr by default
    lr_end: "X",
    /// Cycles of cosineannealingwarmrestarts [default: 1]
    n_restart_cycles: "N",
    /// Adam's first decay
    adam_beta1: "X",
    /// Adam's second decay
    adam_beta2: "X",
    /// Steps without activity after which a feature is dead [default: 1000]
    dead_feature_window: "N",
    /// Steps over which frequencies of features are counted [default: 2000]
    feature_sampling_window: "N",
    /// Seed of the weights at first and of the order of activations [default: 42]
    seed: "N",
    /// Keep decoder rows at norm 1
    unit_decoder: "BOOL" = "true",
    /// The decoder's bias at first: peer, zeros, mean or geometric_median
    b_dec_init: "HOW",
    /// Restart dead features every so many steps
    resample_dead_every: "STEPS",
    /// Save the moving average of the weights with this decay
    ema_decay: "X",
    /// Rows that the model sees at once
    store_batch_size_prompts: "N",
    /// Rows that the buffer mixes, as SAELens counts
    n_batches_in_buffer: "N",
    /// Share of the buffer that stays, to be mixed with the next activations
    activations_mixing_fraction: "X",
    /// Head of the hook to train on
    hook_head_index: "N",
    /// Positions to train on, as Python slices them: 5,-5 leaves out five at either end
    seqpos_slice: "SLICE",
    /// Leave out special tokens, or these ids
    exclude_special_tokens: "BOOL|IDS" = "true",
    /// Steps from one line of metrics.jsonl to the next
    wandb_log_frequency: "N",
}

impl Settings {
    /// Puts what was given into a configuration.
    pub(crate) fn put_into(&self, config: &mut RunConfig) -> Result<()> {
        for (key, value) in self.given() {
            if key == "architecture" {
                // The words of the command line have hyphens.
                set(config, key, &value.replace('-', "_"))?;
            } else if key != "expansion_factor" {
                set(config, key, value)?;
            }
        }
        Ok(())
    }

    /// `--expansion-factor`, which needs to know a width.
    pub(crate) fn expansion_factor(&self) -> Option<&str> {
        self.expansion_factor.as_deref()
    }
}

/// Sets one key, whose option is named in a refusal.
fn set(config: &mut RunConfig, key: &str, value: &str) -> Result<()> {
    let set = config.set(key, value);
    set.map_err(|error| UsageError(format!("--{}: {error}", key.replace('_', "-"))).into())
}

/// Sets one key of `--sweep`.
pub(crate) fn set_swept(config: &mut RunConfig, key: &str, value: &str) -> Result<()> {
    // The words of the command line have hyphens.
    let word = value.replace('-', "_");
    let value = if key == "architecture" { &word } else { value };
    let set = config.set(key, value);
    set.map_err(|error| UsageError(format!("--sweep {key}={value}: {error}")).into())
}

#[cfg(test)]
mod tests {
    use super::Settings;
    use crate::args::Cli;
    use clap::{Args, Command, Parser};
    use serde_json::Value;

    #[test]
    fn a_setting_without_a_value_does_not_take_the_next_option() {
        let line = "sae train --out run --unit-decoder --lr -1 --k 4";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let crate::args::Command::Train(args) = cli.command else {
            panic!("not train");
        };
        assert_eq!(args.settings.unit_decoder.as_deref(), Some("true"));
        assert_eq!(args.settings.lr.as_deref(), Some("-1"));
        assert_eq!(args.settings.k.as_deref(), Some("4"));
    }

    #[test]
    fn the_defaults_in_the_help_are_those_of_training() {
        let defaults = serde_json::to_value(sae_train::TrainOptions::default()).unwrap();
        let command = Settings::augment_args(Command::new("train"));
        let mut checked = 0;
        for arg in command.get_arguments() {
            let help = arg.get_help().unwrap().to_string();
            let Some((_, default)) = help.rsplit_once("[default: ") else {
                continue;
            };
            let default = default.trim_end_matches(']');
            let number = default.parse::<f64>().ok();
            let default = number.map_or_else(|| Value::from(default), Value::from);
            let key = arg.get_id().as_str();
            let is_same = match (&defaults[key], &default) {
                (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
                (a, b) => a == b,
            };
            assert!(is_same, "{key}: {} is not {default}", defaults[key]);
            checked += 1;
        }
        assert!(checked > 10, "{checked}");
    }
}
