//! One batch, through the model and the SAE.

use super::batch::Batch;
use super::error::ProtocolError;
use crate::activations::{position_sums, splice, token_norms};
use crate::features;
use crate::statistics::{ReconstructionStatistics, SparsityStatistics, TokenCounts};
use crate::tensors::to_f32s;
use crate::vocab::{Runs, token_losses};
use burn::tensor::Tensor;
use sae_traits::{Autoencoder, Features, Prefix, Splice, SplitModel};
use std::error::Error;

/// A batch whose prefix has been run and whose activations have been reconstructed.
pub(super) struct Step<'a, R> {
    batch: &'a Batch,
    prefix: Prefix<R>,
    features: Features,
    decoded: Tensor<3>,
}

impl<'a, R> Step<'a, R> {
    pub(super) fn begin<M, S, E>(
        model: &M,
        sae: &S,
        batch: &'a Batch,
    ) -> Result<Self, ProtocolError<E>>
    where
        M: SplitModel<Resume = R>,
        S: Autoencoder,
        E: Error + 'static,
    {
        let prefix = model.prefix(batch.tensor(&model.device()));
        check_width("the activation at the hook", sae.d_in(), &prefix.input)?;
        let reconstruction = sae.reconstruct(prefix.input.clone());
        let [_, _, d_out] = prefix.target().dims();
        check_width("the SAE's output", d_out, &reconstruction.decoded)?;
        Ok(Self {
            batch,
            prefix,
            features: reconstruction.features,
            decoded: reconstruction.decoded,
        })
    }

    /// Adds this batch to the statistics of activations and features.
    pub(super) fn add_sparsity(&self, statistics: &mut SparsityStatistics) {
        let kept = &self.batch.in_statistics;
        statistics.tokens.merge(&counts(self.batch, kept));
        features::add(&self.features, self.batch.row_length, kept, statistics);

        let target = self.prefix.target();
        let [_, _, width] = target.dims();
        let norms = token_norms(target, &self.decoded);
        for sum in position_sums(target, kept).chunks_exact(width) {
            statistics.quality.add_to_sum(sum);
        }
        let kept_norms = || norms.iter().enumerate().filter(|&(token, _)| kept[token]);
        for (_, token) in kept_norms() {
            statistics.shrinkage.push(token);
            statistics.quality.push(token);
        }
        if statistics.legacy_variance.is_complete() {
            let activations = to_f32s(target.clone());
            for (token, norms) in kept_norms() {
                let activation = &activations[token * width..][..width];
                statistics
                    .legacy_variance
                    .push(activation, norms.squared_error);
            }
        }
    }

    /// Runs what lies above the hook three times and adds the losses.
    pub(super) fn add_reconstruction<M>(
        self,
        model: &M,
        logit_bytes: usize,
        statistics: &mut ReconstructionStatistics,
    ) where
        M: SplitModel<Resume = R>,
    {
        let Self {
            batch,
            prefix,
            features,
            decoded,
        } = self;
        // Dense features are the largest tensor here, and done with.
        drop(features);
        let kept = &batch.in_losses;
        let target = prefix.target();
        let spliced = splice(target, decoded, kept);
        let Prefix { resume, .. } = prefix;
        let edits = vec![Splice::Keep, Splice::Replace(spliced), Splice::Zero];
        let runs = Runs::new(model.suffix(&resume, edits));
        statistics.tokens.merge(&counts(batch, kept));
        let losses = token_losses(model, &runs, &batch.next_tokens(), logit_bytes);
        for (token, losses) in losses.iter().enumerate().filter(|&(token, _)| kept[token]) {
            statistics
                .kl_divergence
                .reconstructed
                .push(losses.kl_reconstructed);
            statistics.kl_divergence.ablated.push(losses.kl_ablated);
            if batch.has_next(token) {
                statistics.cross_entropy.original.push(losses.ce_original);
                statistics
                    .cross_entropy
                    .reconstructed
                    .push(losses.ce_reconstructed);
                statistics.cross_entropy.ablated.push(losses.ce_ablated);
            }
        }
    }
}

pub(super) fn check_width<E: Error + 'static>(
    what: &'static str,
    expected: usize,
    activation: &Tensor<3>,
) -> Result<(), ProtocolError<E>> {
    let [_, _, found] = activation.dims();
    if found == expected {
        Ok(())
    } else {
        Err(ProtocolError::Width {
            what,
            expected,
            found,
        })
    }
}

fn counts(batch: &Batch, kept: &[bool]) -> TokenCounts {
    TokenCounts {
        sequences: batch.n_rows() as u64,
        seen: batch.n_tokens() as u64,
        kept: kept.iter().filter(|&&kept| kept).count() as u64,
    }
}
