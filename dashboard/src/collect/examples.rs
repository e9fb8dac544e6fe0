//! Which contexts are shown of a feature.

use std::collections::{BinaryHeap, HashSet};

use super::activations::Fired;
use super::random::rank;
use super::{CollectError, CollectOptions, Contexts};
use crate::{ActivationLog, Example, Group, GroupKind};

/// Tells the samples of the random group from those of the intervals, which follow it.
const RANDOM: u64 = 2;
const FIRST_INTERVAL: u64 = 3;

/// The groups of a feature; none where it never fires.
pub(super) fn groups(
    log: &ActivationLog,
    contexts: &(impl Contexts + ?Sized),
    feature: u32,
    fired: Fired<'_>,
    settings: &CollectOptions,
) -> Result<Vec<Group>, CollectError> {
    let mut chooser = Chooser {
        log,
        feature,
        fired,
        context_size: u64::from(log.info().context_size),
        seed: settings.seed,
        used: HashSet::new(),
    };
    let mut chosen = Vec::new();
    let top = chooser.top(settings.n_top);
    let Some(max) = fired.values.iter().copied().max_by(f32::total_cmp) else {
        return Ok(Vec::new());
    };
    chosen.push((GroupKind::Top, top));
    // The edges as they are shown, so that what is shown is true to the last bit; the last is the largest activation itself.
    let n = settings.n_intervals;
    let edges: Vec<f32> = (0..=n)
        .map(|i| (f64::from(max) * i as f64 / n as f64) as f32)
        .collect();
    let interval = |x: f32| edges[1..].partition_point(|&high| high < x);
    let mut n_fired = vec![0; n + 1];
    for &x in fired.values {
        n_fired[interval(x)] += 1;
    }
    for i in (0..n).rev() {
        let kind = GroupKind::Interval {
            low: edges[i],
            high: edges[i + 1],
            n_fired: n_fired[i],
        };
        let salt = FIRST_INTERVAL + i as u64;
        let sample = chooser.sample(settings.n_per_interval, salt, |x| interval(x) == i);
        chosen.push((kind, sample));
    }
    let random = chooser.sample(settings.n_random, RANDOM, |_| true);
    chosen.push((GroupKind::Random, random));

    let show = |i| example(log, contexts, fired, i, settings);
    let groups = chosen.into_iter().map(|(kind, indices)| {
        let examples = indices.into_iter().map(show).collect::<Result<_, _>>()?;
        Ok(Group { kind, examples })
    });
    groups.collect()
}

/// Chooses activations by their index, one of a context in all.
struct Chooser<'a> {
    log: &'a ActivationLog,
    feature: u32,
    fired: Fired<'a>,
    context_size: u64,
    seed: u64,
    used: HashSet<u64>,
}

impl Chooser<'_> {
    fn context(&self, i: usize) -> u64 {
        self.fired.places[i] / self.context_size
    }

    /// The largest activations, one of a context, largest first; of equal ones those that come first in the text.
    fn top(&mut self, n: usize) -> Vec<usize> {
        let values = self.fired.values;
        let order = |a: &usize, b: &usize| values[*b].total_cmp(&values[*a]).then(a.cmp(b));
        let mut best = self.one_of_each_context(|_| true, order);
        if best.len() > n {
            best.select_nth_unstable_by(n, order);
            best.truncate(n);
        }
        best.sort_unstable_by(order);
        self.used
            .extend(best.iter().map(|&i| self.context(i)).collect::<Vec<_>>());
        best
    }

    /// Some of the activations that are wanted, drawn at random, in the order of the text.
    fn sample(&mut self, n: usize, salt: u64, is_wanted: impl Fn(f32) -> bool) -> Vec<usize> {
        let rank = |&i: &usize| {
            let context = self.log.context(self.context(i) as usize);
            let position = (self.fired.places[i] % self.context_size) as u32;
            (rank(self.seed, salt, self.feature, context, position), i)
        };
        let wanted =
            |i: usize| is_wanted(self.fired.values[i]) && !self.used.contains(&self.context(i));
        let candidates = self.one_of_each_context(wanted, |a, b| rank(a).cmp(&rank(b)));
        let mut lowest = BinaryHeap::with_capacity(n + 1);
        for i in candidates {
            lowest.push(rank(&i));
            if lowest.len() > n {
                lowest.pop();
            }
        }
        let mut sample: Vec<usize> = lowest.into_iter().map(|(_, i)| i).collect();
        sample.sort_unstable();
        self.used
            .extend(sample.iter().map(|&i| self.context(i)).collect::<Vec<_>>());
        sample
    }

    /// Of each context, the wanted activation that is first by `order`.
    fn one_of_each_context(
        &self,
        is_wanted: impl Fn(usize) -> bool,
        order: impl Fn(&usize, &usize) -> std::cmp::Ordering,
    ) -> Vec<usize> {
        let mut best: Vec<usize> = Vec::new();
        for i in (0..self.fired.values.len()).filter(|&i| is_wanted(i)) {
            match best.last_mut() {
                Some(last) if self.context(*last) == self.context(i) => {
                    if order(&i, last).is_lt() {
                        *last = i;
                    }
                }
                _ => best.push(i),
            }
        }
        best
    }
}

/// The text around an activation.
fn example(
    log: &ActivationLog,
    contexts: &(impl Contexts + ?Sized),
    fired: Fired<'_>,
    i: usize,
    settings: &CollectOptions,
) -> Result<Example, CollectError> {
    let context_size = u64::from(log.info().context_size);
    let (place, position) = (
        fired.places[i] / context_size,
        (fired.places[i] % context_size) as usize,
    );
    let context = log.context(place as usize);
    let tokens = contexts
        .tokens(context)
        .filter(|tokens| tokens.len() as u64 == context_size)
        .ok_or(CollectError::NoTokens { context })?;
    let start = position.saturating_sub(settings.before);
    let end = position
        .saturating_add(settings.after)
        .saturating_add(1)
        .min(tokens.len());
    let first = place * context_size + start as u64;
    let mut values = vec![0.0; end - start];
    let from = fired.places.partition_point(|&place| place < first);
    for (place, value) in fired.places[from..].iter().zip(&fired.values[from..]) {
        let Some(shown) = values.get_mut((place - first) as usize) else {
            break;
        };
        *shown = *value;
    }
    Ok(Example {
        context,
        position: position as u32,
        start: start as u32,
        tokens: tokens[start..end].to_vec(),
        values,
    })
}
