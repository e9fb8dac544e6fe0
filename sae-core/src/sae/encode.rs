//! Activations to features.

use super::norm::{DecodeState, Norm};
use super::topk::to_f32;
use super::{Encoder, Sae};
use crate::architecture::{Architecture, Temporal};
use burn::tensor::Tensor;
use sae_traits::SparseRows;

/// Features of every token, and what decoding needs besides.
#[derive(Debug, Clone)]
pub struct Encoded {
    /// `[b, p, d_sae]`
    pub features: Tensor<3>,
    /// For [`Sae::decode_features`].
    pub state: DecodeState,
}

impl Encoded {
    /// The features as sparse rows, `b·p` of them, copied to the host.
    pub fn to_sparse(&self) -> SparseRows {
        let [_, _, d_sae] = self.features.dims();
        SparseRows::from_dense(&to_f32(self.features.clone()), d_sae)
    }
}

/// As [`Encoded`], with few features of many on the host.
#[derive(Debug, Clone)]
pub struct EncodedSparse {
    /// `b·p` rows, position after position.
    pub features: SparseRows,
    /// For [`Sae::decode_sparse`].
    pub state: DecodeState,
}

impl Sae {
    /// Feature activations.
    ///
    /// # Shapes
    /// `x`: `[b, p, d_in]`, in any float dtype; a matrix of tokens is `[1, n, d_in]`. For `hook_z` see [`flatten_heads`](crate::flatten_heads).
    /// Only temporal SAEs look at other positions of the same row, never at later ones.
    ///
    /// # Panics
    /// If the width of `x` is not `d_in`, or `x` is on another device.
    pub fn encode(&self, x: Tensor<3>) -> Encoded {
        let [b, p, _] = self.check(&x);
        let (x, mut state) = self.prepare(x);
        let features = match &self.encoder {
            Encoder::Temporal(temporal) => {
                let codes = temporal.encode(x, &self.w_dec);
                state.predicted = Some(codes.predicted);
                codes.novel
            }
            encoder => {
                let x = x.reshape([b * p, self.cfg.d_in]);
                let features = match encoder {
                    Encoder::Linear(linear) => linear.encode(x),
                    Encoder::Gated(gated) => gated.encode(x),
                    _ => self.encode_matching_pursuit(x),
                };
                features.reshape([b, p, self.cfg.d_sae])
            }
        };
        Encoded { features, state }
    }

    /// Feature activations as sparse rows: equal to [`encode`](Self::encode) with the zeros left out.
    ///
    /// On the CPU in f32 and bf16 the encoder runs over some latents at a time: a dense matrix of all features never exists, but for matching
    /// pursuit and temporal SAEs, which need it.
    ///
    /// # Shapes
    /// As [`encode`](Self::encode).
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    pub fn encode_sparse(&self, x: Tensor<3>) -> EncodedSparse {
        self.check(&x);
        if let Some(encoded) = self.encode_in_tiles(&x) {
            return encoded;
        }
        let Encoded { features, state } = self.encode(x);
        EncodedSparse {
            features: SparseRows::from_dense(&to_f32(features), self.cfg.d_sae),
            state,
        }
    }

    /// Casts, scales and centres.
    pub(super) fn prepare(&self, x: Tensor<3>) -> (Tensor<3>, DecodeState) {
        let x = x.cast(self.dtype);
        let skip = self.w_skip.as_ref().map(|_| x.clone());
        let (x, norm) = self.normalize(x);
        // The output of a transcoder is of another place: there is nothing to scale back.
        let norm = if self.cfg.architecture.is_transcoder() {
            Norm::None
        } else {
            norm
        };
        let x = if self.cfg.apply_b_dec_to_input {
            x - self.b_dec.clone().unsqueeze()
        } else {
            x
        };
        (
            x,
            DecodeState {
                norm,
                predicted: None,
                skip,
            },
        )
    }

    pub(super) fn check(&self, x: &Tensor<3>) -> [usize; 3] {
        let dims = x.dims();
        assert_eq!(
            dims[2], self.cfg.d_in,
            "the SAE reads activations of width {}, not {}",
            self.cfg.d_in, dims[2]
        );
        dims
    }

    pub(super) fn constant_factor(&self) -> f64 {
        match self.cfg.architecture {
            Architecture::Temporal(Temporal {
                activation_normalization_factor,
                ..
            }) => activation_normalization_factor,
            _ => 1.0,
        }
    }
}
