//! Some features of all: what they are on every token, and what a change of them does to the output.

use super::linear::Activation;
use super::norm::{DecodeState, Norm};
use super::{Encoder, Sae};
use burn::tensor::{DType, Int, Tensor, TensorData, activation::relu};

/// As [`Encoded`](super::Encoded), of some features only.
#[derive(Debug, Clone)]
pub struct EncodedSome {
    /// `[b·p, n]`, position after position; one column for each feature asked for.
    pub values: Tensor<2>,
    /// For [`Sae::decode_change`].
    pub state: DecodeState,
}

impl Sae {
    /// The activations of some features: columns of [`encode`](Self::encode).
    ///
    /// Where features do not depend on one another (ReLU, JumpReLU, gated), only theirs are computed. Where they compete, all are.
    ///
    /// # Shapes
    /// `x`: `[b, p, d_in]`.
    ///
    /// # Panics
    /// As [`encode`](Self::encode), and if a feature is not below `d_sae`.
    pub fn encode_some(&self, x: Tensor<3>, features: &[u32]) -> EncodedSome {
        let [b, p, d_in] = self.check(&x);
        let columns = self.indices(features);
        let of = |v: &Tensor<1>| v.clone().select(0, columns.clone()).unsqueeze::<2>();
        let (w_enc, values): (_, Box<dyn Fn(Tensor<2>) -> Tensor<2>>) = match &self.encoder {
            Encoder::Linear(linear) => match &linear.activation {
                Activation::TopK(_) => return self.columns(x, features),
                Activation::Relu => {
                    let bias = of(&linear.b_enc);
                    (&linear.w_enc, Box::new(move |h| relu(h + bias.clone())))
                }
                Activation::JumpRelu { threshold } => {
                    let (bias, threshold) = (of(&linear.b_enc), of(threshold));
                    let act = move |h: Tensor<2>| {
                        let h = h + bias.clone();
                        let below = h.clone().lower_equal(threshold.clone());
                        relu(h).mask_fill(below, 0.0)
                    };
                    (&linear.w_enc, Box::new(act))
                }
            },
            Encoder::Gated(gated) => {
                let (gate, magnitude) = (of(&gated.b_gate), of(&gated.b_mag));
                let scale = of(&gated.r_mag).exp();
                let act = move |h: Tensor<2>| {
                    let closed = (h.clone() + gate.clone()).lower_equal_scalar(0.0);
                    relu(h * scale.clone() + magnitude.clone()).mask_fill(closed, 0.0)
                };
                (&gated.w_enc, Box::new(act))
            }
            Encoder::MatchingPursuit | Encoder::Temporal(_) => return self.columns(x, features),
        };
        let (x, state) = self.prepare(x);
        let w_enc = w_enc.clone().select(1, columns.clone());
        let h = fused_ops::linear(x.reshape([b * p, d_in]), w_enc.transpose());
        EncodedSome {
            values: values(h),
            state,
        }
    }

    /// What a change of features adds to the output: `change @ W_dec[features]`, with decoder norms divided out where features are in units
    /// of these, and scaled back as the output is. The decoder is linear, so this is `decode(f + change) − decode(f)`.
    ///
    /// # Shapes
    /// `change`: `[b·p, features.len()]`; `state`: of the encoding of `[b, p, d_in]` → `[b·p, d_out]`, in the SAE's dtype.
    ///
    /// # Panics
    /// If a feature is not below `d_sae`, or the shapes do not fit.
    pub fn decode_change(
        &self,
        change: Tensor<2>,
        features: &[u32],
        state: &DecodeState,
    ) -> Tensor<2> {
        let columns = self.indices(features);
        let mut change = change.cast(self.dtype);
        if let Some(norms) = self.rescaling() {
            change = change / norms.select(0, columns.clone()).unsqueeze();
        }
        let [n, _] = change.dims();
        let w_dec = self.w_dec.clone().select(0, columns);
        let written = fused_ops::linear(change, w_dec.transpose());
        match &state.norm {
            Norm::None => written,
            Norm::Scale(factor) => written / factor.clone().reshape([n, 1]),
            Norm::Constant(factor) => written / *factor,
            Norm::MeanStd { std, .. } => written * std.clone().reshape([n, 1]),
        }
    }

    /// The decoder's rows of some features.
    ///
    /// # Shapes
    /// `[features.len(), d_out]`
    ///
    /// # Panics
    /// If a feature is not below `d_sae`.
    pub fn directions(&self, features: &[u32]) -> Tensor<2> {
        self.w_dec.clone().select(0, self.indices(features))
    }

