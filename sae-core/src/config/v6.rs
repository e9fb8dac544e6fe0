//! `cfg.json` as SAELens 6 writes it.

use super::unfinished::{Present, Unfinished};
use super::{NORMALIZATIONS, Problem, RESHAPINGS, SaeConfig, SaeMetadata, invalid, list, look_up};
use crate::architecture::{
    Architecture, GroupMax, MatchingPursuit, NAMES, TRAINING_NAMES, Temporal, TopK, TopKTranscoder,
    Transcoder,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// The keys of every architecture at once; unknown ones are ignored, as SAELens does.
#[derive(Debug, Deserialize)]
pub(super) struct Cfg {
    architecture: Option<String>,
    d_in: usize,
    d_sae: usize,
    d_out: Option<usize>,
    dtype: Option<String>,
    apply_b_dec_to_input: Option<bool>,
    normalize_activations: Option<String>,
    reshape_activations: Option<String>,
    #[serde(default)]
    metadata: SaeMetadata,
    /// A fraction for batchtopk, where it does not matter any more.
    k: Option<f64>,
    rescale_acts_by_decoder_norm: Option<bool>,
    /// Every training class has it, and no other.
    #[serde(default)]
    decoder_init_norm: Present,
    residual_threshold: Option<f64>,
    max_iterations: Option<usize>,
    stop_on_duplicate_support: Option<bool>,
    n_heads: Option<usize>,
    n_attn_layers: Option<usize>,
    bottleneck_factor: Option<usize>,
    sae_diff_type: Option<String>,
    kval_topk: Option<usize>,
    tied_weights: Option<bool>,
    activation_normalization_factor: Option<f64>,
}

impl TryFrom<Cfg> for SaeConfig {
    type Error = Problem;

    fn try_from(cfg: Cfg) -> Result<Self, Problem> {
        let architecture = cfg.architecture()?;
        let unfinished = cfg.unfinished();
        let mut metadata = cfg.metadata.clone();
        if unfinished.is_some() {
            let name = cfg.architecture.clone().unwrap_or_default();
            metadata
                .extra
                .entry("training_architecture")
                .or_insert(name.into());
        }
        let normalize = cfg.normalize_activations.as_deref().unwrap_or("none");
        let reshape = cfg.reshape_activations.as_deref().unwrap_or("none");
        Ok(Self {
            // SAELens' default is true, which it then refuses for transcoders: a transcoder that says nothing means false.
            apply_b_dec_to_input: cfg
                .apply_b_dec_to_input
                .unwrap_or(!architecture.is_transcoder()),
            d_out: cfg.d_out(&architecture)?,
            architecture,
            d_in: cfg.d_in,
            d_sae: cfg.d_sae,
            dtype: cfg.dtype.unwrap_or_else(|| "float32".to_owned()),
            normalize_activations: look_up(&NORMALIZATIONS, "normalize_activations", normalize)?,
            reshape_activations: look_up(&RESHAPINGS, "reshape_activations", reshape)?,
            metadata,
            unfinished,
            foreign: None,
        })
    }
}

impl Cfg {
    fn architecture(&self) -> Result<Architecture, Problem> {
        let name = self
            .architecture
            .as_deref()
            .ok_or_else(|| Problem::Missing {
                key: "architecture",
                expected: format!("one of {}", names()),
            })?;
        let transcoder = |skip, jump_relu| Architecture::Transcoder(Transcoder { skip, jump_relu });
        Ok(match name {
            "standard" => Architecture::Standard,
            "topk" => Architecture::TopK(self.topk()?),
            "abstopk" => Architecture::AbsTopK(self.topk()?),
            "jumprelu" | "batchtopk" | "matryoshka_batchtopk" => Architecture::JumpRelu,
            "gated" => Architecture::Gated,
            "matching_pursuit" => Architecture::MatchingPursuit(MatchingPursuit {
                residual_threshold: self.residual_threshold.unwrap_or(1e-2),
                max_iterations: self.max_iterations,
                stop_on_duplicate_support: self.stop_on_duplicate_support.unwrap_or(true),
            }),
            "temporal" => Architecture::Temporal(self.temporal()?),
            "transcoder" => transcoder(false, false),
            "skip_transcoder" => transcoder(true, false),
            "jumprelu_transcoder" => transcoder(false, true),
            "jumprelu_skip_transcoder" => transcoder(true, true),
            "groupmax" => Architecture::GroupMax(GroupMax { k: self.topk()?.k }),
            "topk_transcoder" => self.topk_transcoder(false, false)?,
            "topk_skip_transcoder" => self.topk_transcoder(true, false)?,
            "groupmax_transcoder" => self.topk_transcoder(false, true)?,
            "groupmax_skip_transcoder" => self.topk_transcoder(true, true)?,
            other => return Err(unknown(other)),
        })
    }

    /// What a checkpoint of training lacks; none if the configuration is of an SAE for use.
    fn unfinished(&self) -> Option<Unfinished> {
        let name = self.architecture.as_deref()?;
        let shared_threshold = TRAINING_NAMES.contains(&name);
        let is_topk = shared_threshold || matches!(name, "topk" | "abstopk");
        self.is_of_training().then(|| Unfinished {
            shared_threshold,
            fold_w_dec_norm: is_topk && self.rescales(),
            scales: None,
        })
    }

    fn is_of_training(&self) -> bool {
        let name = self.architecture.as_deref().unwrap_or_default();
        self.decoder_init_norm.0 || TRAINING_NAMES.contains(&name)
    }

    /// SAELens' default differs between its classes.
    fn rescales(&self) -> bool {
        self.rescale_acts_by_decoder_norm
            .unwrap_or_else(|| self.is_of_training())
    }

    fn topk(&self) -> Result<TopK, Problem> {
        let k = self.k.ok_or_else(|| Problem::Missing {
            key: "k",
            expected: "the number of features that stay active".to_owned(),
        })?;
        if k < 0.0 || k.fract() != 0.0 {
            return Err(invalid("k", k, "a whole number"));
        }
        Ok(TopK {
            k: k as usize,
            rescale_acts_by_decoder_norm: self.rescales(),
        })
    }

    fn topk_transcoder(&self, skip: bool, grouped: bool) -> Result<Architecture, Problem> {
        let k = self.topk()?.k;
        Ok(Architecture::TopKTranscoder(TopKTranscoder {
            k,
            skip,
            grouped,
        }))
    }

    fn temporal(&self) -> Result<Temporal, Problem> {
        let kind = self.sae_diff_type.as_deref().unwrap_or("topk");
        let topk = look_up(&[("relu", false), ("topk", true)], "sae_diff_type", kind)?;
        Ok(Temporal {
            n_heads: self.n_heads.unwrap_or(8),
            n_attn_layers: self.n_attn_layers.unwrap_or(1),
            bottleneck_factor: self.bottleneck_factor.unwrap_or(64),
            k: self.kval_topk.filter(|_| topk),
            tied_weights: self.tied_weights.unwrap_or(true),
            activation_normalization_factor: self.activation_normalization_factor.unwrap_or(1.0),
        })
    }

    fn d_out(&self, architecture: &Architecture) -> Result<usize, Problem> {
        match self.d_out {
            Some(d_out) if !architecture.is_transcoder() && d_out != self.d_in => Err(invalid(
                "d_out",
                d_out,
                format!(
                    "d_in ({}), as only a transcoder writes another width",
                    self.d_in
                ),
            )),
            Some(d_out) => Ok(d_out),
            None if architecture.is_transcoder() => Err(Problem::Missing {
                key: "d_out",
                expected: "the width of what the transcoder writes".to_owned(),
            }),
            None => Ok(self.d_in),
        }
    }
}

fn names() -> String {
    list(NAMES.into_iter().chain(TRAINING_NAMES))
}

/// The error for an architecture by that name.
pub(super) fn unknown(name: &str) -> Problem {
    Problem::Unknown {
        key: "architecture",
        found: name.to_owned(),
        expected: names(),
        hint: String::new(),
    }
}

/// A configuration as SAELens 6 would write it.
pub(super) fn to_value(cfg: &SaeConfig) -> Value {
    let mut metadata = serde_json::to_value(&cfg.metadata).expect("metadata is plain data");
    if cfg
        .metadata
        .sae_lens_version
        .as_deref()
        .is_none_or(|v| !v.starts_with('6'))
    {
        // Without it SAELens takes the file for one of before version 6 and drops the metadata.
        metadata["sae_lens_version"] = json!("6.0.0");
    }
    let mut value = json!({
        "d_in": cfg.d_in,
        "d_sae": cfg.d_sae,
        "dtype": cfg.dtype,
        "device": "cpu",
        "apply_b_dec_to_input": cfg.apply_b_dec_to_input,
        "normalize_activations": cfg.normalize_activations.name(),
        "reshape_activations": cfg.reshape_activations.name(),
        "metadata": metadata,
        "architecture": cfg.architecture.name(),
    });
    let own = match &cfg.architecture {
        Architecture::TopK(t) | Architecture::AbsTopK(t) => json!({
            "k": t.k,
            "rescale_acts_by_decoder_norm": t.rescale_acts_by_decoder_norm,
        }),
        Architecture::MatchingPursuit(m) => json!({
            "residual_threshold": m.residual_threshold,
            "max_iterations": m.max_iterations,
            "stop_on_duplicate_support": m.stop_on_duplicate_support,
        }),
        Architecture::Temporal(t) => json!({
            "n_heads": t.n_heads,
            "n_attn_layers": t.n_attn_layers,
            "bottleneck_factor": t.bottleneck_factor,
            "sae_diff_type": if t.k.is_some() { "topk" } else { "relu" },
            "kval_topk": t.k,
            "tied_weights": t.tied_weights,
            "activation_normalization_factor": t.activation_normalization_factor,
        }),
        Architecture::Transcoder(_) => json!({ "d_out": cfg.d_out }),
        Architecture::TopKTranscoder(t) => json!({ "d_out": cfg.d_out, "k": t.k }),
        Architecture::GroupMax(g) => json!({ "k": g.k }),
        Architecture::Standard | Architecture::JumpRelu | Architecture::Gated => json!({}),
    };
    for (key, setting) in own.as_object().expect("made as an object") {
        value[key] = setting.clone();
    }
    value
}
