//! A linear probe, trained as SAEBench trains those that read everything: `AdamW` on the logistic loss.

use crate::Chance;
use crate::classes::Labelled;
use crate::inputs::Read;
use rayon::prelude::*;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPS: f32 = 1e-8;
const DECAY: f32 = 0.01;

/// `w·x + b`: above 0 says that a text is of the class.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LinearProbe {
    /// A weight for each dimension.
    pub weights: Vec<f32>,
    /// The bias.
    pub bias: f32,
}

/// How probes are trained.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrainProbe {
    /// Texts in a step.
    pub batch_size: usize,
    /// Times that all texts are gone through, at most.
    pub epochs: usize,
    /// `AdamW`'s learning rate.
    pub lr: f32,
    /// Weight of Σ|w| in the loss.
    pub l1: f32,
    /// Training ends after so many epochs without a better accuracy on the test texts.
    pub patience: usize,
}

impl TrainProbe {
    /// As SAEBench trains those of sparse probing on everything: 250 texts, 100 epochs, a rate of 0.01.
    pub fn sparse_probing() -> Self {
        Self {
            batch_size: 250,
            epochs: 100,
            lr: 1e-2,
            l1: 0.0,
            patience: 10,
        }
    }

    /// As SAEBench trains those of TPP and SCR: 16 texts, 20 epochs, a rate of 0.001 and an L1 penalty of 0.001.
    pub fn perturbation() -> Self {
        Self {
            batch_size: 16,
            epochs: 20,
            lr: 1e-3,
            l1: 1e-3,
            patience: 20,
        }
    }
}

/// Trains, and keeps the epoch with the best accuracy on the test texts, as SAEBench does. The accuracy comes with the probe.
pub(crate) fn train(
    read: Read,
    (train, test): (&Labelled<'_>, &Labelled<'_>),
    how: &TrainProbe,
    chance: &mut impl Chance,
) -> (LinearProbe, f64) {
    let d = train.width(read);
    // Where torch's `Linear` begins.
    let bound = 1.0 / (d.max(1) as f32).sqrt();
    let mut at = chance.uniform(d, bound);
    at.extend(chance.uniform(1, bound));
    let (mut m, mut v) = (vec![0.0; d + 1], vec![0.0; d + 1]);
    let mut gradient = vec![0.0; d + 1];
    let mut step = 0;
    let mut best: Option<(LinearProbe, f64)> = None;
    let mut waited = 0;
    for _ in 0..how.epochs.max(1) {
        let order = chance.permutation(train.len());
        for batch in order.chunks(how.batch_size.max(1)) {
            gradient.fill(0.0);
            for &text in batch {
                let logit = train.dot(read, text, &at) + at[d];
                let p = 1.0 / (1.0 + (-logit).exp());
                let label = f32::from(u8::from(train.labels[text]));
                let slope = (p - label) / batch.len() as f32;
                train.each(read, text, |i, value| gradient[i] += slope * value);
                gradient[d] += slope;
            }
            if how.l1 > 0.0 {
                for (gradient, w) in gradient.iter_mut().zip(&at[..d]) {
                    // f32::signum of 0 is 1, torch's is 0.
                    *gradient += how.l1 * if *w == 0.0 { 0.0 } else { w.signum() };
                }
            }
            step += 1;
            adamw(&mut at, &gradient, (&mut m, &mut v), how.lr, step);
        }
        let probe = LinearProbe {
            weights: at[..d].to_vec(),
            bias: at[d],
        };
        let found = accuracy(test, |text| {
            test.dot(read, text, &probe.weights) + probe.bias
        });
        if best.as_ref().is_none_or(|(_, most)| found > *most) {
            best = Some((probe, found));
            waited = 0;
        } else {
            waited += 1;
        }
        if waited >= how.patience.max(1) {
            break;
        }
    }
    best.expect("one epoch at least")
}

fn adamw(at: &mut [f32], gradient: &[f32], (m, v): (&mut [f32], &mut [f32]), lr: f32, step: i32) {
    let size = f64::from(lr) / (1.0 - f64::from(BETA1).powi(step));
    let root = (1.0 - f64::from(BETA2).powi(step)).sqrt();
    let (size, root) = (size as f32, root as f32);
    let one = |(((at, &g), m), v): (((&mut f32, &f32), &mut f32), &mut f32)| {
        *at *= 1.0 - lr * DECAY;
        *m = BETA1 * *m + (1.0 - BETA1) * g;
        *v = BETA2 * *v + (1.0 - BETA2) * g * g;
        *at -= size * *m / (v.sqrt() / root + EPS);
    };
    at.iter_mut().zip(gradient).zip(m).zip(v).for_each(one);
}

/// The share of texts whose score is above 0 exactly if they are of the class.
pub(crate) fn accuracy(labelled: &Labelled<'_>, score: impl Fn(usize) -> f32 + Sync) -> f64 {
    let right = (0..labelled.len()).into_par_iter();
    let right = right.filter(|&text| (score(text) > 0.0) == labelled.labels[text]);
    right.count() as f64 / labelled.len() as f64
}
