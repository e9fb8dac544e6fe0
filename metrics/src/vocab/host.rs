//! The reduction over the vocabulary in host memory, rows in parallel.

use super::{AT_ONCE, Altered, Runs, TokenLosses};
use burn::tensor::{DType, Tensor, TensorData};
use fused_ops::softmax::SoftmaxSums;
use rayon::prelude::*;
use std::ops::Range;

/// Vocabulary entries below which a product with the unembedding is inefficient.
const MIN_ENTRIES: usize = 1024;

/// The sums of one token over the part of the vocabulary seen so far, for a pair of altered runs.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Of the original logits, with the differences to those of the pair.
    original: SoftmaxSums<2>,
    /// Of each of the pair. Empty where all rows are the same one.
    altered: [SoftmaxSums; 2],
    /// The next token's logits: the original's and the pair's.
    target: [f32; 3],
}

/// A pair of altered runs, with what was summed up so far.
struct Pair {
    /// Which two; the same one twice where there is an odd one.
    runs: [usize; 2],
    /// Of each, the sums of the one row, where all rows are the same.
    alike: [Option<SoftmaxSums>; 2],
    states: Vec<State>,
}

/// Logits of some tokens over a piece of the vocabulary, in f32.
struct Piece {
    data: TensorData,
    width: usize,
    /// Whether there is one row for all tokens.
    alike: bool,
}

pub(super) fn losses(
    runs: &Runs,
    targets: &[u32],
    vocab_size: usize,
    max_bytes: usize,
    logits: impl Fn(Tensor<2>, Range<usize>) -> Tensor<2>,
) -> TokenLosses {
    let values = max_bytes / size_of::<f32>();
    let least = MIN_ENTRIES.min(vocab_size).max(1);
    // All tokens at once, if the vocabulary can be cut finely enough for that.
    let step = (values / least / AT_ONCE).clamp(1, targets.len().max(1));
    let entries = (values / (AT_ONCE * step)).clamp(least, vocab_size.max(1));
    let mut losses = TokenLosses {
        original: Vec::with_capacity(targets.len()),
        altered: vec![Vec::with_capacity(targets.len()); runs.altered.len()],
    };
    for (chunk, targets) in targets.chunks(step).enumerate() {
        let (first, n) = (chunk * step, targets.len());
        let mut pairs = pairs(runs, n);
        for start in (0..vocab_size).step_by(entries) {
            let range = start..(start + entries).min(vocab_size);
            let piece = |rows: Tensor<2>| Piece::new(logits(rows, range.clone()), n);
            let original = piece(runs.original(first, n));
            for pair in &mut pairs {
                let [a, b] = pair.runs;
                let one = piece(runs.altered(a, first, n));
                let other = (a != b).then(|| piece(runs.altered(b, first, n)));
                pair.push(
                    &original,
                    [&one, other.as_ref().unwrap_or(&one)],
                    targets,
                    &range,
                );
            }
        }
        for (at, pair) in pairs.iter().enumerate() {
            if at == 0 {
                let of = |state: &State| state.original.cross_entropy(state.target[0]);
                losses.original.extend(pair.states.iter().map(of));
            }
            let [a, b] = pair.runs;
            losses.altered[a].extend(pair.losses(0));
            if a != b {
                losses.altered[b].extend(pair.losses(1));
            }
        }
    }
    losses
}

/// The altered runs, two at a time, so that the exponentials of the original are made for two at once.
fn pairs(runs: &Runs, n: usize) -> Vec<Pair> {
    let all: Vec<usize> = (0..runs.altered.len()).collect();
    let pairs = all.chunks(2).map(|pair| {
        let pair = [pair[0], *pair.last().unwrap_or(&pair[0])];
        Pair {
            runs: pair,
            alike: pair.map(|run| {
                let alike = runs.altered[run].dims()[0] == 1;
                alike.then(SoftmaxSums::default)
            }),
            states: vec![State::default(); n],
        }
    });
    pairs.collect()
}

impl Pair {
    /// Adds a piece of the vocabulary.
    fn push(
        &mut self,
        original: &Piece,
        altered: [&Piece; 2],
        targets: &[u32],
        range: &Range<usize>,
    ) {
        for (sums, piece) in self.alike.iter_mut().zip(altered) {
            if let Some(sums) = sums {
                sums.push(piece.row(0), []);
            }
        }
        let alike = self.alike.map(|sums| sums.is_some());
        let twice = self.runs[0] == self.runs[1];
        let add = |(token, (state, &target)): (usize, (&mut State, &u32))| {
            let row = original.row(token);
            let others = altered.map(|piece| piece.row(token));
            state.original.push(row, others);
            for at in 0..2 {
                if !(alike[at] || twice && at == 1) {
                    state.altered[at].push(others[at], []);
                }
            }
            if range.contains(&(target as usize)) {
                let at = target as usize - range.start;
                state.target = [row[at], others[0][at], others[1][at]];
            }
        };
        let states = self.states.par_iter_mut().zip(targets).enumerate();
        states.with_min_len(8).for_each(add);
    }

    /// Of one of the pair.
    fn losses(&self, which: usize) -> impl Iterator<Item = Altered> {
        self.states.iter().map(move |state| {
            let sums = self.alike[which].as_ref().unwrap_or(&state.altered[which]);
            Altered {
                ce: sums.cross_entropy(state.target[1 + which]),
                kl: state.original.kl_divergence(which, sums),
            }
        })
    }
}

impl Piece {
    fn new(logits: Tensor<2>, n: usize) -> Self {
        let [rows, width] = logits.dims();
        Self {
            data: logits.cast(DType::F32).into_data(),
            width,
            alike: rows == 1 && n > 1,
        }
    }

    fn row(&self, token: usize) -> &[f32] {
        let data: &[f32] = self.data.as_slice().expect("was cast to f32");
        let row = if self.alike { 0 } else { token };
        &data[row * self.width..][..self.width]
    }
}
