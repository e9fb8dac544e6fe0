//! Everything that activations say of a feature, against definitions written down apart from the crate, and however the log came to be.

#![allow(
    clippy::unwrap_used,
    clippy::float_cmp,
    reason = "test code, which asks for equal bits"
)]

mod logs;
mod naive;

use logs::{D_SAE, Dense, History, SIZE, dense, info, push, tokens};
use proptest::prelude::*;
use sae_dashboard::{
    ActivationLog, CollectOptions, FeaturePart, GroupKind, LogError, LogWriter, Summary, collect,
};
use sae_progress::Unobserved;
use serde_json::json;
use std::fs;

fn settings(history: &History) -> CollectOptions {
    let mut options = CollectOptions::default();
    options.n_top = 3;
    options.n_intervals = 3;
    options.n_per_interval = 2;
    options.n_random = 2;
    options.before = 4;
    options.after = 2;
    options.n_neighbours = 4;
    options.coactive_sample = 25;
    options.seed = 11;
    options.memory = history.memory;
    options
}

/// All of the features asked for, by so many threads.
fn parts(
    log: &ActivationLog,
    dense: &Dense,
    features: &[u32],
    settings: &CollectOptions,
    n_threads: usize,
) -> Vec<FeaturePart> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(n_threads)
        .build()
        .unwrap();
    pool.install(|| {
        let mut parts = Vec::new();
        let (contexts, go_on) = (tokens(dense), &mut Unobserved);
        let summary = Summary::of(log).unwrap();
        collect(
            log,
            &summary,
            contexts.as_slice(),
            features,
            settings,
            go_on,
            |part| {
                parts.push(part);
                Ok(())
            },
        )
        .unwrap();
        parts
    })
}

