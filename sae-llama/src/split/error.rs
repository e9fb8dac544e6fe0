//! Why an SAE does not fit a model.

use llama_hooked::{HookPoint, LayerOutOfRange, UnknownHook};

/// An SAE that cannot be put in place: which hook, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The configuration names no hook.
    #[error("cfg.json names no hook (metadata.hook_name); say where the SAE belongs")]
    NoHook,
    /// The name is not a hook's.
    #[error(transparent)]
    UnknownHook(#[from] UnknownHook),
    /// The model has fewer layers.
    #[error(transparent)]
    Layer(#[from] LayerOutOfRange),
    /// Output would come before input.
    #[error("the SAE writes at {write}, before it reads at {read}")]
    WriteBeforeRead {
        /// Where it reads.
        read: HookPoint,
        /// Where it writes.
        write: HookPoint,
    },
    /// Attention scores and patterns.
    #[error("{0} has one value per pair of positions: no SAE can work on it")]
    ByPairs(HookPoint),
    /// The logits.
    #[error(
        "{0} is the logits: no SAE can work on it; unembed.hook_in is the last point that one can sit at"
    )]
    Logits(HookPoint),
    /// Heads on one side only.
    #[error(
        "the SAE reads at {read} and writes at {write}: one has an axis of heads and the other has none; both must, or neither"
    )]
    Heads {
        /// Where it reads.
        read: HookPoint,
        /// Where it writes.
        write: HookPoint,
    },
    /// A head of a point that has none.
    #[error("hook_head_index is {head}, but {point} has no heads")]
    NoHeads {
        /// The head asked for.
        head: usize,
        /// Where.
        point: HookPoint,
    },
    /// A head beyond the last.
    #[error("hook_head_index is {head}, but {point} has {n_heads} heads")]
    HeadOutOfRange {
        /// The head asked for.
        head: usize,
        /// Where.
        point: HookPoint,
        /// How many there are.
        n_heads: usize,
    },
    /// A point with heads, and nothing that says what to do with them.
    #[error(
        "{0} has an axis of heads: the SAE needs reshape_activations \"hook_z\" or a hook_head_index in cfg.json"
    )]
    HeadAxis(HookPoint),
    /// The SAE is of other widths.
    #[error(
        "the SAE goes from width {d_in} to {d_out}, the model has {read_width} at {read} and {write_width} at {write}; does this SAE belong to this model and hook?"
    )]
    Widths {
        /// The SAE's input.
        d_in: usize,
        /// The SAE's output.
        d_out: usize,
        /// Where it reads.
        read: HookPoint,
        /// How wide that is.
        read_width: usize,
        /// Where it writes.
        write: HookPoint,
        /// How wide that is.
        write_width: usize,
    },
}
