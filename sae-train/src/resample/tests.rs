use super::*;
use crate::options::BiasInit;
use crate::trainer::StepReport;
use crate::{DeviceOptions, TrainArchitecture, Trainer};
use burn::tensor::Device;

const D: usize = 8;
const S: usize = 24;
const N: usize = 64;
const EVERY: u64 = 6;

/// A sum of two of 12 directions for each token, and another place for transcoders.
fn batch(seed: u64, step: u64) -> (Vec<f32>, Vec<f32>) {
    let mut fixed = Random::new(seed, 7);
    let mut directions = || -> Vec<f32> {
        let unit = |_| 2.0 * fixed.unit() as f32 - 1.0;
        (0..12 * D).map(unit).collect()
    };
    let (from, to) = (directions(), directions());
    let mut random = Random::new(seed, 1000 + step);
    let (mut x, mut y) = (vec![0.3; N * D], vec![-0.2; N * D]);
    for token in 0..N {
        for _ in 0..2 {
            let (which, much) = (random.below(12), 1.0 + random.unit() as f32);
            for i in 0..D {
                x[token * D + i] += much * from[which * D + i];
                y[token * D + i] += much * to[which * D + i];
            }
        }
    }
    (x, y)
}

#[allow(clippy::field_reassign_with_default)] // as those who depend on the crate make them
fn options(architecture: TrainArchitecture, every: Option<u64>) -> TrainOptions {
    TrainOptions {
        architecture,
        d_sae: S,
        l1_coefficient: 0.01,
        l0_coefficient: 0.01,
        k: 3.0,
        matryoshka_widths: vec![10],
        train_batch_size_tokens: N,
        training_tokens: 400 * N as u64,
        dead_feature_window: 3,
        lr: 3e-3,
        // Otherwise encoder biases of transcoders are set at the first step.
        b_dec_init: BiasInit::Zeros,
        resample_dead_every: every,
        ..TrainOptions::default()
    }
}

/// With features that are dead from the start, and stay so.
fn with_dead(options: &TrainOptions, is_dead: impl Fn(usize) -> bool) -> (Shape, Weights) {
    let shape = Shape::new(options, D, D);
    let mut weights = Weights::random(options, shape);
    for j in (0..S).filter(|&j| is_dead(j)) {
        weights.b_enc[j] = -1e3;
        if options.architecture == TrainArchitecture::AbsTopK {
            // Large by magnitude otherwise.
            weights.b_enc[j] = 0.0;
            weights.w_enc[j * D..][..D].fill(0.0);
        }
    }
    (shape, weights)
}

fn step(trainer: &mut Trainer, i: u64) -> StepReport {
    let (x, y) = batch(5, i);
    let y = trainer
        .options()
        .architecture
        .is_transcoder()
        .then_some(y.as_slice());
    trainer.step(&x, y).unwrap()
}

fn resampled(report: &StepReport) -> Option<f64> {
    let mut metrics = report.metrics.iter();
    metrics
        .find(|(name, _)| name == "sparsity/resampled_features")
        .map(|(_, n)| *n)
}

fn all_but_pursuit() -> impl Iterator<Item = TrainArchitecture> {
    TrainArchitecture::ALL
        .into_iter()
        .filter(|a| *a != TrainArchitecture::MatchingPursuit)
}

/// The numbers of a feature, or those that belong to none.
fn of(weights: &Weights, feature: Option<usize>) -> Vec<f32> {
    let Some(j) = feature else {
        return [&weights.b_dec[..], &weights.w_skip].concat();
    };
    let mut all = weights.w_enc[j * D..][..D].to_vec();
    all.extend(&weights.w_dec[j * D..][..D]);
    for part in [
        &weights.b_enc,
        &weights.threshold,
        &weights.b_mag,
        &weights.r_mag,
    ] {
        all.extend(part.get(j));
    }
    all
}

fn norm(row: &[f32]) -> f64 {
    let squares = row.iter().map(|x| f64::from(*x) * f64::from(*x));
    squares.sum::<f64>().sqrt()
}

