//! Several SAEs on the same rows, with one run of the model as it is for all of them.

use super::batch::Batch;
use super::error::ProtocolError;
use super::steps::{AskedSparsity, Step, add_losses, check_width};
use super::{Evaluation, ProtocolOptions, for_each_batch};
use crate::activations::splice;
use crate::observer::EvaluationProgress;
use crate::statistics::ReconstructionStatistics;
use crate::tensors::{Numbers, Readout};
use crate::vocab::{Runs, token_losses};
use burn::tensor::Tensor;
use sae_progress::Observer;
use sae_traits::{Autoencoder, ChainEdit, ChainPlace, Ensemble, MultiSplitModel, Prefix, Splice};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::error::Error;

/// The result of [`evaluate_multi`]. It can be saved and resumed later, as an [`Evaluation`] can: see [`evaluate_multi_more`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MultiEvaluation {
    /// Of each SAE by itself, in their order: what [`evaluate`](crate::evaluate) gives.
    pub saes: Vec<Evaluation>,
    /// Of all of them in place at once, if that was asked for; its ablation zeroes every place.
    pub together: Option<ReconstructionStatistics>,
    /// Whether the observer stopped the work before the rows ended.
    pub stopped: bool,
}

impl MultiEvaluation {
    /// From what was measured of each SAE, and of all together if that is to be measured too.
    pub fn new(saes: Vec<Evaluation>, together: Option<ReconstructionStatistics>) -> Self {
        Self {
            saes,
            together,
            stopped: false,
        }
    }
}

/// Evaluates several SAEs, each with its place in the model, and with `together` also all of them in place at once.
///
/// The model runs once as it is, and its logits are made once. What lies above a place runs once for each SAE there, on its reconstruction,
/// and once on zeros. The figures of an SAE are those of [`evaluate`](crate::evaluate): bit for bit, if the model gives the same activations.
///
/// Together, the activation at each place becomes the SAE's reconstruction of what those below have left, without error terms: with them, every
/// activation would stay what it is, and so would the losses. SAEs at one place follow one another in their order.
///
/// # Errors
/// As [`evaluate`](crate::evaluate).
///
/// # Panics
/// If there is no place of a number.
pub fn evaluate_multi<M, S, E>(
    model: &M,
    saes: &[(usize, S)],
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    together: bool,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<MultiEvaluation, ProtocolError<E>>
where
    M: MultiSplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    evaluate_ensemble(model, saes, rows, options, together, observer)
}

