//! The protocols: run a model and an SAE over rows of tokens and collect statistics.

mod batch;
mod error;
mod legacy;
mod multi;
mod steps;

pub use error::ProtocolError;
pub use legacy::explained_variance_legacy;
pub use multi::{MultiEvaluation, evaluate_ensemble, evaluate_multi, evaluate_multi_more};

use crate::masking::Masking;
use crate::merge::MergeError;
use crate::observer::EvaluationProgress;
use crate::statistics::{ReconstructionStatistics, SparsityStatistics};
use crate::tensors::Readout;
use batch::{Batch, Batches};
use sae_progress::Observer;
use sae_traits::{Autoencoder, SplitModel};
use serde::{Deserialize, Serialize};
use std::error::Error;

/// How a protocol goes about it. Nothing here but the masking and the rows with losses changes the numbers.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProtocolOptions {
    /// Which positions count.
    pub masking: Masking,
    /// Sequences per batch (0 is taken as 1).
    pub batch_size: usize,
    /// Losses are measured on the first so many rows only, where [`evaluate`] measures both; `None`: on every row. SAELens sets the two numbers
    /// of batches apart as well: sparsity needs many tokens and half of the model, losses settle sooner and take the rest of it several times.
    pub reconstruction_rows: Option<u64>,
    /// At most this many bytes of f32 logits at a time, those of all three runs together; one token's at least.
    pub logit_bytes: usize,
    /// At most this many bytes of activations kept for `explained_variance_legacy`, see [`LegacyVariance`](crate::LegacyVariance).
    pub legacy_bytes: usize,
}

impl Default for ProtocolOptions {
    /// No masking, 8 sequences at a time, 64 MiB of logits, 256 MiB of activations.
    fn default() -> Self {
        Self {
            masking: Masking::none(),
            batch_size: 8,
            reconstruction_rows: None,
            logit_bytes: 64 << 20,
            legacy_bytes: 256 << 20,
        }
    }
}

/// Which of the two passes [`evaluate`] makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Passes {
    Sparsity,
    Reconstruction,
    Both,
}

/// The result of [`evaluate`].
///
/// It can be saved and resumed later, see [`evaluate_more`]. Nothing is lost in a format that keeps every bit of an f64: CBOR does; JSON as
/// `serde_json` reads it by default does not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Sparsity, density, shrinkage, explained variances.
    pub sparsity: SparsityStatistics,
    /// Losses and divergences.
    pub reconstruction: ReconstructionStatistics,
    /// Whether the observer stopped the work before the rows ended.
    pub stopped: bool,
}

impl Evaluation {
    /// Nothing measured yet, of an SAE with `d_sae` features; `legacy_bytes` as in [`ProtocolOptions`].
    pub fn new(d_sae: usize, legacy_bytes: usize) -> Self {
        Self {
            sparsity: SparsityStatistics::new(d_sae, legacy_bytes),
            reconstruction: ReconstructionStatistics::default(),
            stopped: false,
        }
    }

    /// Takes in everything `other` has measured, on other rows.
    ///
    /// # Errors
    /// As [`SparsityStatistics::merge`].
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        self.sparsity.merge(&other.sparsity)?;
        self.reconstruction.merge(&other.reconstruction);
        self.stopped |= other.stopped;
        Ok(())
    }
}

/// Runs the model up to the hook, encodes and decodes, and collects [`SparsityStatistics`]. Nothing above the hook is run.
///
/// `rows` are token ids, usually all of one length. If the observer stops the work, the statistics are those of the batches done.
///
/// # Errors
/// If a row cannot be read, is empty, or holds a token the model does not have, or if the SAE does not fit the hook.
pub fn sparsity<M, S, E>(
    model: &M,
    sae: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<SparsityStatistics, ProtocolError<E>>
where
    M: SplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    let evaluation = run(model, sae, rows, options, Passes::Sparsity, observer)?;
    Ok(evaluation.sparsity)
}

/// Measures what splicing the SAE into the model, and zeroing the hook, does to the losses and the output distribution.
///
/// The layers below the hook run once per batch, those above three times: as they are, on the SAE's output, on zeros. Logits
/// exist for a few tokens at a time.
///
/// # Errors
/// As [`sparsity`].
pub fn reconstruction<M, S, E>(
    model: &M,
    sae: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<ReconstructionStatistics, ProtocolError<E>>
where
    M: SplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    let evaluation = run(model, sae, rows, options, Passes::Reconstruction, observer)?;
    Ok(evaluation.reconstruction)
}

