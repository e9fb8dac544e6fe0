//! Weights from disk.

use super::finish::Finish;
use super::gated::Gated;
use super::linear::{Activation, Linear, Selection};
use super::temporal::{Affine, AttentionLayer, Temporal};
use super::{Encoder, Sae};
use crate::architecture::{self, Architecture};
use crate::config::SaeConfig;
use crate::formats::Folding;
use crate::run_dir::RunDir;
use crate::weights::{SaeLoadError, WeightFile};
use burn::tensor::{Device, FloatDType, Tensor};
use std::path::Path;

/// Where an SAE is to live, and in which dtype.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SaeLoadOptions {
    /// The device.
    pub device: Device,
    /// The dtype of the weights and of all computation, whatever the file's: F32, F16 or BF16.
    pub dtype: FloatDType,
}

impl SaeLoadOptions {
    /// F32 on the device.
    pub fn new(device: &Device) -> Self {
        Self {
            device: device.clone(),
            dtype: FloatDType::F32,
        }
    }
}

impl Sae {
    /// Loads the SAE of a run, or of a folder that SAELens saved; see [`RunDir`] for the layouts.
    ///
    /// Of a checkpoint of training it is the SAE as it would be saved for use: factors of inputs and, for the topk family, norms of decoder
    /// rows folded in, batchtopk as jumprelu. What is not known of such a factor is warned of.
    ///
    /// The file is mapped and read tensor by tensor: peak memory is the weights plus the largest tensor.
    ///
    /// # Errors
    /// If there is no run at `path`, or a tensor is missing, unknown, misshapen or not made of floats.
    pub fn load(path: impl AsRef<Path>, options: &SaeLoadOptions) -> Result<Self, SaeLoadError> {
        let run = RunDir::open(path)?;
        Self::load_weights(run.cfg, &run.weights, options)
    }

    /// Loads weights for a configuration that is known already.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn load_weights(
        cfg: SaeConfig,
        path: &Path,
        options: &SaeLoadOptions,
    ) -> Result<Self, SaeLoadError> {
        let map = WeightFile::map(path)?;
        Self::from_bytes(cfg, &map, path, options)
    }

    /// Loads weights from the bytes of a safetensors file, such as those of an SAE in training. Errors call it `name`.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn from_bytes(
        mut cfg: SaeConfig,
        bytes: &[u8],
        name: &Path,
        options: &SaeLoadOptions,
    ) -> Result<Self, SaeLoadError> {
        let (path, dtype) = (name, options.dtype);
        if !matches!(dtype, FloatDType::F32 | FloatDType::F16 | FloatDType::BF16) {
            return Err(SaeLoadError::Target(dtype));
        }
        let foreign = cfg.foreign.take();
        let fold = foreign
            .as_ref()
            .map(|foreign| foreign.fold.clone())
            .unwrap_or_default();
        let file = WeightFile::parse(path, bytes, cfg.architecture.name())?.of(foreign);
        let finish = Finish::new(&mut cfg, path);
        let mut reader = Reader {
            file,
            options,
            folding: fold.begin(),
            finish,
        };
        reader.file.drop_scaling_factor(cfg.d_sae)?;
        let w_dec = reader.get("W_dec", [cfg.d_sae, cfg.d_out])?;
        let mut encoder = reader.encoder(&cfg, &w_dec)?;
        let b_dec = reader.get("b_dec", [cfg.d_out])?;
        if let (true, Encoder::Linear(linear)) = (fold.folds_b_dec(), &mut encoder) {
            // What is subtracted from the input is a constant behind the encoder.
            let constant = fused_ops::matmul(b_dec.clone().unsqueeze::<2>(), linear.w_enc.clone());
            linear.b_enc = linear.b_enc.clone() - constant.squeeze_dim(0);
        }
        let w_skip = cfg
            .architecture
            .skips()
            .then(|| reader.get("W_skip", [cfg.d_out, cfg.d_in]))
            .transpose()?;
        reader.file.finish()?;
        tracing::debug!(path = %path.display(), architecture = cfg.architecture.name(), d_sae = cfg.d_sae, ?dtype, "loaded an SAE");
        Ok(Self {
            cfg,
            dtype,
            encoder,
            w_dec,
            b_dec,
            w_skip,
        })
    }
}

struct Reader<'a> {
    file: WeightFile<'a>,
    options: &'a SaeLoadOptions,
    folding: Folding,
    finish: Finish,
}