/// As [`evaluate_multi`], adding to what has been measured on earlier rows; all in place at once are measured if `evaluation` has them. Bit for bit
/// the same as one evaluation of all of the rows, if each part but the last is a whole number of batches. The observer counts from the first row
/// of all.
///
/// # Errors
/// As [`evaluate`](crate::evaluate); `evaluation` then holds the batches done.
///
/// # Panics
/// If there is no place of a number, or `evaluation` is of other SAEs: of another number of them, or of features.
pub fn evaluate_multi_more<M, S, E>(
    model: &M,
    saes: &[(usize, S)],
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    evaluation: &mut MultiEvaluation,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<(), ProtocolError<E>>
where
    M: MultiSplitModel,
    S: Autoencoder,
    E: Error + 'static,
{
    add(model, saes, rows, options, evaluation, observer)
}

/// As [`evaluate_multi`], of autoencoders that may use one another's features, such as the layers of a cross-layer transcoder.
///
/// By itself, each member is measured on the activations of the model as it is, and so are the features of others that it uses. Together, the
/// features are those of a run in which all below are in place, as far as the ensemble can compute them on the way.
///
/// # Errors
/// As [`evaluate`](crate::evaluate).
///
/// # Panics
/// As [`evaluate_multi`].
pub fn evaluate_ensemble<M, S, E>(
    model: &M,
    saes: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    together: bool,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<MultiEvaluation, ProtocolError<E>>
where
    M: MultiSplitModel,
    S: Ensemble + ?Sized,
    E: Error + 'static,
{
    let new = |member: usize| Evaluation::new(saes.d_sae(member), options.legacy_bytes);
    let together = together.then(ReconstructionStatistics::default);
    let of_members = (0..saes.n_members()).map(new).collect();
    let mut found = MultiEvaluation::new(of_members, together);
    add(model, saes, rows, options, &mut found, observer)?;
    Ok(found)
}

fn add<M, S, E>(
    model: &M,
    saes: &S,
    rows: impl IntoIterator<Item = Result<Vec<u32>, E>>,
    options: &ProtocolOptions,
    evaluation: &mut MultiEvaluation,
    observer: &mut impl Observer<EvaluationProgress>,
) -> Result<(), ProtocolError<E>>
where
    M: MultiSplitModel,
    S: Ensemble + ?Sized,
    E: Error + 'static,
{
    let of = evaluation.saes.iter();
    assert!(
        of.map(|of| of.sparsity.density.d_sae())
            .eq((0..saes.n_members()).map(|member| saes.d_sae(member))),
        "an evaluation is of its own SAEs"
    );
    let tokens = evaluation.saes.first().map(|of| &of.sparsity.tokens);
    let done = EvaluationProgress {
        sequences: tokens.map_or(0, |tokens| tokens.sequences),
        tokens: tokens.map_or(0, |tokens| tokens.seen),
    };
    let vocab_size = model.vocab_size();
    let work = |batch: &Batch, with_losses: bool| {
        if with_losses {
            one_batch(model, saes, batch, options.logit_bytes, evaluation)
        } else {
            sparsity_of_batch(model, saes, batch, evaluation)
        }
    };
    let counted = (options, options.reconstruction_rows);
    let stopped = for_each_batch(vocab_size, rows, counted, done, observer, work)?;
    evaluation.stopped = stopped;
    for evaluation in &mut evaluation.saes {
        evaluation.stopped = stopped;
    }
    Ok(())
}

/// Of a batch without losses: nothing above the last place is run.
fn sparsity_of_batch<M, S, E>(
    model: &M,
    saes: &S,
    batch: &Batch,
    found: &mut MultiEvaluation,
) -> Result<(), ProtocolError<E>>
where
    M: MultiSplitModel,
    S: Ensemble + ?Sized,
    E: Error + 'static,
{
    let places = model.prefixes(batch.tensor(&model.device()));
    let mut readout = Readout::default();
    let (_, asked) = reconstruct(saes, batch, &places, found, &mut readout, |_, _| ())?;
    add_sparsity(&asked, batch, &readout.read(), found);
    Ok(())
}

/// Takes what has been read of each member into its statistics.
fn add_sparsity(
    asked: &[AskedSparsity],
    batch: &Batch,
    numbers: &Numbers,
    found: &mut MultiEvaluation,
) {
    for (asked, evaluation) in asked.iter().zip(&mut found.saes) {
        asked.add(batch, numbers, &mut evaluation.sparsity);
    }
}

/// What each member makes of the activations at its place: its statistics are asked for, then it is handed on. The features of one at a time.
fn reconstruct<S, E>(
    saes: &S,
    batch: &Batch,
    places: &[Prefix<()>],
    found: &mut MultiEvaluation,
    readout: &mut Readout,
    mut each: impl FnMut(usize, Step<'_, ()>),
) -> Result<(S::Memory, Vec<AskedSparsity>), ProtocolError<E>>
where
    S: Ensemble + ?Sized,
    E: Error + 'static,
{
    let members = 0..saes.n_members();
    let place = |member: usize| &places[saes.place(member)];
    for member in members.clone() {
        let input = &place(member).input;
        check_width("the activation at the hook", saes.d_in(member), input)?;
    }
    let inputs: Vec<Tensor<3>> = members.map(|member| place(member).input.clone()).collect();
    let mut memory = saes.begin(&inputs);
    let mut asked = Vec::with_capacity(inputs.len());
    for (member, (input, evaluation)) in inputs.into_iter().zip(&mut found.saes).enumerate() {
        let made = saes.reconstruct(member, input, &mut memory);
        let step = Step::of(batch, place(member), made)?;
        asked.push(step.ask_sparsity(&mut evaluation.sparsity, readout));
        each(member, step);
    }
    Ok((memory, asked))
}

fn one_batch<M, S, E>(
    model: &M,
    saes: &S,
    batch: &Batch,
    logit_bytes: usize,
    found: &mut MultiEvaluation,
) -> Result<(), ProtocolError<E>>
where
    M: MultiSplitModel,
    S: Ensemble + ?Sized,
    E: Error + 'static,
{
    let run = model.run(batch.tensor(&model.device()));
    let mut edits = Vec::new();
    let mut readout = Readout::default();
    let edit = |member, step: Step<'_, ()>| {
        edits.push((saes.place(member), Splice::Replace(step.into_spliced())));
    };
    let (memory, asked) = reconstruct(saes, batch, &run.places, found, &mut readout, edit)?;
    // One run on zeros for all SAEs of a place.
    let mut zero_at = vec![None; model.n_places()];
    for member in 0..saes.n_members() {
        let place = saes.place(member);
        if zero_at[place].is_none() {
            zero_at[place] = Some(edits.len());
            edits.push((place, Splice::Zero));
        }
    }
    let mut altered = model.suffixes(&run.resume, edits);
    let first_chain = altered.len();
    if found.together.is_some() {
        altered.push(chained(model, saes, batch, &run.resume, &memory));
        altered.push(model.chain(&run.resume, ChainEdit::Zero));
    }
    let runs = Runs::new(run.normed, altered);
    // What the runs began with is not needed any more; the logits take its room.
    drop((run.resume, run.places));
    let logits = |rows, entries| model.logits(rows, entries);
    let (targets, vocab_size) = (batch.next_tokens(), model.vocab_size());
    let losses = token_losses(
        logits,
        &runs,
        &targets,
        vocab_size,
        logit_bytes,
        &mut readout,
    );
    let numbers = readout.read();
    add_sparsity(&asked, batch, &numbers, found);
    let losses = losses.get(&numbers);
    for (member, evaluation) in found.saes.iter_mut().enumerate() {
        let zero = zero_at[saes.place(member)].expect("every place in use was zeroed");
        let runs = (member, zero);
        add_losses(batch, &losses, runs, &mut evaluation.reconstruction);
    }
    if let Some(together) = &mut found.together {
        add_losses(batch, &losses, (first_chain, first_chain + 1), together);
    }
    Ok(())
}

/// The run with all SAEs in place.
fn chained<M: MultiSplitModel, S: Ensemble + ?Sized>(
    model: &M,
    saes: &S,
    batch: &Batch,
    resume: &M::Resume,
    memory: &S::Memory,
) -> Tensor<3> {
    let p = batch.row_length;
    // Some rows at a time come to a place, and those of another part may come there before these come to the next.
    let mut memories: BTreeMap<usize, S::Memory> = BTreeMap::new();
    let mut replace = |at: ChainPlace| {
        let ChainPlace {
            place,
            rows,
            input,
            target,
            ..
        } = at;
        let kept = &batch.in_losses[rows.start * p..rows.end * p];
        let known = memories
            .entry(rows.start)
            .or_insert_with(|| saes.begin_chain(memory, rows, p));
        let reads_elsewhere = target.is_some();
        let mut x = target.unwrap_or_else(|| input.clone());
        for member in (0..saes.n_members()).filter(|&member| saes.place(member) == place) {
            let input = if reads_elsewhere {
                input.clone()
            } else {
                x.clone()
            };
            x = splice(&x, saes.reconstruct(member, input, known).decoded, kept);
        }
        x
    };
    model.chain(resume, ChainEdit::Replace(&mut replace))
}
