//! Steps of the trainer beside the oracle's.

use super::case::{Case, DENSE};
use super::oracle::{Expected, Input, oracle};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use sae_train::{BiasInit, Shape, StepReport, TrainArchitecture, TrainOptions, Trainer};
use std::cell::Cell;

/// Steps of a case: features that are not active in one are dead in the next.
pub(crate) const STEPS: usize = 3;
/// Of the largest number of the same kind of weight, or of a hundredth of the largest of all.
pub(crate) const TOLERANCE: f64 = 3e-5;
/// Decisions that are nearer than this may fall the other way in f32; such steps are not compared.
pub(crate) const MARGIN: f64 = 1e-5;

/// What the cases of a test have gone through.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    pub(crate) sparse: usize,
    pub(crate) dense: usize,
    pub(crate) dead: usize,
    /// In the sparse form.
    pub(crate) sparse_dead: usize,
}

pub(crate) fn small() -> impl Strategy<Value = Case> {
    let sizes = (1..=9_usize, 3..=11_usize, 3..=11_usize, 2..=31_usize);
    (sizes, any::<u64>(), any::<bool>()).prop_map(|((rows, d_in, d_out, d_sae), seed, sparse)| {
        Case {
            rows,
            d_in,
            d_out,
            d_sae,
            seed,
            sparse,
        }
    })
}

/// Batches that go through in more than one piece (`PIECE_TOKENS` in `src/host/mod.rs`, `AT_ONCE` in `pursuit.rs`).
pub(crate) fn long() -> impl Strategy<Value = Case> {
    small().prop_map(|case| Case {
        rows: 1029 + case.rows,
        d_sae: case.d_sae.min(13),
        ..case
    })
}

/// Compares gradients, with settings that are made for each case.
pub(crate) fn gradients(
    cases: u32,
    strategy: impl Strategy<Value = Case>,
    settings: impl Fn(&Case) -> TrainOptions,
) -> Seen {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[5; 32]);
    let seen = Cell::new(Seen::default());
    let run = TestRunner::new_with_rng(config, rng)
        .run(&strategy, |case| check(&case, &settings(&case), &seen));
    if let Err(error) = run {
        panic!("{error}");
    }
    let seen = seen.get();
    // The others were too near a decision.
    assert!(
        2 * (seen.sparse + seen.dense) > cases as usize * STEPS,
        "{seen:?}"
    );
    seen
}

pub(crate) fn check(
    case: &Case,
    options: &TrainOptions,
    seen: &Cell<Seen>,
) -> Result<(), TestCaseError> {
    let transcoder = options.architecture.is_transcoder();
    let d_out = if transcoder { case.d_out } else { case.d_in };
    let shape = Shape::new(options, case.d_in, d_out);
    let case = Case { d_out, ..*case };
    let batches = case.batches(STEPS);
    let weights = case.weights(options, shape, &batches[0].0[..case.d_in]);
    let mut trainer = Trainer::from_weights(options, shape, weights).expect("settings that work");
    for (x, y) in &batches {
        let y = transcoder.then_some(y.as_slice());
        let (mut weights, dead) = (trainer.weights().into_owned(), trainer.dead());
        weights
            .threshold
            .iter_mut()
            .for_each(|theta| *theta = theta.max(0.0));
        let report = trainer
            .step(x, y)
            .map_err(|error| TestCaseError::fail(error.to_string()))?;
        let coefficient = report.coefficient.unwrap_or_default();
        let mut expected = oracle(
            options,
            shape,
            &weights,
            &Input {
                x,
                y,
                dead: &dead,
                coefficient,
            },
        );
        if expected.margin < MARGIN {
            continue;
        }
        if options.unit_decoder {
            project(&mut expected.gradients[2], &weights.w_dec, d_out);
        }
        compare_losses(&expected, &report)?;
        compare_gradients(&expected.gradients, &trainer, report.gradient_norm)?;
        if options.unit_decoder {
            for row in trainer.weights().w_dec.chunks_exact(d_out) {
                let norm = row.iter().map(|w| w * w).sum::<f32>().sqrt();
                prop_assert!((norm - 1.0).abs() < 1e-5);
            }
        }
        let is_dense = expected.touched * DENSE > case.d_sae;
        let any_dead = dead.contains(&true);
        let mut now = seen.get();
        now.dense += usize::from(is_dense);
        now.sparse += usize::from(!is_dense);
        now.dead += usize::from(any_dead);
        now.sparse_dead += usize::from(any_dead && !is_dense);
        seen.set(now);
    }
    Ok(())
}