/// Both protocols on the same rows, the layers below the hook and the SAE run once for the two.
///
/// # Errors
/// As [`sparsity`].
pub fn evaluate<M, S, E>(
    model: &M,
    sae: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<Evaluation, ProtocolError<E>>
where
    M: SplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    run(model, sae, rows, options, Passes::Both, observer)
}

/// As [`evaluate`], adding to what has been measured on earlier rows. Bit for bit the same as one evaluation of all of the rows, if each part
/// but the last is a whole number of batches. The observer counts from the first row of all.
///
/// # Errors
/// As [`sparsity`]; `evaluation` then holds the batches done.
///
/// # Panics
/// If `evaluation` is of an SAE with another number of features.
pub fn evaluate_more<M, S, E>(
    model: &M,
    sae: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    evaluation: &mut Evaluation,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<(), ProtocolError<E>>
where
    M: SplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    assert_eq!(
        evaluation.sparsity.density.d_sae(),
        sae.d_sae(),
        "an evaluation is of one SAE"
    );
    add(
        model,
        sae,
        rows,
        options,
        Passes::Both,
        evaluation,
        observer,
    )
}

fn run<M, S, E>(
    model: &M,
    sae: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    passes: Passes,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<Evaluation, ProtocolError<E>>
where
    M: SplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    let mut evaluation = Evaluation::new(sae.d_sae(), options.legacy_bytes);
    add(model, sae, rows, options, passes, &mut evaluation, observer)?;
    Ok(evaluation)
}

fn add<M, S, E>(
    model: &M,
    sae: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    passes: Passes,
    evaluation: &mut Evaluation,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<(), ProtocolError<E>>
where
    M: SplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    let Evaluation {
        sparsity,
        reconstruction,
        stopped,
    } = evaluation;
    let done = EvaluationProgress {
        sequences: sparsity.tokens.sequences,
        tokens: sparsity.tokens.seen,
    };
    let vocab_size = model.vocab_size();
    let last_with_losses = match passes {
        Passes::Both => options.reconstruction_rows,
        Passes::Sparsity | Passes::Reconstruction => None,
    };
    let work = |batch: &Batch, with_losses: bool| {
        let prefix = model.prefix(batch.tensor(&model.device()));
        let step = steps::Step::begin(sae, batch, &prefix)?;
        let mut readout = Readout::default();
        let asked =
            (passes != Passes::Reconstruction).then(|| step.ask_sparsity(sparsity, &mut readout));
        let losses = (passes != Passes::Sparsity && with_losses).then(|| {
            let spliced = step.into_spliced();
            let (resume, bytes) = (&prefix.resume, options.logit_bytes);
            steps::ask_reconstruction(model, batch, resume, spliced, bytes, &mut readout)
        });
        let numbers = readout.read();
        if let Some(asked) = asked {
            asked.add(batch, &numbers, sparsity);
        }
        if let Some(losses) = losses {
            steps::add_losses(batch, &losses.get(&numbers), (0, 1), reconstruction);
        }
        Ok(())
    };
    let counted = (options, last_with_losses);
    *stopped = for_each_batch(vocab_size, rows, counted, done, observer, work)?;
    Ok(())
}

/// Gathers rows into batches, does the work on each and tells the observer, counting on from `progress`; whether the observer stopped it.
/// The work is told whether the batch is among the first rows, those with losses: no batch has rows of both kinds.
fn for_each_batch<E: Error + 'static>(
    vocab_size: usize,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    (options, with_losses): (&ProtocolOptions, Option<u64>),
    mut progress: EvaluationProgress,
    observer: &mut impl Observer<EvaluationProgress>,
    mut work: impl FnMut(&Batch, bool) -> Result<(), ProtocolError<E>>,
) -> Result<bool, ProtocolError<E>> {
    let batches = Batches::new(
        rows.into_iter(),
        options.batch_size,
        vocab_size,
        &options.masking,
    );
    let left = with_losses.map(|rows| rows.saturating_sub(progress.sequences));
    for batch in batches.cut_after(left) {
        let batch = batch?;
        work(
            &batch,
            with_losses.is_none_or(|rows| progress.sequences < rows),
        )?;
        progress.sequences += batch.n_rows() as u64;
        progress.tokens += batch.n_tokens() as u64;
        tracing::debug!(progress.sequences, progress.tokens, "batch done");
        if observer.observe(&progress).is_break() {
            return Ok(true);
        }
    }
    Ok(false)
}
