//! Probes on few features: how well k of them tell the sets apart in prompts that they were not fitted on.

use crate::error::ProbeError;
use crate::groups::{Groups, Set};
use crate::logistic::{LogisticFit, logistic_regression};
use crate::observations::Observations;
use crate::random::Random;
use serde::Serialize;
use std::collections::HashMap;

/// How probes are fitted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ProbeOptions {
    /// How many features each probe has; 1, 2 and 5 by default, as in SAEBench.
    pub ks: Vec<usize>,
    /// The share of each set that probes are fitted on; 0.8 by default, as SAEBench's 4000 of 5000.
    pub train_fraction: f64,
    /// What the split is drawn from.
    pub seed: u64,
    /// The inverse strength of the penalty, sklearn's `C`.
    pub c: f64,
}

impl Default for ProbeOptions {
    fn default() -> Self {
        Self {
            ks: vec![1, 2, 5],
            train_fraction: 0.8,
            seed: 0,
            c: 1.0,
        }
    }
}

/// A probe on `k` features.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Probe {
    /// Features that it has; fewer than asked for where fewer tell the sets apart at all.
    pub k: usize,
    /// Which ones, the largest difference of means first.
    pub features: Vec<u32>,
    /// The weight of each.
    pub weights: Vec<f64>,
    /// The intercept.
    pub intercept: f64,
    /// Prompts that it was fitted on.
    pub n_train: usize,
    /// Other prompts.
    pub n_test: usize,
    /// Share of the prompts that it was fitted on which it puts into the right set.
    pub train_accuracy: f64,
    /// The same of the others.
    pub test_accuracy: f64,
    /// What always saying the larger set would get of the others.
    pub majority_accuracy: f64,
    /// Whether the fit reached its optimum.
    pub converged: bool,
}

/// Fits a probe for each `k`: of the prompts to fit on, the k features with the largest `|μ_a − μ_b|`, then a logistic regression with an L2 penalty. Each set
/// is split by itself; both sides of a pair are on the same side of the split.
///
/// # Errors
/// If a set is too small to be split, or a setting makes no sense.
///
/// # Panics
/// If there are not as many prompts as the sets have.
pub fn probes(
    observed: &Observations,
    groups: &Groups,
    options: &ProbeOptions,
) -> Result<Vec<Probe>, ProbeError> {
    assert_eq!(observed.n_prompts(), groups.n(), "a set for each prompt");
    check(options)?;
    let train = split(groups, options)?;
    let order = by_difference(observed, groups, &train);
    let fit = |&k: &usize| {
        fit(
            observed,
            groups,
            &train,
            &order[..k.min(order.len())],
            options,
        )
    };
    Ok(options.ks.iter().map(fit).collect())
}

fn check(options: &ProbeOptions) -> Result<(), ProbeError> {
    let wrong = |name, value, expected| {
        Err(ProbeError::Setting {
            name,
            value,
            expected,
        })
    };
    let ProbeOptions {
        train_fraction, c, ..
    } = *options;
    if !(train_fraction > 0.0 && train_fraction < 1.0) {
        return wrong("train_fraction", train_fraction, "a share between 0 and 1");
    }
    if !(c > 0.0 && c.is_finite()) {
        return wrong("c", c, "a positive number");
    }
    if options.ks.contains(&0) {
        return wrong("k", 0.0, "at least one feature");
    }
    Ok(())
}

/// Whether each prompt is fitted on.
fn split(groups: &Groups, options: &ProbeOptions) -> Result<Vec<bool>, ProbeError> {
    let mut train = vec![false; groups.n()];
    let mut random = Random::new(options.seed, 1);
    let mut deal = |set: char, n: usize, first: usize, train: &mut [bool]| {
        let chosen = (n as f64 * options.train_fraction).round() as usize;
        if chosen == 0 || chosen == n {
            return Err(ProbeError::TooFew {
                set,
                n,
                train_fraction: options.train_fraction,
            });
        }
        let mut prompts: Vec<usize> = (first..first + n).collect();
        random.choose(&mut prompts, chosen);
        for &prompt in &prompts[..chosen] {
            train[prompt] = true;
        }
        Ok(())
    };
    let (n_a, n_b) = (groups.n_a(), groups.n_b());
    deal('a', n_a, 0, &mut train)?;
    if groups.paired() {
        train.copy_within(..n_a, n_a);
    } else {
        deal('b', n_b, n_a, &mut train)?;
    }
    Ok(train)
}

/// Features by the difference of their means where they are fitted, the largest first; those without a difference are left out.
fn by_difference(observed: &Observations, groups: &Groups, train: &[bool]) -> Vec<u32> {
    let n_of = |range: std::ops::Range<usize>| train[range].iter().filter(|t| **t).count() as f64;
    let (n_a, n_b) = (n_of(0..groups.n_a()), n_of(groups.n_a()..groups.n()));
    let difference = |feature: u32| {
        let entries = observed.feature(feature).iter();
        let (mut a, mut b) = (0.0, 0.0);
        for entry in entries.filter(|entry| train[entry.prompt as usize]) {
            match groups.set(entry.prompt as usize) {
                Set::A => a += f64::from(entry.value),
                Set::B => b += f64::from(entry.value),
            }
        }
        (a / n_a - b / n_b).abs()
    };
    let mut order: Vec<(f64, u32)> = (0..observed.d_sae() as u32)
        .map(|feature| (difference(feature), feature))
        .filter(|(difference, _)| *difference > 0.0)
        .collect();
    order.sort_by(|x, y| y.0.total_cmp(&x.0).then(x.1.cmp(&y.1)));
    order.into_iter().map(|(_, feature)| feature).collect()
}

fn fit(
    observed: &Observations,
    groups: &Groups,
    train: &[bool],
    features: &[u32],
    options: &ProbeOptions,
) -> Probe {
    let k = features.len();
    let mut values: HashMap<u32, Vec<f64>> = HashMap::new();
    for (at, &feature) in features.iter().enumerate() {
        for entry in observed.feature(feature) {
            let row = values.entry(entry.prompt).or_insert_with(|| vec![0.0; k]);
            row[at] = f64::from(entry.value);
        }
    }
    let zeros = vec![0.0; k];
    let row = |prompt: usize| values.get(&(prompt as u32)).unwrap_or(&zeros);
    let is_a = |prompt: usize| groups.set(prompt) == Set::A;
    let side = |fitted: bool| (0..groups.n()).filter(move |&prompt| train[prompt] == fitted);
    let x: Vec<f64> = side(true).flat_map(|prompt| row(prompt).clone()).collect();
    let labels: Vec<bool> = side(true).map(is_a).collect();
    let LogisticFit {
        weights,
        intercept,
        converged,
    } = logistic_regression(&x, k, &labels, options.c);
    let model = LogisticFit {
        weights,
        intercept,
        converged,
    };
    let accuracy = |fitted: bool| {
        let right = side(fitted).filter(|&p| (model.decision(row(p)) > 0.0) == is_a(p));
        right.count() as f64 / side(fitted).count() as f64
    };
    let (n_train, n_test) = (side(true).count(), side(false).count());
    let share = side(false).filter(|&prompt| is_a(prompt)).count() as f64 / n_test as f64;
    Probe {
        k,
        features: features.to_vec(),
        n_train,
        n_test,
        train_accuracy: accuracy(true),
        test_accuracy: accuracy(false),
        majority_accuracy: share.max(1.0 - share),
        weights: model.weights,
        intercept: model.intercept,
        converged: model.converged,
    }
}
