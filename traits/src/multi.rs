//! The trait of a language model with several places for SAEs.

use crate::{Prefix, Splice};
use burn::tensor::{Device, Int, Tensor};
use std::fmt;
use std::ops::Range;

/// A language model that several SAEs are measured in, each at a place of its own or together with others at one. It runs once for all of them
/// as it is, and above a place once for each edit there.
///
/// A place is what [`SplitModel`](crate::SplitModel) calls the read point and the write point of an SAE; places count from 0.
pub trait MultiSplitModel {
    /// The state that other runs start from: what the run as it is has left at each place.
    type Resume;

    /// How many places there are.
    fn n_places(&self) -> usize;

    /// Runs the whole network once, as it is.
    ///
    /// # Shapes
    /// `tokens`: `[b, p]`, ids below [`vocab_size`](Self::vocab_size).
    fn run(&self, tokens: Tensor<2, Int>) -> MultiRun<Self::Resume>;

    /// Runs the network as it is, as far as the last place: the activations at each.
    ///
    /// # Shapes
    /// As of [`run`](Self::run).
    fn prefixes(&self, tokens: Tensor<2, Int>) -> Vec<Prefix<()>> {
        self.run(tokens).places
    }

    /// Runs what lies above a place, and the final norm, once for each edit: the place, and what happens there. All edits come in one call, for
    /// implementations that bring weights in layer by layer.
    ///
    /// # Shapes
    /// As of [`SplitModel::suffix`](crate::SplitModel::suffix).
    fn suffixes(&self, resume: &Self::Resume, edits: Vec<(usize, Splice)>) -> Vec<Tensor<3>>;

    /// Runs the network with every place edited in the order in which they come, so that each edit sees what those below have left.
    ///
    /// # Shapes
    /// As of [`SplitModel::suffix`](crate::SplitModel::suffix).
    fn chain(&self, resume: &Self::Resume, edit: ChainEdit<'_>) -> Tensor<3>;

    /// As [`SplitModel::logits`](crate::SplitModel::logits).
    fn logits(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2>;

    /// The number of token ids, and of logits.
    fn vocab_size(&self) -> usize;

    /// The device that token tensors must be on.
    fn device(&self) -> Device;
}

/// The outcome of [`MultiSplitModel::run`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct MultiRun<R> {
    /// Handed back to the other runs.
    pub resume: R,
    /// The activations at each place.
    pub places: Vec<Prefix<()>>,
    /// `[b, p, d_model]`, the output of the final norm: the input of [`MultiSplitModel::logits`].
    pub normed: Tensor<3>,
}

impl<R> MultiRun<R> {
    /// From the state, the activations at each place, and the output of the final norm.
    pub fn new(resume: R, places: Vec<Prefix<()>>, normed: Tensor<3>) -> Self {
        Self {
            resume,
            places,
            normed,
        }
    }
}

/// What happens at every place of [`MultiSplitModel::chain`].
pub enum ChainEdit<'a> {
    /// All are zero at every position.
    Zero,
    /// Given what is there, says what comes in its place.
    Replace(&'a mut dyn FnMut(ChainPlace) -> Tensor<3>),
}

impl fmt::Debug for ChainEdit<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Zero => "Zero",
            Self::Replace(_) => "Replace(..)",
        })
    }
}

/// An activation in a run that was edited further down.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ChainPlace {
    /// Which place it is.
    pub place: usize,
    /// Which rows of the batch it is of.
    pub rows: Range<usize>,
    /// `[rows, p, d_in]`, the activation at the read point.
    pub input: Tensor<3>,
    /// `[rows, p, d_out]`, the activation at the write point; `None` where it is the input itself.
    pub target: Option<Tensor<3>>,
}

impl ChainPlace {
    /// The activations at a place, for some rows of a batch.
    pub fn new(
        place: usize,
        rows: Range<usize>,
        input: Tensor<3>,
        target: Option<Tensor<3>>,
    ) -> Self {
        Self {
            place,
            rows,
            input,
            target,
        }
    }
}