fn by(history: &History, dense: &Dense) -> Vec<FeaturePart> {
    let dir = tempfile::tempdir().unwrap();
    let log = history.write(dense, dir.path());
    // In disorder, some twice.
    let features: Vec<u32> = (0..D_SAE).rev().chain([2, 2]).collect();
    parts(
        &log,
        dense,
        &features,
        &settings(history),
        history.n_threads,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn features_are_the_same_bits_however_the_log_came_to_be(dense in dense(1..30), history in History::any()) {
        let plain = by(&History::plain(), &dense);
        prop_assert!(plain.iter().map(|part| part.index).eq(0..D_SAE));
        // Written out, numbers differ wherever their bits do, even those that are equal.
        prop_assert_eq!(format!("{:?}", by(&history, &dense)), format!("{plain:?}"));
    }

    #[test]
    fn groups_and_neighbours_are_what_the_definitions_say(dense in dense(1..30), history in History::any()) {
        let settings = settings(&history);
        let n_tokens = dense.iter().flatten().flatten().count() as f64;
        for part in by(&history, &dense) {
            let fired = naive::fired(&dense, part.index);
            let n = fired.len() as u64;
            prop_assert_eq!(part.statistics.n_fired, n);
            prop_assert_eq!(part.activations.counts.iter().sum::<u64>(), n);
            prop_assert!((part.statistics.density * n_tokens - n as f64).abs() < 1e-6);
            prop_assert_eq!(part.groups.is_empty(), n == 0);
            if n == 0 {
                continue;
            }
            let found: Vec<_> = part.groups.iter().map(|group| group.examples.len()).collect();
            prop_assert_eq!(found, naive::sizes(&dense, &part, &settings));
            let top = part.groups[0].examples.iter();
            let top: Vec<_> = top.map(|e| (e.context, e.position, e.values[(e.position - e.start) as usize])).collect();
            prop_assert_eq!(top, naive::top(&dense, part.index, settings.n_top));
            for example in part.groups.iter().flat_map(|group| &group.examples) {
                let shown = (example.start, example.values.clone());
                prop_assert_eq!(shown, naive::window(&dense, part.index, example, &settings));
                let first = example.context as u32 * SIZE as u32 + example.start;
                prop_assert!((first..).take(example.values.len()).eq(example.tokens.iter().copied()));
            }
            let inside = part.groups.iter().filter_map(|group| match group.kind {
                GroupKind::Interval { n_fired, .. } => Some(n_fired),
                _ => None,
            });
            prop_assert_eq!(inside.sum::<u64>(), n);

            // A sample counts no pair that is not there, and leaves out no more than it leaves out tokens.
            let (together, sampled) = (naive::together(&dense, part.index), part.n_sampled);
            prop_assert_eq!(sampled, n.min(settings.coactive_sample as u64));
            for neighbour in &part.coactive {
                let share = f64::from(neighbour.value) * sampled as f64;
                let count = share.round() as u64;
                prop_assert!((share - count as f64).abs() < 1e-4, "{share} tokens");
                let truth = together[neighbour.index as usize];
                prop_assert!(count <= truth && count + (n - sampled) >= truth);
            }
            let order = |pair: &[sae_dashboard::Neighbour]| {
                pair[0].value > pair[1].value || (pair[0].value == pair[1].value && pair[0].index < pair[1].index)
            };
            prop_assert!(part.coactive.windows(2).all(order));
        }
    }

    /// Any of the files cut anywhere: the log resumes to the same bytes, or says that it cannot.
    #[test]
    fn a_cut_log_goes_on_or_says_so(
        dense in dense(2..8),
        saved in any::<prop::sample::Index>(),
        file in prop::sample::select(vec!["entries.bin", "tokens.bin", "contexts.bin"]),
        cut in any::<prop::sample::Index>(),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("whole");
        let mut writer = LogWriter::create(&whole, info()).unwrap();
        (0..dense.len()).for_each(|context| push(&mut writer, &dense, context));
        writer.finish().unwrap();

        let broken = dir.path().join("broken");
        let mut writer = LogWriter::create(&broken, info()).unwrap();
        let saved = saved.index(dense.len());
        (0..saved).for_each(|context| push(&mut writer, &dense, context));
        writer.checkpoint(&json!(saved)).unwrap();
        let valid = fs::metadata(broken.join(file)).unwrap().len();
        (saved..dense.len()).for_each(|context| push(&mut writer, &dense, context));
        drop(writer);
        let bytes = fs::read(broken.join(file)).unwrap();
        let cut = cut.index(bytes.len() + 1);
        fs::write(broken.join(file), &bytes[..cut]).unwrap();

        match LogWriter::resume(&broken) {
            Ok((mut writer, state)) => {
                prop_assert!(cut as u64 >= valid);
                prop_assert_eq!(state, json!(saved));
                (saved..dense.len()).for_each(|context| push(&mut writer, &dense, context));
                writer.finish().unwrap();
                for file in ["entries.bin", "tokens.bin", "contexts.bin", "log.json"] {
                    prop_assert_eq!(fs::read(broken.join(file)).unwrap(), fs::read(whole.join(file)).unwrap());
                }
            }
            Err(error) => {
                prop_assert!((cut as u64) < valid);
                prop_assert!(matches!(error, LogError::Damaged { .. }), "{error}");
            }
        }
    }
}

/// A sample of tokens estimates the share of all of them.
#[test]
fn sampled_neighbours_are_near_the_truth() {
    // Feature 1 fires always; feature 2 on three quarters of the tokens, feature 3 on a third.
    let row = |i: usize| {
        let at = |share: bool| f32::from(u8::from(share));
        Some(vec![
            0.0,
            1.0,
            at(!i.is_multiple_of(4)),
            at(i.is_multiple_of(3)),
            0.0,
            0.0,
            0.0,
        ])
    };
    let dense: Dense = (0..600)
        .map(|c| (0..SIZE).map(|p| row(c * SIZE + p)).collect())
        .collect();
    let dir = tempfile::tempdir().unwrap();
    let history = History::plain();
    let log = history.write(&dense, dir.path());
    let mut estimates = Vec::new();
    for seed in 0..20 {
        let mut settings = settings(&history);
        settings.seed = seed;
        settings.coactive_sample = 400;
        let part = parts(&log, &dense, &[1], &settings, 2).remove(0);
        let found: Vec<u32> = part.coactive.iter().map(|n| n.index).collect();
        assert_eq!((found, part.n_sampled), (vec![2, 3], 400));
        // Five standard errors of 400 draws.
        assert!(
            (part.coactive[0].value - 0.75).abs() < 0.11,
            "{:?}",
            part.coactive
        );
        assert!(
            (part.coactive[1].value - 1.0 / 3.0).abs() < 0.12,
            "{:?}",
            part.coactive
        );
        estimates.push(part.coactive[0].value.to_bits());
    }
    estimates.sort_unstable();
    estimates.dedup();
    assert!(
        estimates.len() > 5,
        "the sample does not depend on the seed"
    );
}
