//! Settings that cannot work.

use crate::architecture::TrainArchitecture;
use crate::options::{LrScheduler, SparsityLoss, TrainOptions};
use std::fmt;

/// Groups of features that reconstruct on their own.
pub(crate) const MOST_WIDTHS: usize = 16;

/// A setting that cannot work.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} is {found}: expected {expected}")]
#[non_exhaustive]
pub struct OptionError {
    /// Its name.
    pub key: &'static str,
    /// What it is.
    pub found: String,
    /// What would do.
    pub expected: String,
}

fn wrong(key: &'static str, found: impl fmt::Display, expected: impl Into<String>) -> OptionError {
    OptionError {
        key,
        found: found.to_string(),
        expected: expected.into(),
    }
}

impl TrainOptions {
    /// Steps of the run, the last of which may go beyond `training_tokens`.
    pub fn steps(&self) -> u64 {
        self.training_tokens
            .div_ceil(self.train_batch_size_tokens.max(1) as u64)
    }

    /// The steps that schedules are made for: SAELens rounds down here and up in [`steps`](Self::steps).
    pub fn scheduled_steps(&self) -> u64 {
        self.training_tokens / self.train_batch_size_tokens.max(1) as u64
    }

    /// `lr_end`, or its default.
    pub fn lr_end(&self) -> f64 {
        self.lr_end.unwrap_or(self.lr / 10.0)
    }

    /// Whether the decoder's bias is subtracted from the input.
    pub(crate) fn centres(&self) -> bool {
        self.apply_b_dec_to_input && !self.architecture.is_transcoder()
    }

    /// Matryoshka's widths with `d_sae` as the last.
    pub fn widths(&self) -> Vec<usize> {
        let mut widths = self.matryoshka_widths.clone();
        if widths.last() != Some(&self.d_sae) {
            widths.push(self.d_sae);
        }
        widths
    }

    /// Looks for settings that cannot work.
    ///
    /// # Errors
    /// For the first that is found.
    pub fn check(&self) -> Result<(), OptionError> {
        let positive = "a number above 0";
        if self.d_sae == 0 {
            return Err(wrong("d_sae", 0, "at least one feature"));
        }
        if self.train_batch_size_tokens == 0 {
            return Err(wrong("train_batch_size_tokens", 0, "at least one token"));
        }
        if self.scheduled_steps() == 0 {
            return Err(wrong(
                "training_tokens",
                self.training_tokens,
                format!(
                    "at least one batch, {} tokens",
                    self.train_batch_size_tokens
                ),
            ));
        }
        let above_0 = [
            ("lr", self.lr),
            ("lp_norm", self.lp_norm),
            ("jumprelu_bandwidth", self.jumprelu_bandwidth),
            (
                "feature_sampling_window",
                self.feature_sampling_window as f64,
            ),
        ];
        for (key, value) in above_0 {
            if value.is_nan() || value <= 0.0 {
                return Err(wrong(key, value, positive));
            }
        }
        for (key, value) in [
            ("adam_beta1", self.adam_beta1),
            ("adam_beta2", self.adam_beta2),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(wrong(key, value, "a number from 0, below 1"));
            }
        }
        self.check_schedule()?;
        self.check_architecture()
    }

    fn check_schedule(&self) -> Result<(), OptionError> {
        let (steps, around) = (
            self.scheduled_steps(),
            self.lr_warm_up_steps + self.lr_decay_steps,
        );
        if around > steps {
            return Err(wrong(
                "lr_warm_up_steps + lr_decay_steps",
                around,
                format!("at most the {steps} steps of the run"),
            ));
        }
        let restarts = self.lr_scheduler_name == LrScheduler::CosineAnnealingWarmRestarts;
        if restarts && (self.n_restart_cycles == 0 || (steps - around) / self.n_restart_cycles == 0)
        {
            return Err(wrong(
                "n_restart_cycles",
                self.n_restart_cycles,
                format!(
                    "1 to {}, the steps between warm-up and decay",
                    steps - around
                ),
            ));
        }
        let cosine = self.lr_scheduler_name != LrScheduler::Constant;
        if cosine && self.lr_decay_steps > 0 && self.lr_end() == 0.0 {
            return Err(wrong(
                "lr_end",
                0,
                "above 0 where lr_decay_steps follows, which would decay from 0 to 0",
            ));
        }
        Ok(())
    }

    fn check_architecture(&self) -> Result<(), OptionError> {
        let d_sae = self.d_sae as f64;
        if self.architecture.is_topk() && !(self.k > 0.0 && self.k <= d_sae) {
            return Err(wrong(
                "k",
                self.k,
                format!("above 0, at most d_sae ({})", self.d_sae),
            ));
        }
        if matches!(
            self.architecture,
            TrainArchitecture::TopK | TrainArchitecture::AbsTopK
        ) && self.k.fract() != 0.0
        {
            return Err(wrong(
                "k",
                self.k,
                "a whole number; batchtopk takes fractions",
            ));
        }
        if self.architecture == TrainArchitecture::MatryoshkaBatchTopK {
            let widths = self.widths();
            let ascending = widths.windows(2).all(|pair| pair[0] < pair[1]) && widths[0] > 0;
            if self.matryoshka_widths.is_empty() || !ascending {
                let found = match &*self.matryoshka_widths {
                    [] => "not given".to_owned(),
                    widths => format!("{widths:?}"),
                };
                return Err(wrong(
                    "matryoshka_widths",
                    found,
                    format!(
                        "numbers of features, ascending, below or up to d_sae ({})",
                        self.d_sae
                    ),
                ));
            }
        }
        let quadratic = self.jumprelu_sparsity_loss_mode == SparsityLoss::Quadratic;
        if self.architecture.has_threshold() && quadratic {
            match self.target_l0 {
                Some(target) if target > 0.0 && target <= d_sae => {}
                other => {
                    let found = other.map_or("not given".to_owned(), |l0| l0.to_string());
                    return Err(wrong(
                        "target_l0",
                        found,
                        format!("above 0, at most d_sae ({})", self.d_sae),
                    ));
                }
            }
        }
        let pursuit = self.architecture == TrainArchitecture::MatchingPursuit;
        if pursuit && self.max_iterations == Some(0) {
            return Err(wrong("max_iterations", 0, "at least 1"));
        }
        if pursuit && (self.unit_decoder || self.resample_dead_every.is_some()) {
            return Err(wrong(
                "architecture",
                self.architecture,
                "one with an encoder for unit_decoder and resample_dead_every",
            ));
        }
        if self.resample_dead_every == Some(0) {
            return Err(wrong(
                "resample_dead_every",
                0,
                "at least 1 step, or nothing for never",
            ));
        }
        match self.ema_decay {
            Some(decay) if !(0.0..1.0).contains(&decay) => {
                Err(wrong("ema_decay", decay, "a number from 0, below 1"))
            }
            _ => Ok(()),
        }
    }
}
