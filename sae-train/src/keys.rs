//! Which settings are an architecture's own, by SAELens' keys.

use crate::architecture::TrainArchitecture;
use crate::options::TrainOptions;
use serde_json::{Map, Value};

/// Settings of every architecture.
const OF_ALL: [&str; 1] = ["decoder_init_norm"];

impl TrainArchitecture {
    /// Settings that only some architectures have, of this one.
    pub fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Standard | Self::Transcoder | Self::SkipTranscoder => {
                &["l1_coefficient", "lp_norm", "l1_warm_up_steps"]
            }
            Self::Gated => &["l1_coefficient", "l1_warm_up_steps"],
            Self::TopK | Self::AbsTopK => &[
                "k",
                "aux_loss_coefficient",
                "rescale_acts_by_decoder_norm",
                "aux_loss_form",
            ],
            Self::BatchTopK => &[
                "k",
                "aux_loss_coefficient",
                "rescale_acts_by_decoder_norm",
                "topk_threshold_lr",
                "aux_loss_form",
            ],
            Self::MatryoshkaBatchTopK => &[
                "k",
                "aux_loss_coefficient",
                "rescale_acts_by_decoder_norm",
                "topk_threshold_lr",
                "matryoshka_widths",
                "use_matryoshka_aux_loss",
                "aux_loss_form",
            ],
            Self::JumpRelu | Self::JumpReluTranscoder | Self::JumpReluSkipTranscoder => &[
                "jumprelu_init_threshold",
                "jumprelu_bandwidth",
                "jumprelu_sparsity_loss_mode",
                "l0_coefficient",
                "l0_warm_up_steps",
                "pre_act_loss_coefficient",
                "jumprelu_tanh_scale",
                "jumprelu_ste_to_input",
                "target_l0",
            ],
            Self::MatchingPursuit => &[
                "residual_threshold",
                "max_iterations",
                "stop_on_duplicate_support",
            ],
        }
    }
}

impl TrainOptions {
    /// The settings that the architecture uses, and no other has to know.
    pub(crate) fn of_architecture(&self) -> Map<String, Value> {
        let Ok(Value::Object(all)) = serde_json::to_value(self) else {
            return Map::new();
        };
        let is_own = |key: &str| OF_ALL.contains(&key) || self.architecture.keys().contains(&key);
        let own = all.into_iter().filter(|(key, _)| is_own(key));
        own.map(|(key, value)| (key, whole(value))).collect()
    }
}

/// Numbers without a fraction as integers, which Python may insist on.
pub(crate) fn whole(value: Value) -> Value {
    match value.as_f64() {
        Some(x) if value.is_f64() && x.fract() == 0.0 && x.abs() < 1e15 => (x as i64).into(),
        _ => value,
    }
}
