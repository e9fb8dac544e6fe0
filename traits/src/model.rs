//! The trait of a language model.

use burn::tensor::{Device, Int, Tensor};
use std::ops::Range;

/// A language model cut in two at the point an SAE works on.
///
/// The *read point* is where the SAE takes its input, the *write point* where its output goes. For an SAE proper they are the
/// same hook; a transcoder reads, say, `ln2.hook_normalized` and writes `hook_mlp_out` of the same or a later layer. All
/// tensors are `[b, p, d]`; a hook with a head axis (`hook_z`) is flattened to `[b, p, heads·d_head]`, or narrowed to the one
/// head the SAE was trained on, by the implementation, which undoes it in [`suffix`](Self::suffix).
///
/// Where to cut is the implementation's choice, as long as everything below the write point that the suffix needs is in
/// [`Resume`](Self::Resume) and is computed once:
///
/// | SAE at | `prefix` runs | `Resume` | `suffix` runs |
/// |---|---|---|---|
/// | `blocks.i.hook_resid_pre` | blocks 0..i | the residual stream | blocks i.. on the edit |
/// | `blocks.i.hook_resid_post` | blocks 0..=i | the residual stream | blocks i+1.. on the edit |
/// | `blocks.i.hook_mlp_out` | blocks 0..=i | resid_mid of block i, and mlp_out | blocks i+1.. on resid_mid + edit |
/// | `blocks.i.attn.hook_z` | blocks 0..i, and block i up to z | resid_pre of block i | block i with z replaced, then the rest |
/// | transcoder, read r, write w | up to w, capturing r | what lies beside w | from w on |
pub trait SplitModel {
    /// The state that [`suffix`](Self::suffix) starts from. Tensors are reference-counted, so this is usually a tensor or two.
    type Resume;

    /// Runs the layers up to the write point once.
    ///
    /// # Shapes
    /// `tokens`: `[b, p]`, ids below [`vocab_size`](Self::vocab_size).
    fn prefix(&self, tokens: Tensor<2, Int>) -> Prefix<Self::Resume>;

    /// Runs the rest of the network and its final norm once for each edit of the activation at the write point. All edits come in
    /// one call, for implementations that bring weights in layer by layer.
    ///
    /// # Shapes
    /// One result per edit: `[b, p, d_model]`, the input of [`logits`](Self::logits). Where every position comes out the same,
    /// as it may under [`Splice::Zero`], the result may be `[1, 1, d_model]`, which is then the result for all of them.
    fn suffix(&self, resume: &Self::Resume, edits: Vec<Splice>) -> Vec<Tensor<3>>;

    /// Maps final-norm outputs to the logits of a range of the vocabulary, each row on its own. Called for a piece at a time.
    ///
    /// # Shapes
    /// `normed`: `[n, d_model]` → `[n, entries.len()]`, in any float dtype.
    fn logits(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2>;

    /// The number of token ids, and of logits.
    fn vocab_size(&self) -> usize;

    /// The device that token tensors must be on.
    fn device(&self) -> Device;
}

/// An edit of the activation at the write point.
#[derive(Debug, Clone)]
pub enum Splice {
    /// It stays as it was.
    Keep,
    /// It is replaced by this, of the shape of [`Prefix::target`].
    Replace(Tensor<3>),
    /// It is zero at every position.
    Zero,
}

/// The outcome of [`SplitModel::prefix`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Prefix<R> {
    /// Handed back to [`SplitModel::suffix`], once per variant.
    pub resume: R,
    /// `[b, p, d_in]`, the activation at the read point: the SAE's input.
    pub input: Tensor<3>,
    /// `[b, p, d_out]`, the activation at the write point, which the SAE's output replaces; `None` where it is the input
    /// itself, as for every SAE that is not a transcoder.
    pub target: Option<Tensor<3>>,
}

impl<R> Prefix<R> {
    /// From the state that `suffix` starts from and the SAE's input, which is also the target.
    pub fn new(resume: R, input: Tensor<3>) -> Self {
        Self {
            resume,
            input,
            target: None,
        }
    }

    /// With a target of its own, where the SAE writes elsewhere than it reads.
    #[must_use]
    pub fn with_target(self, target: impl Into<Option<Tensor<3>>>) -> Self {
        Self {
            target: target.into(),
            ..self
        }
    }

    /// The activation that the SAE's output is compared with: the target, or the input where there is no separate target.
    pub fn target(&self) -> &Tensor<3> {
        self.target.as_ref().unwrap_or(&self.input)
    }
}
