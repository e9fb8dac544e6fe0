//! Sparse probing: how well few features, or few dimensions of the activation, tell a class of texts from the others.

use crate::classes::{Class, Labelled, Split, check, one_against_rest};
use crate::inputs::{Read, top};
use crate::probe::{TrainProbe, train};
use crate::{BenchError, Chance};
use rayon::prelude::*;
use sae_contrast::{LogisticFit, logistic_regression};
use serde::Serialize;

/// SAEBench's settings, by default.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SparseProbing {
    /// How many features a probe has: 1, 2 and 5.
    pub ks: Vec<usize>,
    /// Whether to train probes on the whole activation and on all features as well.
    pub whole: bool,
    /// How those are trained.
    pub training: TrainProbe,
    /// sklearn's `C`, of the probes on few features.
    pub c: f64,
}

impl Default for SparseProbing {
    fn default() -> Self {
        Self {
            ks: vec![1, 2, 5],
            whole: true,
            training: TrainProbe::sparse_probing(),
            c: 1.0,
        }
    }
}

/// What the probes of one class reach. Accuracies are shares of the test texts.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassProbes {
    /// The class.
    pub class: String,
    /// A probe on the whole activation.
    pub llm_test_accuracy: Option<f64>,
    /// A probe on all features.
    pub sae_test_accuracy: Option<f64>,
    /// Probes on the k best dimensions.
    pub llm_top: Vec<TopProbe>,
    /// Probes on the k best features.
    pub sae_top: Vec<TopProbe>,
}

/// A probe on few features.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TopProbe {
    /// Features asked for.
    pub k: usize,
    /// Which ones, the largest difference of means first.
    pub columns: Vec<usize>,
    /// The weight of each.
    pub weights: Vec<f64>,
    /// The intercept.
    pub intercept: f64,
    /// The share of test texts that it puts on the right side.
    pub test_accuracy: f64,
    /// Whether the fit reached its optimum.
    pub converged: bool,
}

/// Fits probes for each class against the others. Draws in the order of SAEBench's `run_eval_single_dataset`: all classes of one kind of probe, then of the next.
///
/// # Errors
/// If there are fewer than two classes, one has no texts, or the others have too few.
pub fn sparse_probing(
    classes: &[Class],
    options: &SparseProbing,
    chance: &mut impl Chance,
) -> Result<Vec<ClassProbes>, BenchError> {
    check(classes)?;
    let mut found: Vec<ClassProbes> = classes
        .iter()
        .map(|class| ClassProbes {
            class: class.name.clone(),
            llm_test_accuracy: None,
            sae_test_accuracy: None,
            llm_top: Vec::new(),
            sae_top: Vec::new(),
        })
        .collect();
    for read in [Read::Activation, Read::Features] {
        if options.whole {
            for (at, found) in found.iter_mut().enumerate() {
                let (fit, test) = sets(classes, at, chance)?;
                let (_, accuracy) = train(read, (&fit, &test), &options.training, chance);
                match read {
                    Read::Activation => found.llm_test_accuracy = Some(accuracy),
                    Read::Features => found.sae_test_accuracy = Some(accuracy),
                }
            }
        }
        for &k in &options.ks {
            for (at, found) in found.iter_mut().enumerate() {
                let (fit, test) = sets(classes, at, chance)?;
                let probe = on_top(read, (&fit, &test), k, options.c);
                match read {
                    Read::Activation => found.llm_top.push(probe),
                    Read::Features => found.sae_top.push(probe),
                }
            }
        }
    }
    Ok(found)
}

fn sets<'a>(
    classes: &'a [Class],
    which: usize,
    chance: &mut impl Chance,
) -> Result<(Labelled<'a>, Labelled<'a>), BenchError> {
    let fit = one_against_rest(classes, which, Split::Train, chance)?;
    let test = one_against_rest(classes, which, Split::Test, chance)?;
    Ok((fit, test))
}

/// A logistic regression on the `k` columns whose means differ most.
fn on_top(read: Read, (fit, test): (&Labelled<'_>, &Labelled<'_>), k: usize, c: f64) -> TopProbe {
    let [of_class, of_others] = fit.means(read);
    let pairs = of_class.iter().zip(&of_others);
    let differences: Vec<f64> = pairs.map(|(a, b)| (a - b).abs()).collect();
    let columns = top(&differences, k);
    let model = logistic_regression(&fit.columns(read, &columns), columns.len(), &fit.labels, c);
    let rows = test.columns(read, &columns);
    TopProbe {
        k,
        test_accuracy: share_right(&model, &rows, columns.len(), &test.labels),
        columns,
        converged: model.converged,
        intercept: model.intercept,
        weights: model.weights,
    }
}

fn share_right(model: &LogisticFit, rows: &[f64], k: usize, labels: &[bool]) -> f64 {
    let right = labels.par_iter().enumerate().filter(|(at, label)| {
        let row = &rows[at * k..][..k];
        (model.decision(row) > 0.0) == **label
    });
    right.count() as f64 / labels.len() as f64
}
