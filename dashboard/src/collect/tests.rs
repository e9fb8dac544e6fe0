//! Against the definitions, written down without regard to speed.

mod tokens;

use super::{
    CollectError, CollectOptions, CollectProgress, FeaturePart, Summary, collect, shares_below,
};
use crate::{ActivationLog, GroupKind, LogInfo, LogWriter};
use proptest::prelude::*;
use sae_progress::Unobserved;
use serde_json::Value;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

const SIZE: usize = 12;
const D_SAE: u32 = 6;

/// `[context][position][feature]`; `None` where a token does not count.
type Dense = Vec<Vec<Option<Vec<f32>>>>;

fn dense() -> impl Strategy<Value = Dense> {
    // Few values, so that many are equal.
    let value = prop_oneof![3 => Just(0.0_f32), 1 => (1_u8..9).prop_map(|x| f32::from(x) / 4.0)];
    let token = prop::collection::vec(value, D_SAE as usize);
    let context = prop::collection::vec(prop::option::weighted(0.9, token), SIZE);
    prop::collection::vec(context, 1..30)
}

/// The log of some shards, each context in one of them, in the order that `order` gives.
fn log(dense: &Dense, order: &[usize], n_shards: usize) -> (tempfile::TempDir, ActivationLog) {
    let dir = tempfile::tempdir().unwrap();
    let dirs: Vec<_> = (0..n_shards)
        .map(|i| dir.path().join(i.to_string()))
        .collect();
    let info = LogInfo {
        d_sae: D_SAE,
        context_size: SIZE as u32,
        made_from: Value::Null,
    };
    let mut writers: Vec<_> = dirs
        .iter()
        .map(|dir| LogWriter::create(dir, info.clone()).unwrap())
        .collect();
    for (i, &context) in order.iter().enumerate() {
        let rows = &dense[context];
        let kept: Vec<bool> = rows.iter().map(Option::is_some).collect();
        let active = |position: usize| {
            let row: &[f32] = rows[position].as_deref().unwrap_or_default();
            row.iter()
                .enumerate()
                .map(|(f, x)| (f as u32, *x))
                .collect::<Vec<_>>()
        };
        writers[i % n_shards]
            .push_context(context as u64, &kept, active)
            .unwrap();
    }
    for writer in writers {
        writer.finish().unwrap();
    }
    (dir, ActivationLog::open(&dirs).unwrap())
}

fn tokens(n: usize) -> Vec<Vec<u32>> {
    (0..n)
        .map(|c| (0..SIZE).map(|p| (c * SIZE + p) as u32).collect())
        .collect()
}

fn settings() -> CollectOptions {
    CollectOptions {
        n_top: 4,
        n_intervals: 3,
        n_per_interval: 2,
        n_random: 3,
        before: 3,
        after: 2,
        n_neighbours: 3,
        coactive_sample: 20,
        seed: 5,
        memory: 1 << 20,
    }
}

fn parts(log: &ActivationLog, settings: &CollectOptions) -> Vec<FeaturePart> {
    let (mut parts, features) = (Vec::new(), (0..D_SAE).collect::<Vec<_>>());
    let contexts = tokens(200);
    let go_on = &mut Unobserved;
    collect(
        log,
        &Summary::of(log).unwrap(),
        contexts.as_slice(),
        &features,
        settings,
        go_on,
        |part| {
            parts.push(part);
            Ok(())
        },
    )
    .unwrap();
    parts
}