    fn columns(&self, x: Tensor<3>, features: &[u32]) -> EncodedSome {
        let [b, p, _] = x.dims();
        if sae_backend::is_host(&self.device()) {
            let encoded = self.encode_sparse(x);
            let mut values = vec![0.0_f32; b * p * features.len()];
            for (row, values) in values.chunks_exact_mut(features.len().max(1)).enumerate() {
                for (feature, value) in encoded.features.entries(row) {
                    for at in (0..features.len()).filter(|&at| features[at] as usize == feature) {
                        values[at] = value;
                    }
                }
            }
            let values = TensorData::new(values, [b * p, features.len()]);
            let values = Tensor::<2>::from_data(values, (&self.device(), DType::F32));
            return EncodedSome {
                values: values.cast(self.dtype),
                state: encoded.state,
            };
        }
        let encoded = self.encode(x);
        let all = encoded.features.reshape([b * p, self.cfg.d_sae]);
        EncodedSome {
            values: all.select(1, self.indices(features)),
            state: encoded.state,
        }
    }

    fn indices(&self, features: &[u32]) -> Tensor<1, Int> {
        let d_sae = self.cfg.d_sae;
        if let Some(feature) = features.iter().find(|&&f| f as usize >= d_sae) {
            panic!("there is no feature {feature}: the dictionary has {d_sae}, counted from 0");
        }
        let indices: Vec<i32> = features.iter().map(|f| f.cast_signed()).collect();
        let indices = TensorData::new(indices, [features.len()]);
        Tensor::from_data(indices, (&self.device(), DType::I32))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Architecture, NormalizeActivations, Sae, SaeConfig, TopK, Transcoder};
    use burn::tensor::{Device, Distribution, FloatDType, Tensor};

    fn of_scale<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
        let scale: f32 = b.clone().abs().max().into_scalar();
        let error: f32 = (a - b).abs().max().into_scalar();
        error / scale.max(1e-3)
    }

    #[test]
    fn some_features_are_columns_of_all_and_changes_of_them_are_differences_of_outputs() {
        let topk = |rescale_acts_by_decoder_norm| TopK {
            k: 5,
            rescale_acts_by_decoder_norm,
        };
        let transcoder = Transcoder {
            skip: true,
            jump_relu: false,
        };
        for architecture in [
            Architecture::Standard,
            Architecture::JumpRelu,
            Architecture::Gated,
            Architecture::TopK(topk(false)),
            Architecture::AbsTopK(topk(true)),
            Architecture::Transcoder(transcoder),
        ] {
            for normalize in [
                NormalizeActivations::None,
                NormalizeActivations::ConstantNormRescale,
                NormalizeActivations::LayerNorm,
            ] {
                let name = format!("{} {}", architecture.name(), normalize.name());
                let device = Device::flex();
                let mut cfg = SaeConfig::new(architecture.clone(), 8, 24);
                cfg.normalize_activations = normalize;
                let Some(sae) = Sae::random(cfg, 1, &device, FloatDType::F32) else {
                    continue;
                };
                let x = Tensor::<3>::random([2, 3, 8], Distribution::Normal(0.5, 2.0), &device);
                let features = [23, 0, 7, 7, 11];
                let all = sae.encode(x.clone());
                let some = sae.encode_some(x, &features);
                let columns = sae.indices(&features);
                let expected = all.features.clone().reshape([6, 24]);
                let expected = expected.select(1, columns.clone());
                assert!(of_scale(some.values.clone(), expected) < 1e-5, "{name}");

                let distinct = &features[..3];
                let change = Tensor::<2>::random([6, 3], Distribution::Default, &device);
                let added = all.features.clone().reshape([6, 24]).select_assign(
                    1,
                    sae.indices(distinct),
                    change.clone(),
                    burn::tensor::IndexingUpdateOp::Add,
                );
                let before = sae.decode(&all).reshape([6, 8]);
                let after = sae.decode_features(added.reshape([2, 3, 24]), &all.state);
                let difference = after.reshape([6, 8]) - before;
                let found = sae.decode_change(change, distinct, &some.state);
                assert!(of_scale(found, difference) < 2e-4, "{name}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "there is no feature 24: the dictionary has 24, counted from 0")]
    fn a_feature_beyond_the_last_is_refused() {
        let cfg = SaeConfig::new(Architecture::Standard, 8, 24);
        let sae = Sae::random(cfg, 1, &Device::flex(), FloatDType::F32).expect("standard");
        let _ = sae.encode_some(Tensor::zeros([1, 1, 8], &Device::flex()), &[24]);
    }
}
