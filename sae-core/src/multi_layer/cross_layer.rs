//! Cross-layer transcoders: weights that stay in their files.

use super::config::MultiLayerConfig;
use super::mapped::Matrix;
use crate::sae::{Activation, Linear, SaeLoadOptions};
use crate::weights::SaeLoadError;
use burn::tensor::{DType, Device, FloatDType, Tensor, TensorData};
use sae_traits::SparseRows;
use std::ops::Range;

/// Bytes of decoder rows, as f32, that are in memory at a time.
const GATHERED: usize = 32 << 20;

/// A cross-layer transcoder: features of each layer read one place there, and write to the outputs of that layer and of all above.
///
/// `f_i = act(x_i·W_enc_i + b_enc_i)`, `y_l = Σ_{i≤l} f_i·W_dec_{i→l} + b_dec_l`, plus `x_l·W_skip_l` where there is a skip connection; `act` is ReLU, or
/// JumpReLU with a threshold for each feature. Formulas are those of circuit-tracer 0.5 and of Language-Model-SAEs 2.
///
/// A full one does not fit into memory: that of a model with 32 layers has 528 decoders. So weights stay in their mapped files. An encoder is
/// checked when it is opened, and read when its layer is encoded, or kept with [`keep_encoders`](Self::keep_encoders). Of a decoder only the rows of active features
/// are read, some 32 MiB of them at a time. Decoder rows are not searched for NaN; one that is active makes the output NaN.
#[derive(Debug)]
pub struct CrossLayerTranscoder {
    cfg: MultiLayerConfig,
    device: Device,
    dtype: FloatDType,
    layers: Vec<Layer>,
    /// The encoders that are kept; none if they are read each time.
    kept: Vec<Linear>,
}

/// One layer's weights, in their files but for the small ones.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) encoder: Encoder,
    /// `[d_sae]`
    pub(super) b_enc: Vec<f32>,
    /// `[d_sae]`
    pub(super) threshold: Option<Vec<f32>>,
    /// `[d_out]`
    pub(super) b_dec: Vec<f32>,
    /// `[d_in, d_out]`
    pub(super) w_skip: Option<Vec<f32>>,
    /// To this layer, the next, and so on.
    pub(super) decoders: Vec<Decoder>,
}

/// An encoder, as it lies.
#[derive(Debug)]
pub(super) enum Encoder {
    /// `[d_sae, d_in]`
    ByFeature(Matrix),
    /// `[d_in, d_sae]`
    ByInput(Matrix),
}

/// A decoder `[d_sae, d_out]` into one layer, and what it is multiplied by.
#[derive(Debug)]
pub(super) struct Decoder {
    pub(super) rows: Matrix,
    pub(super) factor: f32,
}

impl CrossLayerTranscoder {
    pub(super) fn new(
        cfg: MultiLayerConfig,
        layers: Vec<Layer>,
        options: &SaeLoadOptions,
    ) -> Result<Self, SaeLoadError> {
        let dtype = options.dtype;
        if !matches!(dtype, FloatDType::F32 | FloatDType::F16 | FloatDType::BF16) {
            return Err(SaeLoadError::Target(dtype));
        }
        for (layer, of) in layers.iter().enumerate() {
            of.encoder.check(layer)?;
        }
        Ok(Self {
            cfg,
            device: options.device.clone(),
            dtype,
            layers,
            kept: Vec::new(),
        })
    }

    /// Reads all encoders now, and keeps them: [`MultiLayerConfig::encoder_params`] numbers for each layer.
    #[must_use]
    pub fn keep_encoders(mut self) -> Self {
        let layers = 0..self.layers.len();
        self.kept = layers.map(|layer| self.read_encoder(layer)).collect();
        self
    }

    /// The configuration.
    pub fn cfg(&self) -> &MultiLayerConfig {
        &self.cfg
    }

    pub(super) fn cfg_mut(&mut self) -> &mut MultiLayerConfig {
        &mut self.cfg
    }

    /// Where it computes.
    pub fn device(&self) -> Device {
        self.device.clone()
    }

    /// The features of a layer, from what it reads.
    ///
    /// # Shapes
    /// `x`: `[n, d_in]` → `n` rows of `d_sae` features.
    ///
    /// # Panics
    /// If there is no such layer, or `x` has another width.
    pub fn encode(&self, layer: usize, x: Tensor<2>) -> SparseRows {
        let [_, width] = x.dims();
        assert_eq!(width, self.cfg.d_in, "a layer reads another width");
        let x = x.cast(self.dtype);
        match self.kept.get(layer) {
            Some(encoder) => encoder.encode_sparse(x, self.cfg.d_sae),
            None => self.read_encoder(layer).encode_sparse(x, self.cfg.d_sae),
        }
    }

    /// What features of a layer and of those below write to it: `Σ_{i≤l} f_i·W_dec_{i→l} + b_dec_l`, without a skip connection.
    ///
    /// # Shapes
    /// `features`: of layers 0 to `layer`, `n` rows each; more are not looked at → `[n, d_out]`.
    ///
    /// # Panics
    /// If there is no such layer, or features of one below are missing or of another number of rows.
    pub fn decode(&self, layer: usize, features: &[SparseRows]) -> Tensor<2> {
        let features = &features[..=layer];
        let n = features[layer].n_rows();
        let b_dec = self.vector(&self.layers[layer].b_dec);
        let mut out = b_dec.unsqueeze::<2>().repeat_dim(0, n);
        for (from, features) in features.iter().enumerate() {
            assert_eq!(features.n_rows(), n, "layers have the same rows");
            let decoder = &self.layers[from].decoders[layer - from];
            out = self.add(out, decoder, features);
        }
        out
    }

