//! The second pass that `explained_variance_legacy` needs when the activations are too many to keep.

use super::error::ProtocolError;
use super::steps::check_width;
use super::{ProtocolOptions, for_each_batch};
use crate::activations::{TokenNorms, squared_distances, token_norms};
use crate::legacy_variance::term;
use crate::moments::Moments;
use crate::observer::EvaluationProgress;
use crate::tensors::Readout;
use sae_progress::Observer;
use sae_traits::{Autoencoder, SplitModel};
use std::error::Error;

/// 1 − ‖x−x̂‖²/‖x−x̄‖² of every token that counts; its mean is `explained_variance_legacy`.
///
/// A second pass over the rows that `mean_activation`
/// ([`ReconstructionQuality::mean_activation`](crate::ReconstructionQuality::mean_activation)) was taken over, in constant
/// memory. If the observer stops it, the terms are those of the batches done. Given the mean, this is a plain sum: moments of shards merge.
///
/// # Errors
/// As [`sparsity`](crate::sparsity), and if `mean_activation` is not as wide as the activations.
pub fn explained_variance_legacy<M, S, E>(
    model: &M,
    sae: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    mean_activation: &[f64],
    options: &ProtocolOptions,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<Moments, ProtocolError<E>>
where
    M: SplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    let mut terms = Moments::default();
    let none = EvaluationProgress::default();
    let vocab_size = model.vocab_size();
    for_each_batch(
        vocab_size,
        rows,
        (options, None),
        none,
        observer,
        |batch, _| {
            let prefix = model.prefix(batch.tensor(&model.device()));
            check_width("the activation at the hook", sae.d_in(), &prefix.input)?;
            let decoded = sae.reconstruct(prefix.input.clone()).decoded;
            let target = prefix.target();
            check_width("the SAE's output", target.dims()[2], &decoded)?;
            check_width("the mean activation", mean_activation.len(), target)?;
            let mut readout = Readout::default();
            let distances = readout.ask(squared_distances(target, mean_activation));
            let norms = readout.ask(token_norms(target, &decoded));
            let numbers = readout.read();
            let norms = TokenNorms::all(&numbers[norms]);
            let tokens = norms.into_iter().zip(numbers[distances].iter().copied());
            for ((norms, distance), _) in
                tokens.zip(&batch.in_statistics).filter(|&(_, &kept)| kept)
            {
                terms.push(term(norms.squared_error, f64::from(distance)));
            }
            Ok(())
        },
    )?;
    Ok(terms)
}
