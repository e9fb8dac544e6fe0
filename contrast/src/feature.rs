//! One feature in two sets.

use crate::auroc::auroc;
use crate::groups::{Groups, Set};
use crate::moments::Moments;
use crate::observations::Entry;
use crate::permutation::differences;
use crate::student::two_sided_p;
use serde::Serialize;

/// The prompt of a set in which a feature is largest, and where.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Top {
    /// The prompt, counted from 0 within its set.
    pub prompt: usize,
    /// The token of the maximum, counted from 0.
    pub position: u32,
    /// The value of the prompt.
    pub value: f32,
}

/// What tells the sets apart in one feature. Positive is more in `a`.
///
/// Values are those of prompts, the zeros among them. What is undefined (a deviation of one prompt, an effect where nothing varies) is none; what varies
/// by less than a millionth of its size does so by rounding, and counts as not varying.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FeatureContrast {
    /// The feature.
    pub feature: u32,
    /// Mean over the prompts of `a`.
    pub mean_a: f64,
    /// Mean over the prompts of `b`.
    pub mean_b: f64,
    /// Standard deviation over the prompts of `a`, ddof 1.
    pub sd_a: Option<f64>,
    /// Standard deviation over the prompts of `b`, ddof 1.
    pub sd_b: Option<f64>,
    /// Prompts of `a` in which it is not zero.
    pub n_fired_a: usize,
    /// Prompts of `b` in which it is not zero.
    pub n_fired_b: usize,
    /// Share of the prompts of `a` in which it is not zero.
    pub freq_a: f64,
    /// Share of the prompts of `b` in which it is not zero.
    pub freq_b: f64,
    /// Cohen's d: the difference of the means over the pooled deviation, `√(((n_a−1)s_a² + (n_b−1)s_b²)/(n_a+n_b−2))`.
    pub cohens_d: Option<f64>,
    /// Hedges' g: d times `1 − 3/(4(n_a+n_b)−9)`, without d's bias in small sets.
    pub hedges_g: Option<f64>,
    /// Of pairs: the mean of the differences over their standard deviation, ddof 1.
    pub d_z: Option<f64>,
    /// Probability that a prompt of `a` is above one of `b`, ties counting half.
    pub auroc: f64,
    /// Welch's t, or of pairs the paired one.
    pub t: Option<f64>,
    /// Its degrees of freedom (Welch and Satterthwaite's).
    pub df: Option<f64>,
    /// Two-sided p of `t`.
    pub p: Option<f64>,
    /// Two-sided p by permutation.
    pub p_permutation: Option<f64>,
    /// Benjamini and Hochberg's q of `p` among the features that are tested; none for others.
    pub q: Option<f64>,
    /// The same of `p_permutation`.
    pub q_permutation: Option<f64>,
    /// Where it is largest in `a`; none if it is zero there.
    pub top_a: Option<Top>,
    /// Where it is largest in `b`.
    pub top_b: Option<Top>,
}

impl FeatureContrast {
    /// Of the prompts in which the feature is not zero.
    pub(crate) fn new(feature: u32, entries: &[Entry], groups: &Groups) -> Self {
        let cut = entries.partition_point(|entry| groups.set(entry.prompt as usize) == Set::A);
        let (a, b) = entries.split_at(cut);
        let of = |n, entries: &[Entry]| Moments::new(n, entries.iter().map(|e| f64::from(e.value)));
        let (in_a, in_b) = (of(groups.n_a(), a), of(groups.n_b(), b));
        let difference = in_a.mean - in_b.mean;
        let vary = in_a.vary(&in_b);
        let pooled = in_a.pooled_sd(&in_b).filter(|_| vary);
        let cohens_d = pooled.map(|sd| difference / sd);
        let hedges = 1.0 - 3.0 / (4.0 * groups.n() as f64 - 9.0);
        let (t, d_z) = if groups.paired() {
            paired(entries, groups.n_a(), in_a.mean.abs().max(in_b.mean.abs()))
        } else {
            (vary.then(|| welch(&in_a, &in_b)).flatten(), None)
        };
        let nonzero: Vec<_> = entries
            .iter()
            .map(|e| (e.value, groups.set(e.prompt as usize) == Set::A))
            .collect();
        Self {
            feature,
            mean_a: in_a.mean,
            mean_b: in_b.mean,
            sd_a: in_a.sd(),
            sd_b: in_b.sd(),
            n_fired_a: a.len(),
            n_fired_b: b.len(),
            freq_a: a.len() as f64 / groups.n_a() as f64,
            freq_b: b.len() as f64 / groups.n_b() as f64,
            cohens_d,
            hedges_g: cohens_d.map(|d| d * hedges),
            d_z,
            auroc: auroc(groups.n_a(), groups.n_b(), &nonzero).unwrap_or(0.5),
            t: t.map(|(t, _)| t),
            df: t.map(|(_, df)| df),
            p: t.map(|(t, df)| two_sided_p(t, df)),
            p_permutation: None,
            q: None,
            q_permutation: None,
            top_a: top(a, 0),
            top_b: top(b, groups.n_a()),
        }
    }

    /// Prompts in which it is not zero.
    pub fn n_fired(&self) -> usize {
        self.n_fired_a + self.n_fired_b
    }

    /// Whether each set has one value, and not the same: the sets are told apart for certain, and no effect or t can be given.
    pub fn is_constant(&self) -> bool {
        self.cohens_d.is_none()
            && self.difference() != 0.0
            && self.sd_a.is_some()
            && self.sd_b.is_some()
    }

    /// Difference of the means.
    pub fn difference(&self) -> f64 {
        self.mean_a - self.mean_b
    }

    /// Difference of the shares of prompts in which it is not zero.
    pub fn freq_difference(&self) -> f64 {
        self.freq_a - self.freq_b
    }
}

/// Welch's t and Satterthwaite's degrees of freedom; none where neither set varies.
fn welch(a: &Moments, b: &Moments) -> Option<(f64, f64)> {
    let share = |m: &Moments| m.variance().map(|v| v / m.n as f64);
    let (a_share, b_share) = (share(a)?, share(b)?);
    let sum = a_share + b_share;
    if sum <= 0.0 {
        return None;
    }
    let part = |share: f64, n: usize| share * share / (n - 1) as f64;
    let df = sum * sum / (part(a_share, a.n) + part(b_share, b.n));
    // The squares of very small variances may vanish.
    df.is_finite().then(|| ((a.mean - b.mean) / sum.sqrt(), df))
}

/// The paired t with its degrees of freedom, and `d_z`.
fn paired(entries: &[Entry], n: usize, size: f64) -> (Option<(f64, f64)>, Option<f64>) {
    let differences = Moments::new(n, differences(entries, n).map(|(_, d)| d));
    let Some(sd) = differences.sd().filter(|_| differences.varies(size)) else {
        return (None, None);
    };
    let d_z = differences.mean / sd;
    let t = d_z * (n as f64).sqrt();
    (Some((t, (n - 1) as f64)), Some(d_z))
}

fn top(entries: &[Entry], first: usize) -> Option<Top> {
    // The first of equals.
    let largest = entries
        .iter()
        .reduce(|x, y| if y.value > x.value { y } else { x })?;
    Some(Top {
        prompt: largest.prompt as usize - first,
        position: largest.position,
        value: largest.value,
    })
}
