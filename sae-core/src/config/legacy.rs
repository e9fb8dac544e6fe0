//! `cfg.json` as SAELens wrote it before version 6: one flat object, the training run's settings among the SAE's.

use super::v6::unknown;
use super::{NORMALIZATIONS, Problem, RESHAPINGS, SaeConfig, SaeMetadata, invalid, look_up};
use crate::architecture::{Architecture, TopK};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
pub(super) struct Cfg {
    architecture: Option<String>,
    d_in: usize,
    d_sae: Option<usize>,
    expansion_factor: Option<usize>,
    dtype: Option<String>,
    #[serde(alias = "activation_fn_str")]
    activation_fn: Option<String>,
    activation_fn_kwargs: Option<Map<String, Value>>,
    apply_b_dec_to_input: Option<bool>,
    /// A word, or in the oldest files a bool.
    normalize_activations: Option<Value>,
    reshape_activations: Option<String>,
    #[serde(alias = "hook_point")]
    hook_name: Option<String>,
    #[serde(alias = "hook_point_head_index")]
    hook_head_index: Option<usize>,
    model_name: Option<String>,
    model_class_name: Option<String>,
    dataset_path: Option<String>,
    context_size: Option<usize>,
    prepend_bos: Option<bool>,
    sae_lens_version: Option<String>,
    /// The rest; a few of its keys are metadata.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Keys of the flat object, besides the typed ones, that version 6 counts as metadata.
const METADATA: [&str; 5] = [
    "model_from_pretrained_kwargs",
    "exclude_special_tokens",
    "neuronpedia_id",
    "seqpos_slice",
    "sae_lens_training_version",
];

impl TryFrom<Cfg> for SaeConfig {
    type Error = Problem;

    fn try_from(cfg: Cfg) -> Result<Self, Problem> {
        let architecture = cfg.architecture()?;
        let d_sae = cfg.d_sae()?;
        let normalize = match &cfg.normalize_activations {
            None | Some(Value::Null | Value::Bool(false)) => "none",
            Some(Value::Bool(true)) => "expected_average_only_in",
            Some(Value::String(word)) => word,
            Some(other) => {
                return Err(invalid("normalize_activations", other, "a word or a bool"));
            }
        };
        let hook_z = cfg
            .hook_name
            .as_deref()
            .unwrap_or_default()
            .contains("hook_z");
        let reshape = match cfg.reshape_activations.as_deref() {
            Some(word) => word,
            None if hook_z => "hook_z",
            None => "none",
        };
        Ok(Self {
            architecture,
            d_in: cfg.d_in,
            d_sae,
            d_out: cfg.d_in,
            dtype: cfg
                .dtype
                .map_or_else(|| "float32".to_owned(), |d| d.replace("torch.", "")),
            apply_b_dec_to_input: cfg.apply_b_dec_to_input.unwrap_or(true),
            normalize_activations: look_up(&NORMALIZATIONS, "normalize_activations", normalize)?,
            reshape_activations: look_up(&RESHAPINGS, "reshape_activations", reshape)?,
            metadata: SaeMetadata {
                hook_name: cfg.hook_name,
                hook_name_out: None,
                hook_head_index: cfg.hook_head_index,
                model_name: cfg.model_name,
                model_class_name: cfg.model_class_name,
                dataset_path: cfg.dataset_path,
                context_size: cfg.context_size,
                prepend_bos: Some(cfg.prepend_bos.unwrap_or(true)),
                sae_lens_version: cfg.sae_lens_version,
                extra: cfg
                    .rest
                    .into_iter()
                    .filter(|(key, _)| METADATA.contains(&key.as_str()))
                    .collect(),
            },
            unfinished: None,
            foreign: None,
        })
    }
}

impl Cfg {
    fn architecture(&self) -> Result<Architecture, Problem> {
        let name = self.architecture.as_deref().unwrap_or("standard");
        let activation = self.activation_fn.as_deref().unwrap_or("relu");
        match (name, activation) {
            ("topk", _) | ("standard", "topk") => Ok(Architecture::TopK(TopK {
                k: self.k()?,
                rescale_acts_by_decoder_norm: false,
            })),
            ("standard", "relu") => Ok(Architecture::Standard),
            ("jumprelu", "relu" | "jumprelu") => Ok(Architecture::JumpRelu),
            ("gated", "relu") => Ok(Architecture::Gated),
            ("standard" | "jumprelu" | "gated", other) => Err(Problem::Unknown {
                key: "activation_fn",
                found: other.to_owned(),
                expected: "relu, topk".to_owned(),
                hint: "; SAELens would run this SAE with a ReLU it was not trained with".to_owned(),
            }),
            (other, _) => Err(unknown(other)),
        }
    }

    fn k(&self) -> Result<usize, Problem> {
        let k = self
            .activation_fn_kwargs
            .as_ref()
            .and_then(|kwargs| kwargs.get("k"));
        let k = k
            .or_else(|| self.rest.get("k"))
            .ok_or_else(|| Problem::Missing {
                key: "activation_fn_kwargs.k",
                expected: "the number of features that stay active".to_owned(),
            })?;
        k.as_u64()
            .and_then(|k| usize::try_from(k).ok())
            .ok_or_else(|| invalid("activation_fn_kwargs.k", k, "a whole number"))
    }

    fn d_sae(&self) -> Result<usize, Problem> {
        let expanded = || {
            self.expansion_factor
                .map(|factor| self.d_in.saturating_mul(factor))
        };
        self.d_sae
            .or_else(expanded)
            .ok_or_else(|| Problem::Missing {
                key: "d_sae",
                expected: "the number of features".to_owned(),
            })
    }
}