fn check(
    dense: &Dense,
    part: &FeaturePart,
    settings: &CollectOptions,
) -> Result<(), TestCaseError> {
    let f = part.index as usize;
    // (context, position) → activation, in the order of the text.
    let fired: BTreeMap<(u64, u32), f32> = dense
        .iter()
        .enumerate()
        .flat_map(|(c, rows)| rows.iter().enumerate().map(move |(p, row)| ((c, p), row)))
        .filter_map(|((c, p), row)| Some(((c as u64, p as u32), row.as_ref()?[f])))
        .filter(|(_, x)| *x > 0.0)
        .collect();
    let n_tokens = dense.iter().flatten().flatten().count() as f64;
    let n = fired.len();
    prop_assert_eq!(part.statistics.n_fired, n as u64);
    prop_assert_eq!(part.activations.counts.iter().sum::<u64>(), n as u64);
    if n == 0 {
        prop_assert!(part.groups.is_empty() && part.coactive.is_empty());
        return Ok(());
    }
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + b.abs());
    let values: Vec<f64> = fired.values().map(|&x| f64::from(x)).collect();
    let mean = values.iter().sum::<f64>() / n as f64;
    let central = |k: i32| values.iter().map(|x| (x - mean).powi(k)).sum::<f64>() / n as f64;
    prop_assert!(close(part.statistics.density * n_tokens, n as f64));
    prop_assert!(close(part.statistics.mean, mean));
    prop_assert!(close(
        part.statistics.mean_square,
        values.iter().map(|x| x * x).sum::<f64>() / n as f64
    ));
    if central(2) > 0.0 {
        prop_assert!(close(
            part.statistics.skewness,
            central(3) / central(2).powf(1.5)
        ));
        prop_assert!(close(
            part.statistics.kurtosis,
            central(4) / central(2).powi(2)
        ));
    }
    for q in &part.statistics.quantiles {
        let at_most = |v: f64| values.iter().filter(|x| **x <= v).count() as f64;
        let below = values
            .iter()
            .copied()
            .filter(|x| *x < f64::from(q.value))
            .fold(0.0, f64::max);
        prop_assert!(at_most(f64::from(q.value)) >= q.p * n as f64);
        prop_assert!(below == 0.0 || at_most(below) < q.p * n as f64);
    }
    let max = fired.values().copied().fold(0.0, f32::max);
    prop_assert_eq!((part.statistics.max, part.activations.max), (max, max));

    // Co-activation, where every token is looked at.
    if n <= settings.coactive_sample {
        let mut shares: Vec<(u32, f32)> = (0..D_SAE)
            .filter(|&g| g != part.index)
            .map(|g| {
                let together = fired.keys().filter(|(c, p)| {
                    dense[*c as usize][*p as usize].as_ref().unwrap()[g as usize] > 0.0
                });
                (g, together.count() as f32 / n as f32)
            })
            .filter(|(_, share)| *share > 0.0)
            .collect();
        shares.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        shares.truncate(settings.n_neighbours);
        let found: Vec<_> = part.coactive.iter().map(|n| (n.index, n.value)).collect();
        prop_assert_eq!(found, shares);
        prop_assert_eq!(part.n_sampled, n as u64);
    } else {
        prop_assert_eq!(part.n_sampled, settings.coactive_sample as u64);
    }

    check_groups(dense, part, settings, &fired, max)
}

