//! The topk family: features selected by number.

use super::batch::{Batch, Piece, part};
use super::revive::Revival;
use super::select::{bar, row_bars};
use super::sums::{Sums, count_on, ones, total};
use super::weights::{Gradient, add};
use crate::architecture::TrainArchitecture;
use burn::tensor::{Bool, Tensor};

/// Stands for "none is active"; a key that large is no number to train on.
pub(super) const NONE_ACTIVE: f32 = f32::MAX;

/// What comes out of the selection and its reconstructions, summed over tokens.
#[derive(Debug)]
pub(super) struct Selected {
    /// Σ of squared errors, `[1, 1]`, one for each group of features and all before it.
    pub(super) squared: Vec<Option<Tensor<2>>>,
    /// The least key that was selected, `[1, 1]`; batchtopk only.
    pub(super) least: Option<Tensor<2>>,
}

/// A step of the topk family. `widths` are the ends of groups of features.
pub(super) fn topk(
    batch: &Batch<'_>,
    widths: &[usize],
    revival: &mut Revival,
    gradient: &mut Gradient,
    sums: &mut Sums,
) -> Selected {
    let is_batch = batch.options.architecture.is_batch_topk();
    // Batchtopk must see the whole batch before it knows what is active.
    let mut kept: Vec<Tensor<2>> = Vec::new();
    if is_batch {
        let all = batch.pieces();
        kept.extend(all.map(|piece| batch.pre_activations(&piece)));
    }
    let bars = is_batch.then(|| batch_bars(batch, &kept));
    let mut found = Selected {
        squared: vec![None; widths.len()],
        least: None,
    };
    let mut kept = kept.into_iter();
    for piece in batch.pieces() {
        let h = kept.next().unwrap_or_else(|| batch.pre_activations(&piece));
        let off = match &bars {
            Some(bars) => h.clone().lower_equal(bars.clone()),
            None => off_in_rows(batch, &h),
        };
        if is_batch {
            let keys = keys(batch, &h, &batch.norms);
            let keys = keys.mask_fill(off.clone(), NONE_ACTIVE);
            let least = keys.min_dim(1).min_dim(0);
            found.least = Some(match found.least.take() {
                Some(before) => before.min_pair(least),
                None => least,
            });
        }
        add(&mut sums.fired, count_on(off.clone()));
        let values = h.clone().mask_fill(off.clone(), 0.0);
        let values = batch.product.operand(values);
        let errors = errors(batch, &piece, &values, widths);
        for (sum, errors) in found.squared.iter_mut().zip(&errors) {
            add(sum, total(errors.clone().square()));
        }
        revival.piece(batch, &piece, &h, &errors);
        let df = back(batch, &values, errors, widths, gradient);
        batch.encoder_gradient(df.mask_fill(off, 0.0), &piece, gradient, sums);
    }
    found
}

/// What features are selected by. `norms` are those of the columns.
pub(super) fn keys(batch: &Batch<'_>, h: &Tensor<2>, norms: &Tensor<2>) -> Tensor<2> {
    let h = if batch.options.architecture == TrainArchitecture::AbsTopK {
        h.clone().abs()
    } else {
        h.clone()
    };
    if batch.options.rescale_acts_by_decoder_norm {
        h * norms.clone()
    } else {
        h
    }
}

/// All but the k largest of each token that are above 0: only what is positive survives the ReLU, and a magnitude of 0 is nothing.
fn off_in_rows(batch: &Batch<'_>, h: &Tensor<2>) -> Tensor<2, Bool> {
    let keys = keys(batch, h, &batch.norms);
    let bars = row_bars(&keys, batch.options.k as usize, true);
    keys.lower_equal(bars)
}

/// For each feature what its pre-activation must exceed, `[1, d_sae]` or `[1, 1]`: one number divided by the features' norms.
fn batch_bars(batch: &Batch<'_>, kept: &[Tensor<2>]) -> Tensor<2> {
    let wanted = (batch.options.k * batch.rows as f64) as usize;
    let of = |bar: &Tensor<2>| {
        if batch.options.rescale_acts_by_decoder_norm {
            // Nothing makes a feature without a direction active.
            let flat = batch.norms.clone().lower_equal_scalar(0.0);
            (bar.clone() / batch.norms.clone()).mask_fill(flat, f32::MAX)
        } else {
            bar.clone()
        }
    };
    let most = kept.iter().map(|h| {
        let most = keys(batch, &h.clone().max_dim(0), &batch.norms);
        most.max_dim(1)
    });
    let most = most.reduce(Tensor::max_pair);
    let Some(most) = most else {
        return batch.norms.zeros_like();
    };
    let above = |middle: &Tensor<2>| {
        let bars = of(middle);
        let counts = kept
            .iter()
            .map(|h| total(ones(h.clone().greater(bars.clone()))));
        let sum = counts.reduce(|a, b| a + b);
        sum.unwrap_or_else(|| middle.zeros_like())
    };
    // With a wish of 0 nothing is above the largest.
    of(&bar(most.zeros_like(), most, wanted, above))
}

/// Reconstruction minus target, unscaled: for each group of features, by it and all before it. `values` are an operand.
fn errors(
    batch: &Batch<'_>,
    piece: &Piece,
    values: &Tensor<2>,
    widths: &[usize],
) -> Vec<Tensor<2>> {
    let mut so_far = piece.base.clone() - piece.target.clone();
    groups(widths)
        .map(|(start, len)| {
            let values = part(values, 1, start, len);
            let decoded = batch.product.of(values, part(&batch.w_dec, 0, start, len));
            so_far = decoded + so_far.clone();
            so_far.clone()
        })
        .collect()
}

/// From errors to the gradients of the decoder and its bias, and to that of the values, which is returned.
fn back(
    batch: &Batch<'_>,
    values: &Tensor<2>,
    errors: Vec<Tensor<2>>,
    widths: &[usize],
    gradient: &mut Gradient,
) -> Tensor<2> {
    let product = batch.product;
    let mut later: Option<Tensor<2>> = None;
    let (mut of_rows, mut of_values) = (Vec::new(), Vec::new());
    let groups: Vec<_> = groups(widths).collect();
    for ((start, len), errors) in groups.into_iter().zip(errors).rev() {
        // A group's features are part of its own reconstruction and of all later ones.
        add(&mut later, errors.mul_scalar(batch.scale));
        let Some(flowing) = later.clone().map(|e| product.operand(e)) else {
            continue;
        };
        let values = part(values, 1, start, len);
        of_rows.push(product.of(values.transpose(), flowing.clone()));
        let w_dec = part(&batch.w_dec, 0, start, len);
        of_values.push(product.of(flowing, w_dec.transpose()));
    }
    if let Some(all) = later {
        add(&mut gradient.b_dec, all.sum_dim(0));
    }
    add(&mut gradient.w_dec, joined(of_rows, 0));
    joined(of_values, 1)
}

/// What was made from the last to the first, as one.
fn joined(mut parts: Vec<Tensor<2>>, axis: usize) -> Tensor<2> {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    parts.reverse();
    Tensor::cat(parts, axis)
}

/// Where each group of features begins, and how many they are.
fn groups(widths: &[usize]) -> impl Iterator<Item = (usize, usize)> {
    let starts = std::iter::once(0).chain(widths.iter().copied());
    starts.zip(widths).map(|(start, end)| (start, end - start))
}
