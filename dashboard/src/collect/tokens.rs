//! Which tokens a feature fires on: more than the one of its largest activation, which one odd document can decide.

use std::collections::HashMap;

use rayon::prelude::*;

use super::{Contexts, Summary};
use crate::{ActivationLog, Entry};

/// Contexts of a feature that are looked at: as many as its page shows at the top.
const N_CONTEXTS: usize = 20;
/// Tokens that are kept of a feature.
const N_TOKENS: usize = 8;

/// The largest activation of a feature in a context.
#[derive(Debug, Clone, Copy)]
struct Peak {
    value: f32,
    place: u32,
    position: u32,
}

/// For each feature the tokens on which it fires most, at most eight: of each of the 20 contexts in which its activation is largest, the token of
/// that activation; a token weighs as much as its activations together. The heaviest comes first; of equal ones, the one with the larger
/// activation. Empty where a feature never fires, or where the tokens of a context are not there.
///
/// There is a list for each feature of the summary, which is that of the log. The log is read once for each thread; the result does not depend on
/// their number.
pub fn firing_tokens(
    log: &ActivationLog,
    summary: &Summary,
    contexts: &(impl Contexts + ?Sized),
) -> Vec<Vec<u32>> {
    let d_sae = summary.n_fired.len();
    let per_thread = d_sae.div_ceil(rayon::current_num_threads()).max(1);
    let ranges: Vec<_> = (0..d_sae).step_by(per_thread).collect();
    let found: Vec<Vec<_>> = ranges
        .into_par_iter()
        .map(|first| {
            let peaks = peaks(log, first, (first + per_thread).min(d_sae));
            let peaks = peaks.into_iter();
            peaks.map(|peaks| tokens(log, contexts, &peaks)).collect()
        })
        .collect();
    found.into_iter().flatten().collect()
}

/// The largest activations of some features, one of a context, largest first; of equal ones the first in the text.
fn peaks(log: &ActivationLog, first: usize, end: usize) -> Vec<Vec<Peak>> {
    let mut peaks = vec![Vec::new(); end - first];
    let before = |limit: usize| move |entry: &Entry| (entry[0] as usize) < limit;
    for place in 0..log.n_contexts() {
        for (position, entries) in log.tokens(place).enumerate() {
            let Some(entries) = entries else { continue };
            let from = entries.partition_point(before(first));
            let to = entries.partition_point(before(end));
            for &[feature, bits] in &entries[from..to.max(from)] {
                // A damaged log may have features out of order.
                let Some(of_feature) = (feature as usize)
                    .checked_sub(first)
                    .and_then(|f| peaks.get_mut(f))
                else {
                    continue;
                };
                let peak = Peak {
                    value: f32::from_bits(bits),
                    place: place as u32,
                    position: position as u32,
                };
                offer(of_feature, peak);
            }
        }
    }
    peaks
}

/// Takes a peak that is among the largest. Peaks come in the order of the text.
fn offer(peaks: &mut Vec<Peak>, peak: Peak) {
    let is_full = peaks.len() == N_CONTEXTS;
    if is_full && peaks.last().is_some_and(|last| peak.value <= last.value) {
        return;
    }
    if let Some(at) = peaks.iter().position(|p| p.place == peak.place) {
        if peak.value <= peaks[at].value {
            return;
        }
        peaks.remove(at);
    } else if is_full {
        peaks.pop();
    }
    let at = peaks.partition_point(|p| p.value >= peak.value);
    peaks.insert(at, peak);
}

/// The tokens of peaks, heaviest first.
fn tokens(log: &ActivationLog, contexts: &(impl Contexts + ?Sized), peaks: &[Peak]) -> Vec<u32> {
    // Weight, and the rank of its first peak.
    let mut weights = HashMap::<u32, (f64, usize)>::new();
    for (rank, peak) in peaks.iter().enumerate() {
        let context = contexts.tokens(log.context(peak.place as usize));
        let token = context.and_then(|ids| ids.get(peak.position as usize).copied());
        let Some(token) = token else { continue };
        weights.entry(token).or_insert((0.0, rank)).0 += f64::from(peak.value);
    }
    let mut heaviest: Vec<_> = weights.into_iter().collect();
    heaviest.sort_unstable_by(|(_, a), (_, b)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    heaviest.truncate(N_TOKENS);
    heaviest.into_iter().map(|(token, _)| token).collect()
}