#[test]
fn dead_features_change_and_everything_else_stays() {
    for architecture in all_but_pursuit() {
        // The same steps, with and without.
        let options_of = |every| {
            let mut options = options(architecture, every);
            options.ema_decay = Some(0.9);
            options
        };
        let make = |every| {
            let options = options_of(every);
            let (shape, weights) = with_dead(&options, |j| j % 3 == 0);
            Trainer::from_weights(&options, shape, weights).unwrap()
        };
        let (mut with, mut without) = (make(Some(EVERY)), make(None));
        for i in 0..EVERY {
            let n = resampled(&step(&mut with, i));
            assert_eq!(n.is_some(), i + 1 == EVERY, "{architecture} step {i}");
            step(&mut without, i);
        }
        let dead = without.dead();
        let n_dead = dead.iter().filter(|&&dead| dead).count();
        assert!(
            (1..S).contains(&n_dead),
            "{architecture}: {n_dead} are dead"
        );
        let [(m, v), (m0, v0)] = [with.moments(), without.moments()];
        let [ema, ema0] = [&with, &without].map(|t| t.ema().unwrap());
        let pairs = [
            (with.weights(), without.weights()),
            (m, m0),
            (v, v0),
            (ema, ema0),
        ];
        let [enc_norm, dec_norm] = [&without.weights().w_enc, &without.weights().w_dec]
            .map(|rows| mean_norm(rows, D, &dead));
        let (enc_norm, dec_norm) = if architecture.is_topk() {
            (enc_norm, dec_norm)
        } else {
            (0.2 * enc_norm, 0.1)
        };
        for (kind, (after, before)) in pairs.iter().enumerate() {
            assert_eq!(of(after, None), of(before, None), "{architecture}");
            for (j, &dead) in dead.iter().enumerate() {
                let (after, before) = (of(after, Some(j)), of(before, Some(j)));
                let is_moment = kind == 1 || kind == 2;
                if !dead {
                    assert_eq!(after, before, "{architecture}: {j} is alive");
                } else if is_moment {
                    assert!(after.iter().all(|x| *x == 0.0), "{architecture}: {j}");
                } else {
                    let (encoder, decoder) = (&after[..D], &after[D..2 * D]);
                    assert_ne!(encoder, &before[..D]);
                    assert!((norm(encoder) / enc_norm - 1.0).abs() < 1e-5);
                    if !architecture.is_transcoder() {
                        assert!((norm(decoder) - dec_norm).abs() < 1e-6, "{architecture}");
                        let dot: f32 = encoder.iter().zip(decoder).map(|(a, b)| a * b).sum();
                        let cosine = f64::from(dot) / norm(encoder) / norm(decoder);
                        assert!((cosine - 1.0).abs() < 1e-5, "{architecture}: {cosine}");
                        assert_eq!(after[2 * D..=2 * D], [0.0]);
                    }
                    match architecture {
                        TrainArchitecture::JumpRelu => assert_eq!(after[2 * D + 1..], [0.01]),
                        TrainArchitecture::Gated => assert_eq!(after[2 * D + 1..], [0.0, 0.0]),
                        _ => {}
                    }
                }
            }
        }
        for (j, &was_dead) in dead.iter().enumerate() {
            let [now, before] = [&with, &without].map(|t| t.counts().since_fired[j]);
            assert_eq!(now, if was_dead { 0 } else { before });
        }
        assert!(!with.dead().contains(&true));
    }
}

