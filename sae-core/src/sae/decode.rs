//! Features to activations.

use super::linear::{Activation, Linear, Selection};
use super::norm::DecodeState;
use super::{Encoded, EncodedSparse, Encoder, Sae, matmul};
use crate::sparse::SparseFeatures;
use burn::tensor::{DType, Int, Tensor, TensorData};

/// How many values [`Sae::decode_sparse`] gathers at a time: 16 Mi of them are 64 MiB of f32.
const GATHER: usize = 16 << 20;

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
        let mut parts = Vec::new();
        let mut start = 0;
        while start < n {
            let (end, width) = take_rows(features, start, GATHER / d_out);
            parts.push(self.gather_rows(features, start, end, width));
            start = end;
        }
        let out = if parts.is_empty() {
            Tensor::zeros([0, d_out], (&self.device(), DType::from(self.dtype)))
        } else {
            Tensor::cat(parts, 0)
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
        let out = self.decode_features(features, state);
        match (&self.w_skip, &state.skip) {
            (Some(w_skip), Some(x)) => out + matmul(x.clone(), w_skip.clone().transpose()),
            _ => out,
        }
    }

    /// What the SAE leaves out: `x − forward(x)`. Adding it back makes the SAE exact, so that edits of features are all that changes.
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
    fn rescaling(&self) -> Option<Tensor<1>> {
        match &self.encoder {
            Encoder::Linear(Linear {
                activation: Activation::TopK(Selection { norms, .. }),
                ..
            }) => norms.clone(),
            _ => None,
        }
    }

    /// `Σ value · W_dec[index]` of rows `start..end`, each padded to `width` entries.
    fn gather_rows(
        &self,
        features: &SparseFeatures,
        start: usize,
        end: usize,
        width: usize,
    ) -> Tensor<2> {
        let (n, d_out, device) = (end - start, self.cfg.d_out, self.device());
        let mut indices = vec![0_i32; n * width];
        let mut values = vec![0.0_f32; n * width];
        for row in 0..n {
            let (row_indices, row_values) = features.row(start + row);
            for (slot, (&i, &v)) in row_indices.iter().zip(row_values).enumerate() {
                indices[row * width + slot] = i as i32;
                values[row * width + slot] = v;
            }
        }
        let indices = Tensor::<1, Int>::from_data(
            TensorData::new(indices, [n * width]),
            (&device, DType::I32),
        );
        let values =
            Tensor::<1>::from_data(TensorData::new(values, [n * width]), (&device, DType::F32))
                .cast(self.dtype);
        let values = match self.rescaling() {
            Some(norms) => values / norms.select(0, indices.clone()),
            None => values,
        };
        let rows = self
            .w_dec
            .clone()
            .select(0, indices)
            .reshape([n, width, d_out]);
        values
            .reshape([n, 1, width])
            .matmul(rows)
            .reshape([n, d_out])
    }
}

/// The end of a run of rows from `start` whose padded entries are at most `entries` (one row at least), and its widest row.
fn take_rows(features: &SparseFeatures, start: usize, entries: usize) -> (usize, usize) {
    let (mut end, mut width) = (start, 1);
    while end < features.n_rows() {
        let wider = width.max(features.indptr[end + 1] - features.indptr[end]);
        if end > start && wider * (end + 1 - start) > entries {
            break;
        }
        (end, width) = (end + 1, wider);
    }
    (end, width)
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
