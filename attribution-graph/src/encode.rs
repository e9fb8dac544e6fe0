//! The active features of a prompt, and the vectors that come with them.

use crate::error::AttributeError;
use crate::frozen::Frozen;
use crate::graph::ActiveFeature;
use crate::memory::Work;
use crate::options::AttributeOptions;
use crate::transcoders::Transcoders;
use burn::tensor::{DType, Int, Tensor};
use llama_hooked::Llama;
use sae_core::{EncodedSparse, Sae};
use sae_traits::SparseRows;
use std::collections::BTreeMap;

/// Everything that adds to the residual stream but the tokens, layer by layer.
#[derive(Debug)]
pub(crate) struct Sources {
    /// Ascending by layer, position and index.
    pub(crate) features: Vec<ActiveFeature>,
    pub(crate) layers: Vec<LayerSources>,
}

/// The features of one transcoder, and what it leaves out. A feature that is active at several positions has its vectors once.
#[derive(Debug)]
pub(crate) struct LayerSources {
    /// The layer's first, among all features.
    pub(crate) first: usize,
    /// Where each position's features begin, counted from the layer's first; T + 1 of them.
    pub(crate) offsets: Vec<usize>,
    /// The row of each feature in `decoders` and `encoders`.
    pub(crate) rows: Vec<usize>,
    /// Activations, `[1, n]`.
    pub(crate) activations: Tensor<2>,
    /// Rows of `W_dec`, `[u, d]`.
    pub(crate) decoders: Tensor<2>,
    /// Columns of `W_enc` as rows, `[u, d]`.
    pub(crate) encoders: Tensor<2>,
    /// `b_enc` of each row.
    pub(crate) b_enc: Vec<f32>,
    /// `[1, d]`
    pub(crate) b_dec: Tensor<2>,
    /// What the transcoder leaves out of the MLP's output, `[T, d]`; zero where features are left out.
    pub(crate) errors: Tensor<2>,
    /// `[d, d]`, out before in.
    pub(crate) w_skip: Option<Tensor<2>>,
}

/// Indices on the device.
pub(crate) fn indices(rows: &[usize], like: &Tensor<2>) -> Tensor<1, Int> {
    let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
    Tensor::from_ints(rows.as_slice(), &like.device())
}

pub(crate) fn to_f32<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    let data = x.cast(DType::F32).into_data();
    data.try_into_vec().expect("was cast to f32")
}

impl Sources {
    /// Encodes layer by layer; of each transcoder only what active features need stays.
    pub(crate) fn find(
        frozen: &mut Frozen,
        model: &Llama,
        transcoders: &Transcoders,
        options: &AttributeOptions,
        mut progress: impl FnMut(usize) -> Result<(), AttributeError>,
    ) -> Result<Self, AttributeError> {
        let mut sources = Self {
            features: Vec::new(),
            layers: Vec::new(),
        };
        let mut work = Work::new(model, transcoders, frozen.embeddings.dims()[0], options);
        for layer in 0..frozen.layers.len() {
            progress(layer)?;
            let (read, written) = frozen.layers[layer]
                .activations
                .take()
                .expect("each layer is encoded once");
            let sae = transcoders.load(layer, &model.device())?;
            let of_layer = sources.encode(layer, &sae, read, written, options.zero_positions)?;
            work.found(of_layer.rows.len(), of_layer.b_enc.len());
            sources.layers.push(of_layer);
            work.check(layer + 1)?;
        }
        Ok(sources)
    }

    fn encode(
        &mut self,
        layer: usize,
        sae: &Sae,
        read: Tensor<2>,
        written: Tensor<2>,
        zeroed: usize,
    ) -> Result<LayerSources, AttributeError> {
        let [n, d] = read.dims();
        let EncodedSparse { features, state } = sae.encode_sparse(read.reshape([1, n, d]));
        let features = without_first(&features, zeroed);
        let first = self.features.len();
        let mut rows = BTreeMap::new();
        for position in 0..n {
            for (feature, activation) in features.entries(position) {
                if !activation.is_finite() {
                    let what = format!("features of block {layer}");
                    return Err(AttributeError::NotFinite { what });
                }
                let feature = feature as u32;
                rows.insert(feature, 0);
                self.features.push(ActiveFeature {
                    layer,
                    position,
                    feature,
                    activation,
                });
            }
        }
        for (row, (_, place)) in rows.iter_mut().enumerate() {
            *place = row;
        }
        let ours = &self.features[first..];
        let mut offsets = vec![0; n + 1];
        for feature in ours {
            offsets[feature.position + 1] += 1;
        }
        for position in 0..n {
            offsets[position + 1] += offsets[position];
        }
        let activations: Vec<f32> = ours.iter().map(|feature| feature.activation).collect();
        let count = activations.len();
        let encoded = EncodedSparse { features, state };
        let errors = written - sae.forward_sparse(&encoded, n).reshape([n, d]);
        let errors = zero_first(errors, zeroed);
        if !to_f32(errors.clone().sum()).iter().all(|x| x.is_finite()) {
            let what = format!("activations of block {layer}");
            return Err(AttributeError::NotFinite { what });
        }
        let unique: Vec<usize> = rows.keys().map(|&feature| feature as usize).collect();
        let at = indices(&unique, &errors);
        let b_enc = sae.b_enc().map(to_f32).unwrap_or_default();
        Ok(LayerSources {
            first,
            offsets,
            rows: ours.iter().map(|feature| rows[&feature.feature]).collect(),
            activations: Tensor::<1>::from_floats(activations.as_slice(), &errors.device())
                .reshape([1, count]),
            decoders: sae.w_dec().select(0, at.clone()),
            // As rows, so that those of a batch lie together.
            encoders: sae.w_enc().select(1, at).transpose(),
            b_enc: unique.iter().map(|&feature| b_enc[feature]).collect(),
            b_dec: sae.b_dec().unsqueeze(),
            errors,
            w_skip: sae.w_skip(),
        })
    }
}

/// The rows with those of the first positions empty.
fn without_first(features: &SparseRows, zeroed: usize) -> SparseRows {
    let rows = (0..features.n_rows()).map(|row| {
        let entries = features.entries(row);
        let kept = (row >= zeroed).then_some(entries);
        kept.into_iter()
            .flatten()
            .map(|(feature, value)| (feature as u32, value))
    });
    SparseRows::from_rows(rows, features.d_sae)
}

/// `[T, d]` with the first positions zero.
fn zero_first(x: Tensor<2>, zeroed: usize) -> Tensor<2> {
    let [n, d] = x.dims();
    let zeroed = zeroed.min(n);
    if zeroed == 0 {
        return x;
    }
    let zeros = Tensor::zeros([zeroed, d], &x.device());
    x.slice_assign([0..zeroed, 0..d], zeros)
}

#[cfg(test)]
mod tests {
    use super::without_first;
    use sae_traits::SparseRows;

    #[test]
    fn the_first_positions_lose_their_features() {
        let rows = SparseRows::new(9, vec![0, 2, 3, 4], vec![1, 2, 4, 5], vec![1.0; 4]);
        let kept = without_first(&rows, 2);
        assert_eq!((kept.indptr, kept.indices), (vec![0, 0, 0, 1], vec![5]));
        assert_eq!(without_first(&rows, 0), rows);
        assert_eq!(without_first(&rows, 7).n_active(), 0);
    }
}
