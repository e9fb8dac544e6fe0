//! Figures of one feature's activations.

use crate::{Quantile, Statistics, ValueHistogram};

const BINS: usize = 50;
/// The shares whose quantiles are kept.
pub(crate) const QUANTILES: [f64; 9] = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];

/// Of all activations above zero, in the order of the text, so that sums are the same to the last bit.
pub(super) fn statistics(values: &[f32], n_tokens: u64) -> Statistics {
    if values.is_empty() {
        return Statistics::default();
    }
    let n = values.len() as f64;
    let mean_of = |f: &dyn Fn(f64) -> f64| values.iter().map(|&x| f(f64::from(x))).sum::<f64>() / n;
    let mean = mean_of(&|x| x);
    let moment = |power| mean_of(&|x| (x - mean).powi(power));
    let variance = moment(2);
    let over = |moment: f64, scale: f64| if scale > 0.0 { moment / scale } else { 0.0 };
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let quantile = |p: f64| Quantile {
        p,
        value: sorted[((p * n).ceil() as usize).clamp(1, sorted.len()) - 1],
    };
    Statistics {
        n_fired: values.len() as u64,
        density: n / n_tokens as f64,
        max: sorted[sorted.len() - 1],
        mean,
        mean_square: mean_of(&|x| x * x),
        skewness: over(moment(3), variance.powf(1.5)),
        kurtosis: over(moment(4), variance * variance),
        quantiles: QUANTILES.map(quantile).to_vec(),
    }
}

/// In 50 bins from the least to the largest.
pub(super) fn histogram(values: &[f32]) -> ValueHistogram {
    let Some(min) = values.iter().copied().min_by(f32::total_cmp) else {
        return ValueHistogram::default();
    };
    let max = values.iter().copied().fold(min, f32::max);
    let (low, width) = (
        f64::from(min),
        (f64::from(max) - f64::from(min)) / BINS as f64,
    );
    let mut counts = vec![0; BINS];
    for &x in values {
        let bin = if width > 0.0 {
            ((f64::from(x) - low) / width) as usize
        } else {
            BINS
        };
        counts[bin.min(BINS - 1)] += 1;
    }
    ValueHistogram { min, max, counts }
}