fn check_groups(
    dense: &Dense,
    part: &FeaturePart,
    settings: &CollectOptions,
    fired: &BTreeMap<(u64, u32), f32>,
    max: f32,
) -> Result<(), TestCaseError> {
    let f = part.index as usize;
    // The top group: of each context its first largest, the largest of these.
    let mut best: BTreeMap<u64, (u32, f32)> = BTreeMap::new();
    for (&(c, p), &x) in fired {
        let entry = best.entry(c).or_insert((p, x));
        if x > entry.1 {
            *entry = (p, x);
        }
    }
    let mut top: Vec<_> = best.iter().map(|(&c, &(p, x))| (c, p, x)).collect();
    top.sort_by(|a, b| b.2.total_cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
    top.truncate(settings.n_top);
    let found: Vec<_> = part.groups[0]
        .examples
        .iter()
        .map(|e| {
            (
                e.context,
                e.position,
                e.values[(e.position - e.start) as usize],
            )
        })
        .collect();
    prop_assert_eq!(part.groups[0].kind, GroupKind::Top);
    prop_assert_eq!(found, top);

    let mut used = HashSet::new();
    let mut edge = max;
    for group in &part.groups {
        let mut last = (0, 0);
        for e in &group.examples {
            prop_assert!(used.insert(e.context), "context {} twice", e.context);
            let x = fired[&(e.context, e.position)];
            if let GroupKind::Interval { low, high, .. } = group.kind {
                prop_assert!(low < x && x <= high);
            }
            if group.kind != GroupKind::Top {
                prop_assert!(last < (e.context + 1, e.position));
                last = (e.context + 1, e.position);
            }
            // Every value shown is what the dense array has there.
            prop_assert_eq!(e.start, e.position.saturating_sub(settings.before as u32));
            prop_assert_eq!(e.tokens.len(), e.values.len());
            for (i, (&token, &value)) in e.tokens.iter().zip(&e.values).enumerate() {
                let p = e.start as usize + i;
                prop_assert_eq!(token as usize, e.context as usize * SIZE + p);
                let truth = dense[e.context as usize][p]
                    .as_ref()
                    .map_or(0.0, |row| row[f]);
                prop_assert_eq!(value.to_bits(), truth.to_bits());
            }
        }
        if let GroupKind::Interval { low, high, n_fired } = group.kind {
            prop_assert_eq!(high.to_bits(), edge.to_bits());
            edge = low;
            let inside = fired.values().filter(|x| low < **x && **x <= high).count();
            prop_assert_eq!(n_fired, inside as u64);
            // As many as there are contexts left, up to the number asked for.
            prop_assert!(group.examples.len() <= settings.n_per_interval);
        }
    }
    prop_assert_eq!(edge.to_bits(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn parts_are_what_the_definitions_say_however_the_log_came_to_be(
        dense in dense(),
        seed in any::<u64>(),
        n_shards in 1_usize..4,
        memory in prop::sample::select(vec![1_u64, 500, 1 << 20]),
    ) {
        let in_order: Vec<usize> = (0..dense.len()).collect();
        let (_dir, whole) = log(&dense, &in_order, 1);
        let settings = settings();
        let found = parts(&whole, &settings);
        let summary = Summary::of(&whole).unwrap();
        for part in &found {
            let f = part.index as usize;
            prop_assert_eq!((summary.n_fired[f], summary.max[f]), (part.statistics.n_fired, part.statistics.max));
            prop_assert!((summary.mean[f] - part.statistics.mean).abs() < 1e-9);
            let top = part.groups.first().map(|g| (g.examples[0].context, g.examples[0].position));
            prop_assert_eq!(summary.argmax[f], top);
        }
        prop_assert_eq!(found.len(), D_SAE as usize);
        for part in &found {
            check(&dense, part, &settings)?;
        }
        // Asked about values that are there and some that are not.
        let asked: Vec<(u32, f32)> = (0..=D_SAE).flat_map(|f| [(f, 0.5), (f, 1.1), (f, 9.0)]).collect();
        let shares = shares_below(&whole, &summary, &asked);
        for (&(feature, value), share) in asked.iter().zip(shares) {
            let all = dense.iter().flatten().flatten().filter_map(|row| row.get(feature as usize)).filter(|x| **x > 0.0);
            let (below, n) = all.fold((0, 0), |(below, n), x| (below + u32::from(*x <= value), n + 1));
            prop_assert!((share * f64::from(n) - f64::from(below)).abs() < 1e-9);
        }
        // Another order, shards and several scans: the same to the last bit.
        let mut order = in_order;
        order.sort_by_key(|&c| (c as u64).wrapping_mul(seed | 1).rotate_left(17));
        let (_dir, sharded) = log(&dense, &order, n_shards);
        let settings = CollectOptions { memory, ..settings };
        prop_assert_eq!(parts(&sharded, &settings), found);
        prop_assert_eq!(Summary::of(&sharded).unwrap(), summary);
    }
}

#[test]
fn samples_depend_on_the_seed_and_reach_every_context() {
    let row = |c: usize| -> Vec<Option<Vec<f32>>> {
        (0..SIZE)
            .map(|p| {
                Some(vec![
                    f32::from(u8::from(p == c % SIZE)),
                    0.0,
                    0.0,
                    0.0,
                    0.0,
                    0.0,
                ])
            })
            .collect()
    };
    let dense: Dense = (0..40).map(row).collect();
    let (_dir, log) = log(&dense, &(0..40).collect::<Vec<_>>(), 1);
    let shown = |seed| -> Vec<u64> {
        let parts = parts(
            &log,
            &CollectOptions {
                seed,
                n_top: 1,
                ..settings()
            },
        );
        parts[0].groups[1..]
            .iter()
            .flat_map(|g| g.examples.iter().map(|e| e.context))
            .collect()
    };
    assert_ne!(shown(1), shown(2));
    let all: HashSet<u64> = (0..60).flat_map(shown).collect();
    assert!(all.len() > 35, "{}", all.len());
}

#[test]
fn what_is_not_there_is_told() {
    let dense: Dense = vec![vec![Some(vec![1.0; D_SAE as usize]); SIZE]; 3];
    let (_dir, log) = log(&dense, &[0, 1, 2], 1);
    let run = |features: &[u32], n: usize, stop: bool| {
        let contexts = tokens(n);
        let observer = &mut |_: &CollectProgress| {
            if stop {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        collect(
            &log,
            &Summary::of(&log).unwrap(),
            contexts.as_slice(),
            features,
            &settings(),
            observer,
            |_| Ok(()),
        )
    };
    assert!(run(&[0, 0, 5], 3, false).is_ok());
    assert!(matches!(
        run(&[6], 3, false),
        Err(CollectError::Unknown { feature: 6, .. })
    ));
    assert!(matches!(
        run(&[0], 2, false),
        Err(CollectError::NoTokens { context: 2 })
    ));
    assert!(matches!(run(&[0], 3, true), Err(CollectError::Stopped)));
    let summary = Summary::of(&log).unwrap();
    assert_eq!((summary.n_fired, summary.n_tokens), (vec![36; 6], 36));
    assert_eq!(summary.argmax, vec![Some((0, 0)); 6]);
}
