//! Targeted probe perturbation: do a class's features, taken out, hurt the probe of that class and no other?

use crate::ablation::{Ablation, Decoder, effects, largest, score};
use crate::classes::{Class, Split, check, one_against_rest};
use crate::inputs::Read;
use crate::probe::{LinearProbe, TrainProbe, accuracy, train};
use crate::{BenchError, Chance};
use serde::Serialize;

/// SAEBench's settings, by default.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Perturbation {
    /// How many features are taken out: 2, 5, 10, 20, 50, 100 and 500.
    pub ns: Vec<usize>,
    /// How the probes are trained.
    pub training: TrainProbe,
}

impl Default for Perturbation {
    fn default() -> Self {
        Self {
            ns: vec![2, 5, 10, 20, 50, 100, 500],
            training: TrainProbe::perturbation(),
        }
    }
}

/// The figures of TPP with `n` features taken out: of a class, or the mean over classes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TppFigures {
    /// Features taken out.
    pub n: usize,
    /// `intended − unintended`.
    pub total_metric: f64,
    /// What the probe of the class itself loses in accuracy.
    pub intended_diff_only: f64,
    /// What the probes of the other classes lose, the mean.
    pub unintended_diff_only: f64,
}

/// TPP of one data set.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Tpp {
    /// The mean over classes, for each `n`.
    pub overall: Vec<TppFigures>,
    /// Each class, for each `n`.
    pub classes: Vec<(String, Vec<TppFigures>)>,
    /// The accuracy of each class's probe on texts as they are.
    pub clean: Vec<f64>,
}

/// Trains a probe on the mean activation for each class, whose products with the decoder [`tpp`] needs.
///
/// # Errors
/// If there are fewer than two classes, one has no texts, or the others have too few.
pub fn tpp_probes(
    classes: &[Class],
    options: &Perturbation,
    chance: &mut impl Chance,
) -> Result<Vec<LinearProbe>, BenchError> {
    check(classes)?;
    let one = |which: usize, chance: &mut _| -> Result<LinearProbe, BenchError> {
        let fit = one_against_rest(classes, which, Split::Train, chance)?;
        let test = one_against_rest(classes, which, Split::Test, chance)?;
        Ok(train(Read::Activation, (&fit, &test), &options.training, chance).0)
    };
    (0..classes.len()).map(|which| one(which, chance)).collect()
}

/// Targeted probe perturbation of [Karvonen et al. 2024](https://arxiv.org/abs/2411.18895), as SAEBench computes it. `probes` come from [`tpp_probes`].
///
/// # Errors
/// If `decoder` is not of these probes and features, or a class has too few texts.
pub fn tpp(
    classes: &[Class],
    probes: &[LinearProbe],
    decoder: &Decoder,
    options: &Perturbation,
    chance: &mut impl Chance,
) -> Result<Tpp, BenchError> {
    check(classes)?;
    decoder.check(probes.len(), classes[0].train.d_sae())?;
    let n_classes = classes.len();
    let mut clean = Vec::new();
    for (which, probe) in probes.iter().enumerate() {
        let test = one_against_rest(classes, which, Split::Test, chance)?;
        clean.push(accuracy(&test, |text| {
            let (texts, at) = test.texts[text];
            score(texts, at, probe) as f32
        }));
    }
    let mut of_classes = Vec::new();
    for (which, products) in decoder.products.iter().enumerate() {
        let fit = one_against_rest(classes, which, Split::Train, chance)?;
        of_classes.push(effects(&fit, products, false));
    }
    let mut found = Vec::new();
    for (which, effects) in of_classes.iter().enumerate() {
        let mut figures = Vec::new();
        for &n in &options.ns {
            let ablation = Ablation::new(decoder, largest(effects, n));
            let mut lost = Vec::new();
            for (other, probe) in probes.iter().enumerate() {
                let test = one_against_rest(classes, other, Split::Test, chance)?;
                lost.push(clean[other] - ablation.accuracy(&test, probe, other));
            }
            let others = lost.iter().enumerate().filter(|(other, _)| *other != which);
            let unintended = others.map(|(_, lost)| lost).sum::<f64>() / (n_classes - 1) as f64;
            figures.push(TppFigures {
                n,
                total_metric: lost[which] - unintended,
                intended_diff_only: lost[which],
                unintended_diff_only: unintended,
            });
        }
        found.push((classes[which].name.clone(), figures));
    }
    let overall = (0..options.ns.len()).map(|at| mean(&found, at)).collect();
    Ok(Tpp {
        overall,
        classes: found,
        clean,
    })
}

fn mean(classes: &[(String, Vec<TppFigures>)], at: usize) -> TppFigures {
    let mean = |of: fn(&TppFigures) -> f64| {
        let values = classes.iter().map(|(_, figures)| of(&figures[at]));
        values.sum::<f64>() / classes.len() as f64
    };
    TppFigures {
        n: classes[0].1[at].n,
        total_metric: mean(|f| f.total_metric),
        intended_diff_only: mean(|f| f.intended_diff_only),
        unintended_diff_only: mean(|f| f.unintended_diff_only),
    }
}