fn compare_losses(expected: &Expected, report: &StepReport) -> Result<(), TestCaseError> {
    prop_assert_eq!(expected.losses.len(), report.losses.len());
    for ((name, expected), (found_name, found)) in expected.losses.iter().zip(&report.losses) {
        prop_assert_eq!(name, found_name);
        prop_assert!(
            (found - expected).abs() <= 1e-5 * expected.abs().max(1e-3),
            "{name}: {found} is not {expected}"
        );
    }
    Ok(())
}

/// The trainer's gradient, before it was clipped, with the expected one.
fn compare_gradients(
    expected: &[Vec<f64>],
    trainer: &Trainer,
    found_norm: f64,
) -> Result<(), TestCaseError> {
    let squares = expected.iter().flatten().map(|g| g * g);
    let norm = squares.sum::<f64>().sqrt();
    prop_assert!(
        (found_norm - norm).abs() <= 1e-5 * norm,
        "the norm {found_norm} is not {norm}"
    );
    let clip = (1.0 / (norm + 1e-6)).min(1.0);
    let of_all = largest(expected.iter().flatten());
    let (moments, _) = trainer.moments();
    for (part, (found, expected)) in moments.parts().into_iter().zip(expected).enumerate() {
        prop_assert_eq!(found.len(), expected.len());
        let scale = largest(expected).max(0.01 * of_all);
        for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
            let found = f64::from(*found) / clip;
            prop_assert!(
                (found - expected).abs() <= TOLERANCE * scale,
                "after step {}, part {part}[{i}]: {found} is not {expected} (the largest is {scale})",
                trainer.counts().steps
            );
        }
    }
    Ok(())
}

pub(crate) fn largest<'a>(of: impl IntoIterator<Item = &'a f64>) -> f64 {
    of.into_iter().fold(0.0, |a, b| a.max(b.abs()))
}

/// Takes the part of each row that goes along the decoder's row away.
fn project(gradient: &mut [f64], w_dec: &[f32], d: usize) {
    for (g, w) in gradient.chunks_exact_mut(d).zip(w_dec.chunks_exact(d)) {
        let w: Vec<f64> = w.iter().map(|&w| f64::from(w)).collect();
        let along: f64 = g.iter().zip(&w).map(|(g, w)| g * w).sum();
        let squared: f64 = w.iter().map(|w| w * w).sum();
        g.iter_mut()
            .zip(&w)
            .for_each(|(g, w)| *g -= along / squared * w);
    }
}

pub(crate) fn options(architecture: TrainArchitecture, case: &Case) -> TrainOptions {
    let mut options = TrainOptions::default();
    options.architecture = architecture;
    options.d_sae = case.d_sae;
    options.train_batch_size_tokens = case.rows;
    options.training_tokens = (case.rows * STEPS) as u64;
    options.lr = 1e-3;
    options.adam_beta1 = 0.0;
    options.dead_feature_window = 0;
    options.b_dec_init = BiasInit::Zeros;
    options.l1_coefficient = 0.7;
    options.l0_coefficient = 0.4;
    options.jumprelu_bandwidth = 0.6;
    // Some of the features, and a fraction where that is allowed.
    options.k = (1 + case.seed as usize % case.d_sae) as f64;
    if architecture.is_batch_topk() {
        options.k = (options.k * 0.45).max(0.5);
    }
    options.matryoshka_widths = vec![case.d_sae.div_ceil(4), case.d_sae.div_ceil(2)];
    options.matryoshka_widths.dedup();
    options
        .matryoshka_widths
        .retain(|&width| width < case.d_sae);
    options
}

/// Many small cases and a few of long batches.
pub(crate) fn cases(architecture: TrainArchitecture, change: impl Fn(&mut TrainOptions)) -> Seen {
    let settings = |case: &Case| {
        let mut options = options(architecture, case);
        change(&mut options);
        options
    };
    let seen = gradients(40, small(), settings);
    gradients(2, long(), settings);
    seen
}

/// Cases that go through both forms of the host step.
pub(crate) fn in_both_forms(architecture: TrainArchitecture, change: impl Fn(&mut TrainOptions)) {
    let seen = cases(architecture, change);
    assert!(seen.sparse > 20 && seen.dense > 20, "{seen:?}");
}

/// Cases with dead features, for architectures that have one form.
pub(crate) fn with_dead_features(
    architecture: TrainArchitecture,
    change: impl Fn(&mut TrainOptions),
) {
    let seen = cases(architecture, change);
    assert!(seen.dead > 20, "{seen:?}");
}
