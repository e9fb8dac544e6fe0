//! Features to activations.

use super::linear::{Activation, Linear, Selection};
use super::norm::DecodeState;
use super::topk::to_f32;
use super::{Encoded, EncodedSparse, Encoder, Sae, matmul};
use burn::tensor::{DType, Tensor, TensorData};
use sae_traits::SparseRows;

/// [`Sae::decode_sparse`] multiplies dense tiles where more than one feature in this many is active.
const DENSE: usize = 16;

impl Sae {
    /// The reconstruction from features: SAELens' `decode(encode(x))`.
    ///
    /// It leaves out a skip connection and what temporal attention predicts; [`forward`](Self::forward) does not.
    ///
    /// # Shapes
    /// `[b, p, d_out]`
    pub fn decode(&self, encoded: &Encoded) -> Tensor<3> {
        self.decode_features(encoded.features.clone(), &encoded.state)
    }

    /// As [`decode`](Self::decode), of features that may have been edited.
    ///
    /// # Shapes
    /// `features`: `[b, p, d_sae]` → `[b, p, d_out]`
    pub fn decode_features(&self, features: Tensor<3>, state: &DecodeState) -> Tensor<3> {
        let features = match self.rescaling() {
            Some(norms) => features / norms.unsqueeze(),
            None => features,
        };
        let out = matmul(features, self.w_dec.clone());
        state.norm.undo(self.add_b_dec(out))
    }

    /// As [`decode`](Self::decode), from sparse rows: only the decoder rows of active features are read.
    ///
    /// # Shapes
    /// `[b, p, d_out]`, where `b·p` is the number of rows of `encoded` and `p` is `positions`.
    ///
    /// # Panics
    /// If the number of rows is not a multiple of `positions`.
    pub fn decode_sparse(&self, encoded: &EncodedSparse, positions: usize) -> Tensor<3> {
        let (features, n) = (&encoded.features, encoded.features.n_rows());
        assert!(
            positions > 0 && n.is_multiple_of(positions),
            "{n} rows are not rows of {positions} positions"
        );
        let d_out = self.cfg.d_out;
        let rescaled = self.rescaled(features);
        let features = rescaled.as_ref().unwrap_or(features);
        // A row of the decoder read for one token is read at a fraction of the speed of a product.
        let dense = features.n_active() > n * self.cfg.d_sae / DENSE;
        let out = if dense {
            self.decode_in_tiles(features)
        } else {
            let SparseRows {
                indptr,
                indices,
                values,
                ..
            } = features;
            fused_ops::sparse_matmul(indptr, indices, values, self.w_dec.clone())
        };
        let out = self.add_b_dec(out.reshape([n / positions, positions, d_out]));
        encoded.state.norm.undo(out)
    }

