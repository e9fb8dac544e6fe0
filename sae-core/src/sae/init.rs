//! An SAE with random weights, for tests and benchmarks.

use super::linear::{Activation, Linear, Selection};
use super::{Encoder, Sae};
use crate::architecture::Architecture;
use crate::config::SaeConfig;
use burn::tensor::{DType, Device, Distribution, FloatDType, Tensor};

impl Sae {
    /// An untrained SAE of one matrix and one activation: unit decoder rows, the encoder their transpose, no biases, thresholds of 1.
    /// `None` for gated, matching pursuit, temporal and skip architectures, which have weights of other kinds.
    ///
    /// The device's generator is seeded with `seed`.
    pub fn random(cfg: SaeConfig, seed: u64, device: &Device, dtype: FloatDType) -> Option<Self> {
        let to_dtype = (device, DType::from(dtype));
        let zeros = |n: usize| Tensor::<1>::zeros([n], to_dtype);
        device.seed(seed);
        let normal = Distribution::Normal(0.0, 1.0);
        let w_dec = Tensor::<2>::random([cfg.d_sae, cfg.d_out], normal, device);
        let w_dec = w_dec.clone() / w_dec.square().sum_dim(1).sqrt();
        let w_enc = if cfg.d_in == cfg.d_out {
            w_dec.clone().transpose()
        } else {
            Tensor::random([cfg.d_in, cfg.d_sae], normal, device) / (cfg.d_in as f64).sqrt()
        };
        let selection = |k, by_magnitude, grouped| {
            Activation::TopK(Selection {
                k,
                by_magnitude,
                norms: None,
                grouped,
            })
        };
        let activation = match &cfg.architecture {
            Architecture::Standard => Activation::Relu,
            Architecture::JumpRelu => Activation::JumpRelu {
                threshold: zeros(cfg.d_sae) + 1.0,
            },
            Architecture::TopK(topk) => selection(topk.k, false, false),
            Architecture::AbsTopK(topk) => selection(topk.k, true, false),
            Architecture::GroupMax(group) => selection(group.k, false, true),
            Architecture::TopKTranscoder(t) if !t.skip => selection(t.k, false, t.grouped),
            Architecture::Transcoder(t) if !t.skip && !t.jump_relu => Activation::Relu,
            _ => return None,
        };
        let linear = Linear {
            w_enc: w_enc.cast(dtype),
            b_enc: zeros(cfg.d_sae),
            activation,
        };
        Some(Self {
            b_dec: zeros(cfg.d_out),
            w_dec: w_dec.cast(dtype),
            encoder: Encoder::Linear(linear),
            w_skip: None,
            dtype,
            cfg,
        })
    }
}
