//! One batch, through the model and the SAE.

use super::batch::Batch;
use super::error::ProtocolError;
use crate::activations::{TokenNorms, position_sums, splice, token_norms};
use crate::features::{self, DenseSums};
use crate::statistics::{ReconstructionStatistics, SparsityStatistics, TokenCounts};
use crate::tensors::{Numbers, Part, Readout};
use crate::vocab::{AskedLosses, Runs, TokenLosses, token_losses};
use burn::tensor::Tensor;
use sae_traits::{Autoencoder, Features, Prefix, Reconstruction, Splice, SplitModel};
use std::error::Error;

/// The activations of a batch at one place, and what an SAE makes of them.
pub(super) struct Step<'a, R> {
    batch: &'a Batch,
    prefix: &'a Prefix<R>,
    features: Features,
    decoded: Tensor<3>,
}

impl<'a, R> Step<'a, R> {
    pub(super) fn begin<S, E>(
        sae: &S,
        batch: &'a Batch,
        prefix: &'a Prefix<R>,
    ) -> Result<Self, ProtocolError<E>>
    where
        S: Autoencoder,
        E: Error + 'static,
    {
        check_width("the activation at the hook", sae.d_in(), &prefix.input)?;
        Self::of(batch, prefix, sae.reconstruct(prefix.input.clone()))
    }

    /// From what was made of the activations.
    pub(super) fn of<E: Error + 'static>(
        batch: &'a Batch,
        prefix: &'a Prefix<R>,
        reconstruction: Reconstruction,
    ) -> Result<Self, ProtocolError<E>> {
        let [_, _, d_out] = prefix.target().dims();
        check_width("the SAE's output", d_out, &reconstruction.decoded)?;
        Ok(Self {
            batch,
            prefix,
            features: reconstruction.features,
            decoded: reconstruction.decoded,
        })
    }

    /// Asks for what this batch adds to the statistics of activations and features.
    pub(super) fn ask_sparsity(
        &self,
        statistics: &mut SparsityStatistics,
        readout: &mut Readout,
    ) -> AskedSparsity {
        let kept = &self.batch.in_statistics;
        let row_length = self.batch.row_length;
        let target = self.prefix.target();
        AskedSparsity {
            features: features::add(&self.features, row_length, kept, statistics, readout),
            norms: readout.ask(token_norms(target, &self.decoded)),
            positions: readout.ask(position_sums(target, kept)),
            activations: statistics
                .legacy_variance
                .is_complete()
                .then(|| readout.ask(target.clone())),
            width: target.dims()[2],
        }
    }

    /// What comes in the activation's place. The features, dense the largest tensor here, are done with.
    pub(super) fn into_spliced(self) -> Tensor<3> {
        splice(self.prefix.target(), self.decoded, &self.batch.in_losses)
    }
}

/// What a batch adds to the statistics of activations and features, asked for and not yet there.
pub(super) struct AskedSparsity {
    features: Option<DenseSums>,
    norms: Part,
    positions: Part,
    activations: Option<Part>,
    width: usize,
}

impl AskedSparsity {
    /// Adds it, now that it has been read.
    pub(super) fn add(
        &self,
        batch: &Batch,
        numbers: &Numbers,
        statistics: &mut SparsityStatistics,
    ) {
        let kept = &batch.in_statistics;
        statistics.tokens.merge(&counts(batch, kept));
        if let Some(features) = &self.features {
            features.add(numbers, batch.row_length, kept, statistics);
        }
        for sum in numbers[self.positions].chunks_exact(self.width) {
            statistics.quality.add_to_sum(sum);
        }
        let norms = TokenNorms::all(&numbers[self.norms]);
        let kept_norms = || norms.iter().enumerate().filter(|&(token, _)| kept[token]);
        for (_, token) in kept_norms() {
            statistics.shrinkage.push(token);
            statistics.quality.push(token);
        }
        if let Some(activations) = self.activations {
            for (token, norms) in kept_norms() {
                let activation = &numbers[activations][token * self.width..][..self.width];
                let error = norms.squared_error;
                statistics.legacy_variance.push(activation, error);
            }
        }
    }
}

/// Runs what lies above the hook three times and asks for the losses.
pub(super) fn ask_reconstruction<M: SplitModel>(
    model: &M,
    batch: &Batch,
    resume: &M::Resume,
    spliced: Tensor<3>,
    logit_bytes: usize,
    readout: &mut Readout,
) -> AskedLosses {
    let edits = vec![Splice::Keep, Splice::Replace(spliced), Splice::Zero];
    let results: [Tensor<3>; 3] = model
        .suffix(resume, edits)
        .try_into()
        .expect("one result per edit");
    let [original, reconstructed, ablated] = results;
    let runs = Runs::new(original, vec![reconstructed, ablated]);
    token_losses(
        |rows, entries| model.logits(rows, entries),
        &runs,
        &batch.next_tokens(),
        model.vocab_size(),
        logit_bytes,
        readout,
    )
}

/// Adds the losses of a batch: which of the altered runs had the reconstruction in place, and which was zeroed.
pub(super) fn add_losses(
    batch: &Batch,
    losses: &TokenLosses,
    (reconstructed, ablated): (usize, usize),
    statistics: &mut ReconstructionStatistics,
) {
    let kept = &batch.in_losses;
    statistics.tokens.merge(&counts(batch, kept));
    let (cross_entropy, divergence) =
        (&mut statistics.cross_entropy, &mut statistics.kl_divergence);
    for token in (0..batch.n_tokens()).filter(|&token| kept[token]) {
        let reconstructed = losses.altered[reconstructed][token];
        let ablated = losses.altered[ablated][token];
        divergence.reconstructed.push(reconstructed.kl);
        divergence.ablated.push(ablated.kl);
        if batch.has_next(token) {
            cross_entropy.original.push(losses.original[token]);
            cross_entropy.reconstructed.push(reconstructed.ce);
            cross_entropy.ablated.push(ablated.ce);
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