    /// As [`decode`](Self::decode), with `x·W_skip` of what the layer reads where there is a skip connection: the whole output.
    ///
    /// # Shapes
    /// `x`: `[n, d_in]` → `[n, d_out]`.
    ///
    /// # Panics
    /// As [`decode`](Self::decode).
    pub fn forward_layer(&self, layer: usize, features: &[SparseRows], x: Tensor<2>) -> Tensor<2> {
        let out = self.decode(layer, features);
        match &self.layers[layer].w_skip {
            None => out,
            Some(w_skip) => {
                let [_, d_in] = x.dims();
                let w_skip = self.matrix(w_skip.clone(), [d_in, self.cfg.d_out]);
                out + fused_ops::matmul(x.cast(self.dtype), w_skip)
            }
        }
    }

    /// All outputs of all inputs, `x[l]` being what layer `l` reads.
    ///
    /// # Shapes
    /// `x`: `[n, d_in]` for each layer → `[n, d_out]` for each.
    ///
    /// # Panics
    /// If there is not one for each layer, or the widths do not fit.
    pub fn forward(&self, x: &[Tensor<2>]) -> Vec<Tensor<2>> {
        assert_eq!(x.len(), self.cfg.n_layers, "one input for each layer");
        let mut features = Vec::new();
        let outputs = x.iter().enumerate().map(|(layer, x)| {
            features.push(self.encode(layer, x.clone()));
            self.forward_layer(layer, &features, x.clone())
        });
        outputs.collect()
    }

    /// The biases of a layer's encoder, `[d_sae]`.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn b_enc(&self, layer: usize) -> &[f32] {
        &self.layers[layer].b_enc
    }

    /// Adds `features @ W_dec`: the rows of features that are active on some token, a part of them at a time.
    fn add(&self, mut out: Tensor<2>, decoder: &Decoder, features: &SparseRows) -> Tensor<2> {
        let d_out = self.cfg.d_out;
        let mut active = features.indices.clone();
        active.sort_unstable();
        active.dedup();
        for some in active.chunks((GATHERED / 4 / d_out.max(1)).max(1)) {
            let mut rows = Vec::with_capacity(some.len() * d_out);
            decoder.rows.take(some, &mut rows);
            if (decoder.factor - 1.0).abs() > 0.0 {
                for x in &mut rows {
                    *x *= decoder.factor;
                }
            }
            let w = self.matrix(rows, [some.len(), d_out]);
            let part = renumbered(features, some);
            out = out + fused_ops::sparse_matmul(&part.indptr, &part.indices, &part.values, w);
        }
        out
    }

    fn read_encoder(&self, layer: usize) -> Linear {
        let (cfg, of) = (&self.cfg, &self.layers[layer]);
        let w_enc = match &of.encoder {
            Encoder::ByFeature(matrix) => {
                self.matrix(matrix.all(), [cfg.d_sae, cfg.d_in]).transpose()
            }
            Encoder::ByInput(matrix) => self.matrix(matrix.all(), [cfg.d_in, cfg.d_sae]),
        };
        Linear {
            w_enc,
            b_enc: self.vector(&of.b_enc),
            activation: match &of.threshold {
                None => Activation::Relu,
                Some(threshold) => Activation::JumpRelu {
                    threshold: self.vector(threshold),
                },
            },
        }
    }

    fn vector(&self, numbers: &[f32]) -> Tensor<1> {
        let data = TensorData::new(numbers.to_vec(), [numbers.len()]);
        Tensor::<1>::from_data(data, (&self.device, DType::F32)).cast(self.dtype)
    }

    fn matrix(&self, numbers: Vec<f32>, shape: [usize; 2]) -> Tensor<2> {
        let data = TensorData::new(numbers, shape);
        Tensor::<2>::from_data(data, (&self.device, DType::F32)).cast(self.dtype)
    }
}

impl Encoder {
    /// Refuses numbers that would make every feature NaN.
    fn check(&self, layer: usize) -> Result<(), SaeLoadError> {
        let (Self::ByFeature(matrix) | Self::ByInput(matrix)) = self;
        matrix.finite(&format!("W_enc of layer {layer}")).map(drop)
    }
}

/// The entries of some features, which ascend, with their places among these as their numbers.
fn renumbered(features: &SparseRows, some: &[u32]) -> SparseRows {
    let range: Range<u32> = match (some.first(), some.last()) {
        (Some(&first), Some(&last)) => first..last + 1,
        _ => 0..0,
    };
    let rows = (0..features.n_rows()).map(|row| {
        let (indices, values) = features.row(row);
        let entries = indices.iter().zip(values);
        let entries = entries.filter(|(index, _)| range.contains(index));
        entries.filter_map(|(index, &value)| {
            let place = some.binary_search(index).ok()?;
            Some((place as u32, value))
        })
    });
    SparseRows::from_rows(rows, some.len())
}

#[cfg(test)]
mod tests {
    use super::renumbered;
    use sae_traits::SparseRows;

    #[test]
    fn parts_of_features_add_up() {
        let rows = [vec![(1, 1.0), (5, 2.0)], vec![], vec![(5, 3.0), (9, 4.0)]];
        let all = SparseRows::from_rows(rows, 10);
        let first = renumbered(&all, &[1, 5]);
        assert_eq!(first.to_dense(), [1.0, 2.0, 0.0, 0.0, 0.0, 3.0]);
        assert_eq!(renumbered(&all, &[9]).to_dense(), [0.0, 0.0, 4.0]);
        assert_eq!(renumbered(&all, &[]).n_active(), 0);
    }
}
