//! What is left of a probe's score when features are taken out of the activation.
//!
//! The decoder is linear, and so is the mean: without the features A, a text's score is `w·x̄ + b − Σ_A (f̄_i + r·f_i(0))·(w·W_dec_i)`. No activation is
//! decoded again. The last term is SAEBench's: it takes features out at positions that do not count as well, where the SAE reads zeros, and divides by the
//! tokens that count; `r` is how many such positions there are for each of these.

use crate::classes::Labelled;
use crate::inputs::{Read, top};
use crate::probe::{LinearProbe, accuracy};
use crate::{BenchError, Texts};
use rayon::prelude::*;

/// What the benchmarks need to know of the SAE.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Decoder {
    /// Of each probe, its product with the decoder's direction of each feature, `w·W_dec_i`, `[d_sae]`.
    pub products: Vec<Vec<f32>>,
    /// The features of an activation of zeros, `[d_sae]`; empty to leave positions that do not count alone, which is not what SAEBench does.
    pub at_zero: Vec<f32>,
}

impl Decoder {
    /// The products of each probe with each direction, and the features of zeros.
    ///
    /// # Errors
    /// If they are of different lengths.
    pub fn new(products: Vec<Vec<f32>>, at_zero: Vec<f32>) -> Result<Self, BenchError> {
        let d_sae = products.first().map_or(0, Vec::len);
        let others = products.iter().map(Vec::len);
        let wrong = others
            .chain(Some(at_zero.len()).filter(|n| *n > 0))
            .find(|n| *n != d_sae);
        if let Some(found) = wrong {
            return Err(BenchError::Shape {
                what: "the decoder's features",
                found,
                expected: d_sae,
            });
        }
        Ok(Self { products, at_zero })
    }

    pub(crate) fn check(&self, n_probes: usize, d_sae: usize) -> Result<(), BenchError> {
        let pairs = [
            ("probes", self.products.len(), n_probes),
            (
                "the decoder's features",
                self.products.first().map_or(0, Vec::len),
                d_sae,
            ),
        ];
        for (what, found, expected) in pairs {
            if found != expected {
                return Err(BenchError::Shape {
                    what,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}

/// How much each feature counts for a probe: the difference of its means in the class and in the others, times its product with the probe. Only what is
/// more in the class counts, unless `both_ways`, where effects have no sign.
pub(crate) fn effects(labelled: &Labelled<'_>, products: &[f32], both_ways: bool) -> Vec<f64> {
    let [of_class, of_others] = labelled.means(Read::Features);
    let means = of_class.iter().zip(&of_others).zip(products);
    means
        .map(|((a, b), &product)| {
            if both_ways {
                ((a - b) * f64::from(product)).abs()
            } else {
                (a - b).max(0.0) * f64::from(product)
            }
        })
        .collect()
}

/// Whether each feature is among the `n` largest effects, of which no more are taken than are not zero.
pub(crate) fn largest(effects: &[f64], n: usize) -> Vec<bool> {
    let not_zero = effects.iter().filter(|effect| **effect != 0.0).count();
    let mut taken = vec![false; effects.len()];
    for at in top(effects, n.min(not_zero)) {
        taken[at] = true;
    }
    taken
}

/// Accuracies of probes on texts from which features are taken out.
pub(crate) struct Ablation<'a> {
    decoder: &'a Decoder,
    taken: Vec<bool>,
    /// Of each probe, what the features taken out make of zeros.
    at_zero: Vec<f64>,
}

impl<'a> Ablation<'a> {
    pub(crate) fn new(decoder: &'a Decoder, taken: Vec<bool>) -> Self {
        let at_zero = decoder.products.par_iter().map(|products| {
            let of_zero = decoder.at_zero.iter().zip(products).zip(&taken);
            let of_zero = of_zero.filter(|(_, taken)| **taken);
            of_zero
                .map(|((f, product), _)| f64::from(*f) * f64::from(*product))
                .sum()
        });
        Self {
            at_zero: at_zero.collect(),
            decoder,
            taken,
        }
    }

    /// The accuracy of probe number `which`.
    pub(crate) fn accuracy(
        &self,
        labelled: &Labelled<'_>,
        probe: &LinearProbe,
        which: usize,
    ) -> f64 {
        accuracy(labelled, |text| {
            let (texts, at) = labelled.texts[text];
            (score(texts, at, probe) - self.removed(texts, at, which)) as f32
        })
    }

    fn removed(&self, texts: &Texts, text: usize, which: usize) -> f64 {
        let products = &self.decoder.products[which];
        let features = texts.features(text).iter();
        let removed = features.filter(|(feature, _)| self.taken[*feature as usize]);
        let removed: f64 = removed
            .map(|(feature, value)| f64::from(*value) * f64::from(products[*feature as usize]))
            .sum();
        removed + f64::from(texts.left_out(text)) * self.at_zero[which]
    }
}

/// A probe's score of a text as it is.
pub(crate) fn score(texts: &Texts, text: usize, probe: &LinearProbe) -> f64 {
    let pairs = texts.activation(text).iter().zip(&probe.weights);
    let dot: f64 = pairs.map(|(x, w)| f64::from(*x) * f64::from(*w)).sum();
    dot + f64::from(probe.bias)
}
