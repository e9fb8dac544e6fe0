//! How much memory training takes, known before anything is made.

use crate::architecture::TrainArchitecture;
use crate::host::HostStep;
use crate::options::TrainOptions;
use crate::weights::Shape;

/// Bytes of a number.
const F32: u64 = 4;
/// Entries of a token in the sparse form: index, pre-activation, gradient, and their places by feature.
const ENTRY: u64 = 4 + 4 + 8 + 8;

/// Bytes of one SAE in training, by use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct TrainMemory {
    /// Weights, their gradient, two moments, and the moving average if there is one.
    pub state: u64,
    /// What a step works in.
    pub step: u64,
}

/// The memory of one SAE.
pub fn of_run(options: &TrainOptions, shape: Shape) -> TrainMemory {
    let Shape { d_in, d_out, d_sae } = shape;
    let [d_in, d_out, d_sae] = [d_in, d_out, d_sae].map(|n| n as u64);
    let params = shape.n_params(options.architecture) as u64;
    let copies = 4 + u64::from(options.ema_decay.is_some());
    let tokens = options.train_batch_size_tokens as u64;
    let piece = tokens.min(HostStep::piece_tokens(shape.d_sae) as u64);
    let architecture = options.architecture;
    // Pre-activations, and for the dense form the values of one or two channels.
    let dense = match architecture {
        TrainArchitecture::Gated => 3,
        _ if architecture.is_topk() || architecture == TrainArchitecture::MatchingPursuit => 1,
        _ => 2,
    };
    let (at_once, groups, entries) = if architecture.is_topk() {
        let groups = options.matryoshka_widths.len().max(1) as u64 + 2;
        // Dead features of a token that are revived may be as many as half the width.
        let k = options.k.ceil() as u64 + d_in / 2;
        (tokens, groups, tokens * k.min(d_sae) * ENTRY)
    } else {
        (piece, 2, piece * d_sae / 12 * ENTRY)
    };
    let rows = tokens * d_in * 2 + at_once * d_out * groups;
    TrainMemory {
        state: copies * params * F32,
        step: piece * d_sae * dense * F32 + rows * F32 + entries,
    }
}

/// The buffer of activations of this width together, with a batch taken from it and the rows that come next.
pub fn of_buffer(
    width: usize,
    buffer_tokens: usize,
    batch_tokens: usize,
    incoming_tokens: usize,
) -> u64 {
    let rows = buffer_tokens.max(batch_tokens) + incoming_tokens + batch_tokens + incoming_tokens;
    (rows * width) as u64 * F32
}
