//! Hugging Face's `config.json`, as it is written.

use super::error::{Problem, invalid, unsupported};
use super::{LlamaConfig, Rope, RopeScaling};
use serde::Deserialize;
use serde_json::Value;

const MODEL_TYPES: &str = "llama, mistral";

/// The keys that matter here; all others are ignored.
#[derive(Debug, Deserialize)]
pub(super) struct HfConfig {
    model_type: Option<String>,
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    intermediate_size: usize,
    rms_norm_eps: Option<f64>,
    max_position_embeddings: Option<usize>,
    tie_word_embeddings: Option<bool>,
    bos_token_id: Option<TokenIds>,
    eos_token_id: Option<TokenIds>,
    pad_token_id: Option<TokenIds>,

    rope_theta: Option<f64>,
    rope_scaling: Option<HfRope>,
    /// transformers 5: both of the above in one.
    rope_parameters: Option<HfRope>,
    original_max_position_embeddings: Option<usize>,

    // Present in plain Llamas with the one value that is supported.
    hidden_act: Option<String>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    partial_rotary_factor: Option<f64>,
    quantization_config: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct HfRope {
    rope_type: Option<String>,
    /// The older name of `rope_type`; some releases wrote both.
    r#type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<usize>,
    partial_rotary_factor: Option<f64>,
}

/// One id or several. Old conversions write −1 for "none".
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum TokenIds {
    One(i64),
    Many(Vec<i64>),
}

impl TokenIds {
    fn ids(ids: Option<Self>) -> Vec<u32> {
        let ids = match ids {
            None => Vec::new(),
            Some(Self::One(id)) => vec![id],
            Some(Self::Many(ids)) => ids,
        };
        ids.into_iter()
            .filter_map(|id| u32::try_from(id).ok())
            .collect()
    }

    fn first(ids: Option<Self>) -> Option<u32> {
        Self::ids(ids).first().copied()
    }
}

impl TryFrom<HfConfig> for LlamaConfig {
    type Error = Problem;

    fn try_from(hf: HfConfig) -> Result<Self, Problem> {
        hf.refuse_what_is_not_a_plain_llama()?;
        let n_heads = hf.num_attention_heads;
        let max_position_embeddings = hf.max_position_embeddings.unwrap_or(2048);
        Ok(Self {
            vocab_size: hf.vocab_size,
            d_model: hf.hidden_size,
            n_layers: hf.num_hidden_layers,
            n_heads,
            n_kv_heads: hf.num_key_value_heads.unwrap_or(n_heads),
            d_head: hf.d_head()?,
            d_mlp: hf.intermediate_size,
            rms_norm_eps: hf.rms_norm_eps.unwrap_or(1e-6),
            rope: hf.rope()?,
            tie_word_embeddings: hf.tie_word_embeddings.unwrap_or(false),
            bos_token_id: TokenIds::first(hf.bos_token_id),
            eos_token_ids: TokenIds::ids(hf.eos_token_id),
            pad_token_id: TokenIds::first(hf.pad_token_id),
            max_position_embeddings,
        })
    }
}

impl HfConfig {
    fn d_head(&self) -> Result<usize, Problem> {
        if let Some(d_head) = self.head_dim {
            return Ok(d_head);
        }
        match self.hidden_size.checked_rem(self.num_attention_heads) {
            Some(0) => Ok(self.hidden_size / self.num_attention_heads),
            Some(_) => {
                let expected = format!(
                    "a divisor of hidden_size, which is {}, as there is no head_dim",
                    self.hidden_size
                );
                Err(invalid(
                    "num_attention_heads",
                    self.num_attention_heads,
                    expected,
                ))
            }
            None => Err(invalid("num_attention_heads", 0, "at least 1")),
        }
    }

    fn rope(&self) -> Result<Rope, Problem> {
        let layout = self.rope_parameters.as_ref().or(self.rope_scaling.as_ref());
        let theta = layout
            .and_then(|rope| rope.rope_theta)
            .or(self.rope_theta)
            .unwrap_or(10_000.0);
        let scaling = match layout {
            None => RopeScaling::Default,
            Some(rope) => rope.scaling(self.original_max_position_embeddings)?,
        };
        Ok(Rope { theta, scaling })
    }

    fn refuse_what_is_not_a_plain_llama(&self) -> Result<(), Problem> {
        if let Some(model_type) = &self.model_type
            && !matches!(model_type.as_str(), "llama" | "mistral")
        {
            return Err(unsupported(
                "model_type",
                format!("{model_type:?}"),
                MODEL_TYPES,
            ));
        }
        if let Some(act) = &self.hidden_act
            && !matches!(act.as_str(), "silu" | "swish")
        {
            return Err(unsupported("hidden_act", format!("{act:?}"), "silu"));
        }
        if self.attention_bias == Some(true) {
            return Err(unsupported("attention_bias", true, "false"));
        }
        if self.mlp_bias == Some(true) {
            return Err(unsupported("mlp_bias", true, "false"));
        }
        if let Some(quantization) = &self.quantization_config {
            let method = quantization
                .get("quant_method")
                .and_then(Value::as_str)
                .unwrap_or("present");
            return Err(unsupported(
                "quantization_config",
                method,
                "unquantised weights in f32, f16 or bf16",
            ));
        }
        // A window at least as long as the context never hides anything.
        if let Some(window) = self.sliding_window
            && self.use_sliding_window != Some(false)
            && self
                .max_position_embeddings
                .is_none_or(|context| window < context)
        {
            return Err(unsupported(
                "sliding_window",
                window,
                "null, or a window as long as max_position_embeddings",
            ));
        }
        let partial = self.partial_rotary_factor.or(self
            .rope_parameters
            .as_ref()
            .and_then(|rope| rope.partial_rotary_factor));
        if let Some(partial) = partial
            && (partial - 1.0).abs() > f64::EPSILON
        {
            return Err(unsupported("partial_rotary_factor", partial, "1"));
        }
        Ok(())
    }
}

impl HfRope {
    fn scaling(
        &self,
        original_max_position_embeddings: Option<usize>,
    ) -> Result<RopeScaling, Problem> {
        let required = |key, value: Option<f64>| {
            value.ok_or_else(|| invalid(key, "missing", "a number, for llama3 RoPE"))
        };
        match self.rope_type.as_deref().or(self.r#type.as_deref()) {
            None if self.factor.is_some() => Err(invalid(
                "rope_type",
                "missing",
                "the kind of RoPE scaling, as there is a factor",
            )),
            None | Some("default") => Ok(RopeScaling::Default),
            Some("llama3") => Ok(RopeScaling::Llama3 {
                factor: required("factor", self.factor)?,
                low_freq_factor: required("low_freq_factor", self.low_freq_factor)?,
                high_freq_factor: required("high_freq_factor", self.high_freq_factor)?,
                original_max_position_embeddings: self
                    .original_max_position_embeddings
                    .or(original_max_position_embeddings)
                    .ok_or_else(|| {
                        invalid(
                            "original_max_position_embeddings",
                            "missing",
                            "a context length, for llama3 RoPE",
                        )
                    })?,
            }),
            Some(other) => Err(unsupported(
                "rope_type",
                format!("{other:?}"),
                "default, llama3",
            )),
        }
    }
}
