//! The logit lens: which tokens a direction in the residual stream makes likelier.

use std::ops::Range;

use burn::tensor::{DType, Tensor};
use rayon::prelude::*;

use super::to_f32s;
use super::top::First;
use crate::{Lens, LensConvention, TokenLogit, ValueHistogram};

const N_TOKENS: usize = 10;
const BINS: usize = 50;
/// Entries of the vocabulary that are asked for at a time.
const PIECE: usize = 16_384;

/// A model's unembedding `W_U`, a piece of the vocabulary at a time, for models whose weights come as they are needed.
pub trait Unembedding {
    /// The number of tokens.
    fn vocab_size(&self) -> usize;

    /// `directions · W_U` for a range of the vocabulary; no norm, no bias.
    ///
    /// # Shapes
    /// `[n, d_model]` → `[n, entries.len()]`, in any float dtype.
    fn entries(&self, directions: Tensor<2>, entries: Range<usize>) -> Tensor<2>;
}

/// The lens of each direction.
///
/// With the final norm's weight γ the logits are `d · diag(γ) · W_U` less their mean over the vocabulary ([`LensConvention::Folded`]), without it
/// `d · W_U` ([`LensConvention::Raw`]). Logits that are NaN are left out. Equal logits come in the order of their ids.
///
/// At most `bytes` of f32 logits exist at a time, those of one direction at least; the unembedding is gone through once for as many directions
/// as that makes.
///
/// # Shapes
/// `directions`: `[n, d_model]`, `gamma`: `[d_model]` → one lens per direction.
pub fn lens(
    directions: &Tensor<2>,
    gamma: Option<&Tensor<1>>,
    unembedding: &(impl Unembedding + ?Sized),
    bytes: usize,
) -> Vec<Lens> {
    let [n, _] = directions.dims();
    let vocab_size = unembedding.vocab_size();
    let at_once = (bytes / (4 * vocab_size.max(1))).clamp(1, n.max(1));
    let convention = match gamma {
        Some(_) => LensConvention::Folded,
        None => LensConvention::Raw,
    };
    let mut lenses = Vec::with_capacity(n);
    for first in (0..n).step_by(at_once) {
        let count = at_once.min(n - first);
        let mut some = directions.clone().narrow(0, first, count);
        if let Some(gamma) = gamma {
            some = some.cast(DType::F32) * gamma.clone().cast(DType::F32).unsqueeze();
        }
        let logits = logits(&some, unembedding, count);
        let rows = logits.par_chunks(vocab_size.max(1));
        lenses.par_extend(rows.map(|row| of_logits(row, convention)));
    }
    lenses
}

/// `[count, vocab_size]`, row by row.
fn logits(
    directions: &Tensor<2>,
    unembedding: &(impl Unembedding + ?Sized),
    count: usize,
) -> Vec<f32> {
    let vocab_size = unembedding.vocab_size();
    let mut logits = vec![0.0; count * vocab_size];
    for first in (0..vocab_size).step_by(PIECE) {
        let entries = first..(first + PIECE).min(vocab_size);
        let width = entries.len();
        let piece = to_f32s(unembedding.entries(directions.clone(), entries));
        let rows = logits.chunks_exact_mut(vocab_size);
        for (row, piece) in rows.zip(piece.chunks_exact(width)) {
            row[first..first + width].copy_from_slice(piece);
        }
    }
    logits
}

fn of_logits(logits: &[f32], convention: LensConvention) -> Lens {
    let shift = match convention {
        LensConvention::Raw => 0.0,
        LensConvention::Folded => {
            let known = logits.iter().filter(|x| !x.is_nan());
            let (n, sum) = known.fold((0_u64, 0.0), |(n, sum), &x| (n + 1, sum + f64::from(x)));
            sum / n.max(1) as f64
        }
    };
    let shifted = |x: f32| (f64::from(x) - shift) as f32;
    let (mut top, mut bottom) = (First::new(N_TOKENS), First::new(N_TOKENS));
    let (mut min, mut max) = (f32::INFINITY, f32::NEG_INFINITY);
    for (token, &x) in logits.iter().enumerate() {
        let logit = shifted(x);
        if logit.is_nan() {
            continue;
        }
        let token = TokenLogit {
            token: token as u32,
            logit,
        };
        top.push(token, |a, b| b.logit.total_cmp(&a.logit));
        bottom.push(token, |a, b| a.logit.total_cmp(&b.logit));
        (min, max) = (min.min(logit), max.max(logit));
    }
    Lens {
        convention,
        top: top.into_vec(),
        bottom: bottom.into_vec(),
        histogram: histogram(logits.iter().map(|&x| shifted(x)), min, max),
    }
}

fn histogram(logits: impl Iterator<Item = f32>, min: f32, max: f32) -> ValueHistogram {
    if min > max {
        return ValueHistogram::default();
    }
    let (low, width) = (
        f64::from(min),
        (f64::from(max) - f64::from(min)) / BINS as f64,
    );
    let mut counts = vec![0; BINS];
    for x in logits.filter(|x| !x.is_nan()) {
        let bin = if width > 0.0 {
            ((f64::from(x) - low) / width) as usize
        } else {
            BINS
        };
        counts[bin.min(BINS - 1)] += 1;
    }
    ValueHistogram { min, max, counts }
}
