//! Crosscoders: one set of features for several layers.

use super::config::MultiLayerConfig;
use crate::sae::{Activation, Linear, SaeLoadOptions};
use crate::weights::SaeLoadError;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use sae_traits::SparseRows;

/// A crosscoder: features that are computed from the activations of several layers, and written to each of them.
///
/// `f = relu(Σ_l x_l·W_enc_l + b_enc)`, `y_l = f·W_dec_l + b_dec_l`. With thresholds, layer `l` gets the features above its own: `f_l = f` where
/// `f > θ_l`. Formulas are those of `dictionary_learning`'s forks (`CrossCoder`, `BatchTopKCrossCoder`) and of Language-Model-SAEs 2. All weights
/// are in memory.
#[derive(Debug, Clone)]
pub struct Crosscoder {
    pub(super) cfg: MultiLayerConfig,
    pub(super) dtype: FloatDType,
    /// The layers' encoders below one another, `[n_layers·d_in, d_sae]`; its thresholds are the least of the layers'.
    pub(super) encoder: Linear,
    /// Thresholds of each layer, `[n_layers][d_sae]`; none where ReLU is all.
    pub(super) thresholds: Vec<Vec<f32>>,
    /// `[d_sae, d_out]` of each layer.
    pub(super) decoders: Vec<Tensor<2>>,
    /// `[d_out]` of each layer.
    pub(super) b_dec: Vec<Tensor<1>>,
}

impl Crosscoder {
    /// From numbers in our layout: `w_enc` `[n_layers, d_in, d_sae]`, `decoders` `[d_sae, d_out]` each.
    pub(super) fn new(
        cfg: MultiLayerConfig,
        w_enc: Vec<f32>,
        b_enc: Vec<f32>,
        thresholds: Vec<Vec<f32>>,
        decoders: Vec<Vec<f32>>,
        b_dec: Vec<Vec<f32>>,
        options: &SaeLoadOptions,
    ) -> Result<Self, SaeLoadError> {
        let (device, dtype) = (&options.device, options.dtype);
        if !matches!(dtype, FloatDType::F32 | FloatDType::F16 | FloatDType::BF16) {
            return Err(SaeLoadError::Target(dtype));
        }
        let vector = |numbers: Vec<f32>| -> Tensor<1> {
            let n = numbers.len();
            Tensor::<1>::from_data(TensorData::new(numbers, [n]), (device, DType::F32)).cast(dtype)
        };
        let matrix = |numbers: Vec<f32>, shape: [usize; 2]| -> Tensor<2> {
            Tensor::<2>::from_data(TensorData::new(numbers, shape), (device, DType::F32))
                .cast(dtype)
        };
        let activation = match thresholds.split_first() {
            None => Activation::Relu,
            // What is below the least of the thresholds is in no layer.
            Some((first, others)) => {
                let mut least = first.clone();
                for other in others {
                    for (least, x) in least.iter_mut().zip(other) {
                        *least = least.min(*x);
                    }
                }
                Activation::JumpRelu {
                    threshold: vector(least),
                }
            }
        };
        let encoder = Linear {
            w_enc: matrix(w_enc, [cfg.n_layers * cfg.d_in, cfg.d_sae]),
            b_enc: vector(b_enc),
            activation,
        };
        let decoders = decoders
            .into_iter()
            .map(|numbers| matrix(numbers, [cfg.d_sae, cfg.d_out]));
        Ok(Self {
            encoder,
            thresholds,
            decoders: decoders.collect(),
            b_dec: b_dec.into_iter().map(vector).collect(),
            cfg,
            dtype,
        })
    }

    /// The configuration.
    pub fn cfg(&self) -> &MultiLayerConfig {
        &self.cfg
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.encoder.w_enc.device()
    }

    /// The features, from the activations of all layers: those that some layer gets.
    ///
    /// # Shapes
    /// `x`: `[n, d_in]` for each layer → `n` rows of `d_sae` features.
    ///
    /// # Panics
    /// If there is not one for each layer, or the widths do not fit.
    pub fn encode(&self, x: &[Tensor<2>]) -> SparseRows {
        assert_eq!(x.len(), self.cfg.n_layers, "one input for each layer");
        let x = x.iter().map(|x| x.clone().cast(self.dtype)).collect();
        self.encoder
            .encode_sparse(Tensor::cat(x, 1), self.cfg.d_sae)
    }

    /// The features that one layer gets, of those that [`encode`](Self::encode) found: all of them without thresholds.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn of_layer(&self, layer: usize, features: &SparseRows) -> SparseRows {
        assert!(layer < self.cfg.n_layers, "no layer {layer}");
        let Some(threshold) = self.thresholds.get(layer) else {
            return features.clone();
        };
        let rows = (0..features.n_rows()).map(|row| {
            let (indices, values) = features.row(row);
            let entries = indices.iter().zip(values);
            // A NaN is not dropped in silence.
            let kept = entries
                .filter(|(index, value)| **value > threshold[**index as usize] || value.is_nan());
            kept.map(|(&index, &value)| (index, value))
        });
        SparseRows::from_rows(rows, features.d_sae)
    }

    /// What a layer gets: `f_l·W_dec_l + b_dec_l`, of the features that [`of_layer`](Self::of_layer) gives.
    ///
    /// # Shapes
    /// `n` rows → `[n, d_out]`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn decode(&self, layer: usize, features: &SparseRows) -> Tensor<2> {
        let w_dec = self.decoders[layer].clone();
        let written =
            fused_ops::sparse_matmul(&features.indptr, &features.indices, &features.values, w_dec);
        written + self.b_dec[layer].clone().unsqueeze()
    }

    /// All outputs of all inputs.
    ///
    /// # Shapes
    /// `x`: `[n, d_in]` for each layer → `[n, d_out]` for each.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    pub fn forward(&self, x: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let features = self.encode(x);
        let layers = 0..self.cfg.n_layers;
        layers
            .map(|layer| self.decode(layer, &self.of_layer(layer, &features)))
            .collect()
    }

    /// The biases of the encoder, `[d_sae]`.
    pub fn b_enc(&self) -> Tensor<1> {
        self.encoder.b_enc.clone()
    }
}
