//! Llama Scope: `hyperparams.json` and `checkpoints/final.safetensors`, of `OpenMOSS`' lm-saes 1. R1-Distill keeps the same keys in
//! `config.json`.
//!
//! `encoder.weight` is `[d_sae, d_model]`, `decoder.weight` `[d_model, d_sae]`. What is folded: see [`super::fold`]. The scalar
//! `jump_relu_threshold` is used as it is: `OpenMOSS`' own code folds the scales for inference and leaves it alone. Thresholds that each
//! feature has are those of training, on scaled activations. A transcoder reads at `hook_point_in` and writes at `hook_point_out`.

use super::detect::Found;
use super::foreign::{Foreign, Theirs};
use super::keys::Keys;
use super::{Format, FormatError};
use crate::architecture::{Architecture, TopK, TopKTranscoder, Transcoder};
use crate::config::{NormalizeActivations, SaeConfig};
use crate::weights::{Numbers, peek};

/// What the keys say, in either generation.
pub(super) struct Settings {
    pub(super) cfg: SaeConfig,
    pub(super) foreign: Foreign,
    pub(super) gate: Gate,
    pub(super) has_decoder_bias: bool,
}

/// The activation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Gate {
    Relu,
    TopK(usize),
    /// One threshold, in the configuration.
    Threshold(f64),
    /// A threshold each, in the weights.
    Thresholds,
}

pub(super) fn read(found: &Found) -> Result<SaeConfig, FormatError> {
    let keys = Keys::json(&config(found))?;
    let settings = Settings::read(&keys, found)?;
    Ok(settings.with_linear_tensors())
}

/// The configuration of files that have one.
pub(super) fn config(found: &Found) -> std::path::PathBuf {
    found
        .config
        .clone()
        .unwrap_or_else(|| found.folder.join("hyperparams.json"))
}

impl Settings {
    pub(super) fn read(keys: &Keys, found: &Found) -> Result<Self, FormatError> {
        if keys.flag("use_glu_encoder", false)? {
            return Err(unsupported(
                keys,
                "use_glu_encoder is true: an encoder with a gate of its own (encoder_glu) is not read",
            ));
        }
        let d_model = keys.size("d_model")?;
        let d_sae = if keys.has("d_sae") {
            keys.size("d_sae")?
        } else {
            let factor = keys
                .size("expansion_factor")
                .map_err(|_| keys.wrong("expansion_factor", "a whole number, or d_sae"))?;
            d_model
                .checked_mul(factor)
                .filter(|&n| n < 1 << 28)
                .ok_or_else(|| keys.wrong("expansion_factor", "a smaller number"))?
        };
        let read = keys.text("hook_point_in")?.to_owned();
        let written = keys
            .optional_text("hook_point_out")?
            .unwrap_or(&read)
            .to_owned();
        let is_transcoder = read != written;
        let gate = gate(keys, found.format)?;
        let skip = false;
        let architecture = match (gate, is_transcoder) {
            (Gate::Relu, false) => Architecture::Standard,
            (Gate::TopK(k), false) => Architecture::TopK(TopK {
                k,
                rescale_acts_by_decoder_norm: false,
            }),
            (_, false) => Architecture::JumpRelu,
            (Gate::TopK(k), true) => Architecture::TopKTranscoder(TopKTranscoder::new(k)),
            (gate, true) => Architecture::Transcoder(Transcoder {
                skip,
                jump_relu: gate != Gate::Relu,
            }),
        };
        if let Gate::TopK(k) = gate
            && k > d_sae
        {
            return Err(keys.wrong("top_k", format!("at most {d_sae}, the number of features")));
        }
        let mut cfg = SaeConfig::new(architecture, d_model, d_sae);
        cfg.apply_b_dec_to_input = false;
        cfg.metadata.hook_name = Some(read);
        cfg.metadata.hook_name_out = is_transcoder.then_some(written);
        cfg.metadata.model_name = model_name(found);
        let mut settings = Self {
            cfg,
            foreign: Foreign::new(found.format, Some(keys.path())),
            gate,
            has_decoder_bias: keys.flag("use_decoder_bias", true)?,
        };
        settings.scales(keys, found)?;
        if keys.flag("apply_decoder_bias_to_pre_encoder", false)? && settings.has_decoder_bias {
            settings.subtract_bias(keys)?;
        }
        if keys.flag("sparsity_include_decoder_norm", true)? && gate != Gate::Relu {
            settings.foreign.fold.norms = true;
            settings.foreign.note(
                "norms of decoder rows: the gate is on pre-activation times norm, so W_enc and b_enc are multiplied by them and W_dec is divided",
            );
        }
        Ok(settings)
    }

    fn scales(&mut self, keys: &Keys, found: &Found) -> Result<(), FormatError> {
        let is_transcoder = self.cfg.architecture.is_transcoder();
        match keys
            .optional_text("norm_activation")?
            .unwrap_or("dataset-wise")
        {
            "inference" => {}
            "dataset-wise" => {
                let [input, output] = self.norms(keys, found)?;
                let root = (self.cfg.d_in as f64).sqrt();
                let fold = &mut self.foreign.fold;
                (fold.input, fold.output) = (root / input, root / output);
                // OpenMOSS leaves its one threshold as it is when it folds.
                fold.scaled_threshold = self.gate == Gate::Thresholds;
                let (input, output) = (fold.input, fold.output);
                self.foreign.note(format!(
                    "scales of activations, {input:.6} in and {output:.6} out: b_enc, b_dec and W_dec are for activations as the model has them"
                ));
            }
            "token-wise" if !is_transcoder => {
                self.cfg.normalize_activations = NormalizeActivations::ConstantNormRescale;
            }
            _ => {
                let expected = if is_transcoder {
                    "dataset-wise or inference"
                } else {
                    "dataset-wise, token-wise or inference"
                };
                return Err(keys.wrong("norm_activation", expected));
            }
        }
        Ok(())
    }

