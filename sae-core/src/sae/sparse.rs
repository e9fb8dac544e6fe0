//! Encoding without a dense matrix of features: some latents at a time, of which the active ones are kept.

use super::gated::Gated;
use super::linear::{Activation, Linear, Selection};
use super::topk::{TopRow, to_f32};
use super::{EncodedSparse, Encoder, Sae, tiles};
use burn::tensor::{DType, Device, Tensor};
use rayon::prelude::*;
use sae_traits::SparseRows;
use std::ops::Range;

/// Whether some latents at a time are the better way: where their values are read in place.
fn in_tiles(device: &Device, dtype: DType) -> bool {
    sae_backend::is_host(device) && matches!(dtype, DType::F32 | DType::BF16)
}

/// Active features of one token so far: index and value.
type Row = Vec<(u32, f32)>;

impl Sae {
    /// The sparse features of `[b, p, d_in]`; `None` where the device or the architecture needs all latents at once.
    pub(super) fn encode_in_tiles(&self, x: &Tensor<3>) -> Option<EncodedSparse> {
        if !in_tiles(&x.device(), self.dtype.into()) {
            return None;
        }
        let d_sae = self.cfg.d_sae;
        let rows: &dyn Fn(&Tensor<2>) -> Vec<Row> = match &self.encoder {
            Encoder::Linear(linear) => &|x| linear.rows(x, d_sae),
            Encoder::Gated(gated) => &|x| gated.rows(x, d_sae),
            Encoder::MatchingPursuit | Encoder::Temporal(_) => return None,
        };
        let (x, state) = self.prepare(x.clone());
        let [b, p, d_in] = x.dims();
        let rows = rows(&x.reshape([b * p, d_in]));
        Some(EncodedSparse {
            features: SparseRows::from_rows(rows, d_sae),
            state,
        })
    }
}

impl Linear {
    /// The sparse features of `[n, d_in]`: on the CPU in f32 and bf16 some latents at a time.
    pub(crate) fn encode_sparse(&self, x: Tensor<2>, d_sae: usize) -> SparseRows {
        if in_tiles(&x.device(), x.dtype()) {
            return SparseRows::from_rows(self.rows(&x, d_sae), d_sae);
        }
        SparseRows::from_dense(&to_f32(self.encode(x)), d_sae)
    }

    fn rows(&self, x: &Tensor<2>, d_sae: usize) -> Vec<Row> {
        let bias = to_f32(self.b_enc.clone());
        match &self.activation {
            Activation::Relu => collect(
                x,
                &self.w_enc,
                d_sae,
                |latent, h| h + bias[latent],
                |_, h| h > 0.0,
            ),
            Activation::JumpRelu { threshold } => {
                let threshold = to_f32(threshold.clone());
                let above = |latent: usize, h: f32| h > 0.0 && h > threshold[latent];
                collect(x, &self.w_enc, d_sae, |latent, h| h + bias[latent], above)
            }
            Activation::TopK(selection) => match &selection.norms {
                Some(norms) => {
                    let norms = to_f32(norms.clone());
                    self.top_rows(x, d_sae, selection, |latent, h| {
                        (h + bias[latent]) * norms[latent]
                    })
                }
                None => self.top_rows(x, d_sae, selection, |latent, h| h + bias[latent]),
            },
        }
    }

    fn top_rows(
        &self,
        x: &Tensor<2>,
        d_sae: usize,
        selection: &Selection,
        pre_activation: impl Fn(usize, f32) -> f32 + Sync,
    ) -> Vec<Row> {
        let n = x.dims()[0];
        let mut rows: Vec<TopRow> = (0..n).map(|_| TopRow::new(selection, d_sae)).collect();
        for_each_tile(x, &self.w_enc, d_sae, &mut rows, |row, latents, values| {
            for (latent, &h) in latents.zip(values) {
                row.push(latent as u32, pre_activation(latent, h));
            }
        });
        rows.into_par_iter().map(TopRow::finish).collect()
    }
}

impl Gated {
    fn rows(&self, x: &Tensor<2>, d_sae: usize) -> Vec<Row> {
        let [b_gate, b_mag, scale] = [
            self.b_gate.clone(),
            self.b_mag.clone(),
            self.r_mag.clone().exp(),
        ]
        .map(to_f32);
        let mut rows = vec![Row::new(); x.dims()[0]];
        for_each_tile(x, &self.w_enc, d_sae, &mut rows, |row, latents, values| {
            for (latent, &h) in latents.zip(values) {
                let magnitude = h * scale[latent] + b_mag[latent];
                if h + b_gate[latent] > 0.0 && magnitude > 0.0 {
                    row.push((latent as u32, magnitude));
                }
            }
        });
        rows
    }
}

/// Latents whose pre-activation is to stay.
fn collect(
    x: &Tensor<2>,
    w_enc: &Tensor<2>,
    d_sae: usize,
    pre_activation: impl Fn(usize, f32) -> f32 + Sync,
    stays: impl Fn(usize, f32) -> bool + Sync,
) -> Vec<Row> {
    let mut rows = vec![Row::new(); x.dims()[0]];
    for_each_tile(x, w_enc, d_sae, &mut rows, |row, latents, values| {
        for (latent, &h) in latents.zip(values) {
            let h = pre_activation(latent, h);
            // A NaN is not dropped in silence: it is an activation, as it is in a dense matrix.
            if stays(latent, h) || h.is_nan() {
                row.push((latent as u32, h));
            }
        }
    });
    rows
}

/// Calls `add(row, latents, x @ W_enc)`, the products in f32 whatever the SAE's dtype, for every row and each range of latents in turn, rows in parallel.
fn for_each_tile<R: Send>(
    x: &Tensor<2>,
    w_enc: &Tensor<2>,
    d_sae: usize,
    rows: &mut [R],
    add: impl Fn(&mut R, Range<usize>, &[f32]) + Sync,
) {
    for latents in tiles(rows.len(), d_sae) {
        let width = latents.len();
        let w_enc = w_enc.clone().narrow(1, latents.start, width);
        let values = to_f32(fused_ops::linear_f32(x.clone(), w_enc.transpose()));
        rows.par_iter_mut()
            .zip(values.par_chunks_exact(width))
            .with_min_len(4)
            .for_each(|(row, values)| add(row, latents.clone(), values));
    }
}
