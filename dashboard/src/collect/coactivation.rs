//! Features that fire together.

use super::CollectOptions;
use super::activations::Fired;
use super::random::rank;
use crate::{ActivationLog, Neighbour};

/// Counts features, and remembers which, so that it is cleared at the cost of those.
#[derive(Default)]
pub(super) struct Counter {
    counts: Vec<u32>,
    seen: Vec<u32>,
}

/// Tells these samples from others of the same feature.
const SALT: u64 = 1;

/// The features that fire on most of the feature's tokens, or of a sample of them, and how many tokens these are.
pub(super) fn neighbours(
    log: &ActivationLog,
    feature: u32,
    fired: Fired<'_>,
    settings: &CollectOptions,
    counter: &mut Counter,
) -> (Vec<Neighbour>, u64) {
    counter.counts.resize(log.info().d_sae as usize, 0);
    let context_size = u64::from(log.info().context_size);
    let sampled = sample(log, feature, fired.places, settings);
    for &place in &sampled {
        let (context, position) = (place / context_size, place % context_size);
        for &[other, _] in log.row(context as usize, position as usize) {
            let count = &mut counter.counts[other as usize];
            if *count == 0 {
                counter.seen.push(other);
            }
            *count += 1;
        }
    }
    let counts = &counter.counts;
    let mut found: Vec<u32> = counter
        .seen
        .iter()
        .copied()
        .filter(|&other| other != feature)
        .collect();
    let order = |a: &u32, b: &u32| (counts[*b as usize], a).cmp(&(counts[*a as usize], b));
    if found.len() > settings.n_neighbours {
        found.select_nth_unstable_by(settings.n_neighbours, order);
        found.truncate(settings.n_neighbours);
    }
    found.sort_unstable_by(order);
    let n = sampled.len();
    let neighbours = found.into_iter().map(|index| Neighbour {
        index,
        value: (f64::from(counts[index as usize]) / n as f64) as f32,
    });
    let neighbours = neighbours.collect();
    for other in counter.seen.drain(..) {
        counter.counts[other as usize] = 0;
    }
    (neighbours, n as u64)
}

/// The places that are looked at, in the order of the text.
fn sample(
    log: &ActivationLog,
    feature: u32,
    places: &[u64],
    settings: &CollectOptions,
) -> Vec<u64> {
    if places.len() <= settings.coactive_sample {
        return places.to_vec();
    }
    let context_size = u64::from(log.info().context_size);
    let mut ranked: Vec<(u64, u64)> = places
        .iter()
        .map(|&place| {
            let context = log.context((place / context_size) as usize);
            let position = (place % context_size) as u32;
            (rank(settings.seed, SALT, feature, context, position), place)
        })
        .collect();
    ranked.select_nth_unstable(settings.coactive_sample);
    ranked.truncate(settings.coactive_sample);
    let mut places: Vec<u64> = ranked.into_iter().map(|(_, place)| place).collect();
    places.sort_unstable();
    places
}