#[test]
fn the_same_seed_starts_the_same_features_and_another_one_others() {
    let run = |seed: u64| {
        let mut options = options(TrainArchitecture::Standard, Some(EVERY));
        options.seed = 1;
        let (shape, weights) = with_dead(&options, |j| j % 3 == 0);
        options.seed = seed;
        let mut trainer = Trainer::from_weights(&options, shape, weights).unwrap();
        (0..2 * EVERY).for_each(|i| drop(step(&mut trainer, i)));
        trainer.weights().into_owned()
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_run_that_goes_on_from_a_checkpoint_draws_the_same() {
    let options = options(TrainArchitecture::BatchTopK, Some(EVERY));
    let (shape, weights) = with_dead(&options, |j| j % 3 == 0);
    let mut whole = Trainer::from_weights(&options, shape, weights.clone()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for i in 0..4 * EVERY {
        if i == EVERY + 2 {
            whole
                .save(dir.path(), &sae_core::SaeMetadata::default())
                .unwrap();
        }
        step(&mut whole, i);
    }
    let mut resumed = Trainer::from_weights(&options, shape, weights).unwrap();
    let saved = resumed.read(dir.path()).unwrap();
    resumed.put(saved);
    (EVERY + 2..4 * EVERY).for_each(|i| drop(step(&mut resumed, i)));
    assert_eq!(resumed.weights(), whole.weights());
    assert_eq!(resumed.counts(), whole.counts());
}

/// Rounding differs, draws and what is made of them do not.
#[test]
fn a_device_starts_the_same_features() {
    let on = DeviceOptions::new(&Device::flex());
    for architecture in all_but_pursuit() {
        let options = options(architecture, Some(EVERY));
        let (shape, weights) = with_dead(&options, |j| j % 3 == 0);
        let mut host = Trainer::from_weights(&options, shape, weights.clone()).unwrap();
        let mut device = Trainer::from_weights_on_device(&options, shape, &weights, &on).unwrap();
        let mut counts = [0; 2];
        for i in 0..EVERY + 2 {
            for (n, trainer) in counts.iter_mut().zip([&mut host, &mut device]) {
                *n += resampled(&step(trainer, i)).unwrap_or(0.0) as usize;
            }
        }
        assert!(counts[0] > 0, "{architecture}");
        assert_eq!(counts[0], counts[1], "{architecture}");
        let (host, device) = (host.weights(), device.weights());
        let largest = host.w_enc.iter().fold(0.0_f32, |a, b| a.max(b.abs()));
        for (a, b) in host.w_enc.iter().zip(&device.w_enc) {
            assert!(
                (a - b).abs() <= 1e-2 * largest,
                "{architecture}: {a} and {b}"
            );
        }
    }
}

#[test]
fn dead_features_come_to_life_and_less_is_left() {
    const ALIVE: usize = 5;
    let train = |architecture, every| {
        let mut options = options(architecture, every);
        // Which revives features, too.
        options.aux_loss_coefficient = 0.0;
        let (shape, weights) = with_dead(&options, |j| j >= ALIVE);
        let mut trainer = Trainer::from_weights(&options, shape, weights).unwrap();
        let (mut loss, mut started) = (0.0, 0.0);
        for i in 0..400 {
            let report = step(&mut trainer, i);
            started += resampled(&report).unwrap_or(0.0);
            if i >= 380 {
                loss += report.losses[0].1 / 20.0;
            }
        }
        assert!(trainer.is_done());
        let dead = (ALIVE..S).filter(|&j| trainer.dead()[j]).count();
        (dead, loss, started)
    };
    for architecture in [
        TrainArchitecture::Standard,
        TrainArchitecture::Gated,
        TrainArchitecture::JumpRelu,
        TrainArchitecture::TopK,
        TrainArchitecture::BatchTopK,
    ] {
        let (stayed, worse, none) = train(architecture, None);
        let (dead, better, started) = train(architecture, Some(50));
        assert_eq!((stayed, none), (S - ALIVE, 0.0), "{architecture}");
        assert!(started >= (S - ALIVE) as f64, "{architecture}: {started}");
        // Of the topk family, those that lose to others on every token stay dead.
        let most = if architecture.is_topk() { 12 } else { 0 };
        assert!(dead <= most, "{architecture}: {dead} are dead still");
        assert!(better < 0.5 * worse, "{architecture}: {better} and {worse}");
    }
}

/// Nothing would train what is started after the last step.
#[test]
fn nothing_is_started_after_the_last_step_nor_more_than_there_are_tokens() {
    let mut options = options(TrainArchitecture::Standard, Some(EVERY));
    options.training_tokens = EVERY * N as u64;
    let (shape, weights) = with_dead(&options, |j| j % 3 == 0);
    let mut trainer = Trainer::from_weights(&options, shape, weights).unwrap();
    let reports: Vec<_> = (0..EVERY).map(|i| step(&mut trainer, i)).collect();
    assert!(reports.iter().all(|report| resampled(report).is_none()));
    assert!(trainer.is_done() && trainer.dead().contains(&true));

    let drawn = draw(&[0.0, 2.0, f64::NAN, 1.0, 3.0], Random::new(0, 0));
    assert_eq!(drawn.len(), 3, "{drawn:?}");
    assert!(draw(&[0.0; 4], Random::new(0, 0)).is_empty());
}

#[test]
fn tokens_are_drawn_in_proportion_to_the_square_of_their_loss() {
    let losses = [1.0, 2.0, 3.0, 0.5];
    let mut first = [0_u32; 4];
    for seed in 0..20_000 {
        first[draw(&losses, Random::new(seed, STREAM))[0]] += 1;
    }
    let all: f64 = losses.iter().map(|loss| loss * loss).sum();
    for (n, loss) in first.into_iter().zip(losses) {
        let (found, expected) = (f64::from(n) / 2e4, loss * loss / all);
        assert!((found - expected).abs() < 0.01, "{found} is not {expected}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let mut wrong = options(TrainArchitecture::Standard, Some(0));
    let message = wrong.check().unwrap_err().to_string();
    assert!(message.starts_with("resample_dead_every is 0"), "{message}");
    wrong = options(TrainArchitecture::MatchingPursuit, Some(5));
    let message = wrong.check().unwrap_err().to_string();
    assert!(message.contains("resample_dead_every"), "{message}");
}