impl Reader<'_> {
    fn get<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
    ) -> Result<Tensor<D>, SaeLoadError> {
        let SaeLoadOptions { device, dtype } = self.options;
        let (folding, finish) = (&mut self.folding, &mut self.finish);
        self.file.read(name, shape, device, *dtype, |numbers| {
            folding.apply(name, numbers, &shape);
            finish.apply(name, numbers, &shape);
        })
    }

    fn encoder(&mut self, cfg: &SaeConfig, w_dec: &Tensor<2>) -> Result<Encoder, SaeLoadError> {
        let d_sae = cfg.d_sae;
        let selection = |topk: architecture::TopK, by_magnitude| {
            Activation::TopK(Selection {
                k: topk.k,
                by_magnitude,
                grouped: false,
                norms: topk.rescale_acts_by_decoder_norm.then(|| row_norms(w_dec)),
            })
        };
        let winners = |k, grouped| {
            Activation::TopK(Selection {
                k,
                by_magnitude: false,
                grouped,
                norms: None,
            })
        };
        let activation = match &cfg.architecture {
            Architecture::MatchingPursuit(_) => return Ok(Encoder::MatchingPursuit),
            Architecture::Temporal(temporal) => {
                return Ok(Encoder::Temporal(self.temporal(cfg, *temporal)?));
            }
            Architecture::Gated => {
                return Ok(Encoder::Gated(Gated {
                    w_enc: self.get("W_enc", [cfg.d_in, d_sae])?,
                    b_gate: self.get("b_gate", [d_sae])?,
                    b_mag: self.get("b_mag", [d_sae])?,
                    r_mag: self.get("r_mag", [d_sae])?,
                }));
            }
            Architecture::TopK(topk) => selection(*topk, false),
            Architecture::GroupMax(group) => winners(group.k, true),
            Architecture::TopKTranscoder(t) => winners(t.k, t.grouped),
            Architecture::AbsTopK(topk) => selection(*topk, true),
            Architecture::JumpRelu => self.jump_relu(d_sae)?,
            Architecture::Transcoder(t) if t.jump_relu => self.jump_relu(d_sae)?,
            Architecture::Standard | Architecture::Transcoder(_) => Activation::Relu,
        };
        Ok(Encoder::Linear(Linear {
            w_enc: self.get("W_enc", [cfg.d_in, d_sae])?,
            b_enc: self.get("b_enc", [d_sae])?,
            activation,
        }))
    }

    /// The threshold, its exponential where an older file holds the logarithm, or the one that all features share in training.
    fn jump_relu(&mut self, d_sae: usize) -> Result<Activation, SaeLoadError> {
        if self.finish.shares_threshold() {
            let shared = self.file.scalar("topk_threshold")?;
            let SaeLoadOptions { device, dtype } = self.options;
            let threshold = self.finish.shared_threshold(shared);
            let threshold = Tensor::<1>::full([d_sae], threshold as f32, device);
            return Ok(Activation::JumpRelu {
                threshold: threshold.cast(*dtype),
            });
        }
        let threshold = if self.file.has("log_threshold") && !self.file.has("threshold") {
            self.get("log_threshold", [d_sae])?.exp()
        } else {
            self.get("threshold", [d_sae])?
        };
        Ok(Activation::JumpRelu { threshold })
    }

    fn temporal(
        &mut self,
        cfg: &SaeConfig,
        settings: architecture::Temporal,
    ) -> Result<Temporal, SaeLoadError> {
        let (d_sae, narrow) = (cfg.d_sae, cfg.d_sae / settings.bottleneck_factor);
        let w_enc = (!settings.tied_weights)
            .then(|| self.get("W_enc", [cfg.d_in, d_sae]))
            .transpose()?;
        let mut layers = Vec::new();
        for layer in 0..settings.n_attn_layers {
            let mut affine = |part: &str, width| -> Result<Affine, SaeLoadError> {
                Ok(Affine {
                    weight: self.get(
                        &format!("attn_layers.{layer}.{part}.weight"),
                        [width, d_sae],
                    )?,
                    bias: self.get(&format!("attn_layers.{layer}.{part}.bias"), [width])?,
                })
            };
            layers.push(AttentionLayer {
                k_ctx: affine("k_ctx", narrow)?,
                q_target: affine("q_target", narrow)?,
                v_ctx: affine("v_ctx", d_sae)?,
                c_proj: affine("c_proj", d_sae)?,
            });
        }
        Ok(Temporal {
            w_enc,
            layers,
            n_heads: settings.n_heads,
            k: settings.k,
        })
    }
}

/// Euclidean norm of every row: `[n, d]` to `[n]`.
pub(super) fn row_norms(w: &Tensor<2>) -> Tensor<1> {
    w.clone().square().sum_dim(1).sqrt().squeeze_dim(1)
}