    /// Mean norms of input and output over the data set: in the configuration, or as tensors among the weights.
    fn norms(&self, keys: &Keys, found: &Found) -> Result<[f64; 2], FormatError> {
        const KEY: &str = "dataset_average_activation_norm";
        let metadata = &self.cfg.metadata;
        let hooks =
            [metadata.hook_name.as_deref(), metadata.write_hook()].map(Option::unwrap_or_default);
        if keys.has(KEY) {
            let norms = keys.object(KEY)?;
            let [by_in, by_out] = ["in", "out"].map(|key| norms.has(key));
            let first = norms.positive(if by_in { "in" } else { hooks[0] })?;
            let second = if by_out || by_in {
                norms.positive("out")
            } else {
                norms.positive(hooks[1])
            };
            return match second {
                Ok(second) => Ok([first, second]),
                // An SAE's output is its input.
                Err(_) if !self.cfg.architecture.is_transcoder() && !by_out => Ok([first; 2]),
                Err(error) => Err(error),
            };
        }
        let mut norms = [0.0; 2];
        if found.weights.is_file() {
            let weights = peek(&found.weights)?;
            for (norm, hook) in norms.iter_mut().zip(hooks) {
                let name = format!("{KEY}.{hook}");
                match weights.scalar(&name) {
                    Numbers::One(x) if x.is_finite() && x > 0.0 => *norm = x,
                    Numbers::Missing => {
                        return Err(keys.wrong(
                            KEY,
                            format!("the norms of input and output, here or as tensor {name}"),
                        ));
                    }
                    _ => {
                        return Err(FormatError::Archive {
                            path: found.weights.clone(),
                            problem: format!(
                                "tensor {name} is not one number above 0, as the mean norm of activations is"
                            ),
                        });
                    }
                }
            }
            return Ok(norms);
        }
        Err(keys.wrong(
            KEY,
            "the norms of input and output that activations were scaled by",
        ))
    }

    /// `b_dec` is subtracted from scaled inputs, and after the fold from the model's own.
    fn subtract_bias(&mut self, keys: &Keys) -> Result<(), FormatError> {
        if self.cfg.architecture.is_transcoder() {
            return Err(unsupported(
                keys,
                "apply_decoder_bias_to_pre_encoder is true for a transcoder, whose decoder's bias belongs to another place: it is not read",
            ));
        }
        self.cfg.apply_b_dec_to_input = true;
        Ok(())
    }

    fn with_linear_tensors(self) -> SaeConfig {
        let Self {
            cfg,
            foreign,
            gate,
            has_decoder_bias,
        } = self;
        let b_dec = if has_decoder_bias {
            Theirs::AsIs("decoder.bias".to_owned())
        } else {
            Theirs::Fill(0.0)
        };
        let foreign = foreign
            .linear_pair("encoder", "decoder")
            .part("b_dec", b_dec)
            .ignore(&["dataset_average_activation_norm.*"]);
        with_gate(foreign, gate, "log_jumprelu_threshold").into(cfg)
    }
}

/// With the threshold, where there is one.
pub(super) fn with_gate(foreign: Foreign, gate: Gate, thresholds: &str) -> Foreign {
    match gate {
        Gate::Relu | Gate::TopK(_) => foreign,
        Gate::Threshold(theta) => foreign.part("threshold", Theirs::Fill(theta)),
        Gate::Thresholds => foreign.part("threshold", Theirs::Exp(thresholds.to_owned())),
    }
}

fn gate(keys: &Keys, format: Format) -> Result<Gate, FormatError> {
    let name = keys
        .optional_text("act_fn")?
        .unwrap_or("jumprelu")
        .to_lowercase();
    match name.as_str() {
        "relu" => Ok(Gate::Relu),
        "topk" => Ok(Gate::TopK(keys.size("top_k")?)),
        "jumprelu" if format == Format::OpenMoss => Ok(Gate::Thresholds),
        "jumprelu" => {
            let theta = keys.number("jump_relu_threshold")?;
            if theta < 0.0 {
                Err(keys.wrong("jump_relu_threshold", "a number from 0"))
            } else if theta > 0.0 {
                Ok(Gate::Threshold(theta))
            } else {
                Ok(Gate::TopK(keys.size("top_k")?))
            }
        }
        _ => Err(keys.wrong(
            "act_fn",
            "relu, topk or jumprelu, which act on a token by itself",
        )),
    }
}

/// From `lm_config.json` beside it.
fn model_name(found: &Found) -> Option<String> {
    let path = found.folder.join("lm_config.json");
    let keys = Keys::json(&path).ok()?;
    keys.text("model_name").ok().map(str::to_owned)
}

pub(super) fn unsupported(keys: &Keys, what: &str) -> FormatError {
    FormatError::Unsupported {
        path: keys.path().to_owned(),
        what: what.to_owned(),
    }
}