    /// The full forward pass: with a transcoder's skip connection and what temporal attention predicts.
    ///
    /// # Shapes
    /// `x`: `[b, p, d_in]` → `[b, p, d_out]`, in the SAE's dtype.
    ///
    /// # Panics
    /// As [`encode`](Self::encode).
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let encoded = self.encode(x);
        self.forward_encoded(&encoded)
    }

    /// The rest of [`forward`](Self::forward) for an input that has been encoded already.
    ///
    /// # Shapes
    /// `[b, p, d_out]`
    pub fn forward_encoded(&self, encoded: &Encoded) -> Tensor<3> {
        let Encoded { features, state } = encoded;
        let features = match &state.predicted {
            Some(predicted) => features.clone() + predicted.clone(),
            None => features.clone(),
        };
        self.skip(self.decode_features(features, state), state)
    }

    /// As [`forward_encoded`](Self::forward_encoded), from sparse rows.
    ///
    /// # Shapes
    /// `[b, p, d_out]`, where `p` is `positions`.
    ///
    /// # Panics
    /// If the number of rows is not a multiple of `positions`.
    pub fn forward_sparse(&self, encoded: &EncodedSparse, positions: usize) -> Tensor<3> {
        let EncodedSparse { features, state } = encoded;
        if let Some(predicted) = &state.predicted {
            // The prediction is dense, and so is the sum.
            let values = TensorData::new(features.to_dense(), predicted.dims());
            let features = Tensor::<3>::from_data(values, (&self.device(), DType::F32));
            return self.forward_encoded(&Encoded {
                features: features.cast(self.dtype),
                state: state.clone(),
            });
        }
        self.skip(self.decode_sparse(encoded, positions), state)
    }

    /// Adds a skip connection, where there is one.
    fn skip(&self, out: Tensor<3>, state: &DecodeState) -> Tensor<3> {
        match (&self.w_skip, &state.skip) {
            (Some(w_skip), Some(x)) => out + matmul(x.clone(), w_skip.clone().transpose()),
            _ => out,
        }
    }

    /// The part that the SAE leaves out: `x − forward(x)`. Adding it back makes the SAE exact, so that edits of features are all that changes.
    ///
    /// # Shapes
    /// `x`: `[b, p, d_in]` → the same.
    ///
    /// # Panics
    /// If the SAE is a transcoder of another output width.
    pub fn error_term(&self, x: Tensor<3>) -> Tensor<3> {
        x.clone().cast(self.dtype) - self.forward(x)
    }

    fn add_b_dec(&self, out: Tensor<3>) -> Tensor<3> {
        // A tied decoder gets its bias back only where the encoder took it away.
        let tied = match &self.encoder {
            Encoder::MatchingPursuit => true,
            Encoder::Temporal(temporal) => temporal.is_tied(),
            _ => false,
        };
        if tied && !self.cfg.apply_b_dec_to_input {
            out
        } else {
            out + self.b_dec.clone().unsqueeze()
        }
    }

    /// Decoder norms that features are in units of, `[d_sae]`.
    pub(super) fn rescaling(&self) -> Option<Tensor<1>> {
        match &self.encoder {
            Encoder::Linear(Linear {
                activation: Activation::TopK(Selection { norms, .. }),
                ..
            }) => norms.clone(),
            _ => None,
        }
    }

    /// Features with their decoder norms divided out, where they are in units of these.
    fn rescaled(&self, features: &SparseRows) -> Option<SparseRows> {
        let norms = to_f32(self.rescaling()?);
        let mut features = features.clone();
        for (value, &index) in features.values.iter_mut().zip(&features.indices) {
            *value /= norms[index as usize];
        }
        Some(features)
    }

    /// `features @ W_dec`, some latents at a time made dense. Features and sums stay in f32, whatever the decoder's dtype.
    fn decode_in_tiles(&self, features: &SparseRows) -> Tensor<2> {
        let (n, device) = (features.n_rows(), self.device());
        let mut out = Tensor::zeros([n, self.cfg.d_out], (&device, DType::F32));
        let mut next = features.indptr[..n].to_vec();
        for latents in super::tiles(n, self.cfg.d_sae) {
            let width = latents.len();
            let mut tile = vec![0.0_f32; n * width];
            for (row, (tile, next)) in tile.chunks_exact_mut(width).zip(&mut next).enumerate() {
                let end = features.indptr[row + 1];
                while *next < end && (features.indices[*next] as usize) < latents.end {
                    tile[features.indices[*next] as usize - latents.start] = features.values[*next];
                    *next += 1;
                }
            }
            let tile = TensorData::new(tile, [n, width]);
            let tile = Tensor::<2>::from_data(tile, (&device, DType::F32));
            let w_dec = self.w_dec.clone().narrow(0, latents.start, width);
            out = fused_ops::linear_add(tile, w_dec.transpose(), out);
        }
        out.cast(self.dtype)
    }
}

/// Joins heads: `[b, p, heads, d_head]` to `[b, p, heads·d_head]`, the form in which SAEs read `hook_z`.
pub fn flatten_heads(z: Tensor<4>) -> Tensor<3> {
    z.flatten(2, 3)
}

/// Undoes [`flatten_heads`].
///
/// # Panics
/// If the width is not a multiple of `d_head`.
pub fn unflatten_heads(z: Tensor<3>, d_head: usize) -> Tensor<4> {
    let [b, p, d] = z.dims();
    assert!(
        d.is_multiple_of(d_head),
        "{d} is not a number of heads of width {d_head}"
    );
    z.reshape([b, p, d / d_head, d_head])
}
