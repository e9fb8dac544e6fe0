//! How often chance alone goes as far.

use crate::groups::{Groups, Set};
use crate::observations::{Entry, Observations};
use crate::random::Random;
use rayon::prelude::*;

/// Permutations at a time: their sums stay in the nearest cache, and their signs within some megabytes.
const AT_ONCE: usize = 512;
/// Sums of the same numbers in another order differ by less than this share of their size.
const ROUNDING: f64 = 1e-12;

/// Two-sided p of every feature by permutation: `(1 + #{|T*| ≥ |T|}) / (1 + B)`.
///
/// `T` is the difference of the means of `a` and `b`, with the labels dealt anew (which ranks permutations as the pooled t does); for pairs the
/// mean of the differences, with signs flipped. All features see the same permutations. The work is the number of values that are not zero times
/// `B`. None for a feature that is zero everywhere.
pub(crate) fn p_values(
    observed: &Observations,
    groups: &Groups,
    permutations: usize,
    seed: u64,
) -> Vec<Option<f64>> {
    let features = 0..observed.d_sae() as u32;
    let mut tests: Vec<Test> = features
        .map(|feature| Test::new(observed.feature(feature), groups))
        .collect();
    let mut random = Random::new(seed, 0);
    let mut done = 0;
    while done < permutations {
        let n = AT_ONCE.min(permutations - done);
        let signs = signs(groups, n, &mut random);
        tests
            .par_iter_mut()
            .for_each_init(Vec::new, |sums, test| test.count(&signs, n, sums));
        done += n;
    }
    let p = |test: &Test| {
        let p = (1 + test.as_far) as f64 / (1 + permutations) as f64;
        (!test.values.is_empty()).then_some(p)
    };
    tests.iter().map(p).collect()
}

/// For each prompt, or pair, and each permutation +1 or −1; `n` for each prompt.
fn signs(groups: &Groups, n: usize, random: &mut Random) -> Vec<f32> {
    if groups.paired() {
        let mut signs = vec![0.0; groups.n_a() * n];
        for column in 0..n {
            for first in (0..groups.n_a()).step_by(64) {
                let bits = random.bits();
                for at in first..groups.n_a().min(first + 64) {
                    let heads = bits >> (at - first) & 1 == 1;
                    signs[at * n + column] = if heads { 1.0 } else { -1.0 };
                }
            }
        }
        return signs;
    }
    let mut signs = vec![-1.0; groups.n() * n];
    let mut prompts: Vec<usize> = (0..groups.n()).collect();
    for column in 0..n {
        random.choose(&mut prompts, groups.n_a());
        for &prompt in &prompts[..groups.n_a()] {
            signs[prompt * n + column] = 1.0;
        }
    }
    signs
}

/// One feature's test.
struct Test {
    /// Prompt, or pair, and value or difference.
    values: Vec<(u32, f64)>,
    /// `|T*|` is `|scale·Σ ±v + shift|`, up to a factor.
    scale: f64,
    shift: f64,
    /// What `|T*|` has to reach.
    reach: f64,
    as_far: u64,
}

impl Test {
    fn new(entries: &[Entry], groups: &Groups) -> Self {
        if groups.paired() {
            let values = differences(entries, groups.n_a());
            return Self::of(values.collect(), 1.0, 0.0, |_| 1.0);
        }
        // With S± the signed sum and S the sum: Σ_a/n_a − Σ_b/n_b = (S + S±)/2n_a − (S − S±)/2n_b.
        let (a, b) = (0.5 / groups.n_a() as f64, 0.5 / groups.n_b() as f64);
        let values: Vec<_> = entries
            .iter()
            .map(|entry| (entry.prompt, f64::from(entry.value)))
            .collect();
        let sum: f64 = values.iter().map(|(_, value)| value).sum();
        let sign = |prompt: u32| match groups.set(prompt as usize) {
            Set::A => 1.0,
            Set::B => -1.0,
        };
        Self::of(values, a + b, sum * (a - b), sign)
    }

    fn of(values: Vec<(u32, f64)>, scale: f64, shift: f64, sign: impl Fn(u32) -> f64) -> Self {
        let signed: f64 = values.iter().map(|&(at, value)| sign(at) * value).sum();
        let size: f64 = values.iter().map(|(_, value)| value.abs()).sum();
        let rounding = ROUNDING * (scale * size + shift.abs());
        Self {
            values,
            scale,
            shift,
            reach: (scale * signed + shift).abs() - rounding,
            as_far: 0,
        }
    }

    fn count(&mut self, signs: &[f32], n: usize, sums: &mut Vec<f64>) {
        sums.clear();
        sums.resize(n, 0.0);
        for &(at, value) in &self.values {
            let signs = &signs[at as usize * n..][..n];
            for (sum, &sign) in sums.iter_mut().zip(signs) {
                *sum += value * f64::from(sign);
            }
        }
        let far = |sum: &&f64| (self.scale * **sum + self.shift).abs() >= self.reach;
        self.as_far += sums.iter().filter(far).count() as u64;
    }
}

/// The differences `a − b` of the pairs in which a feature is not zero on both sides, with the pair of each; some of them may be zero.
pub(crate) fn differences(
    entries: &[Entry],
    n: usize,
) -> impl Iterator<Item = (u32, f64)> + Clone + '_ {
    let cut = entries.partition_point(|entry| (entry.prompt as usize) < n);
    let (mut a, mut b) = (
        entries[..cut].iter().peekable(),
        entries[cut..].iter().peekable(),
    );
    std::iter::from_fn(move || {
        let of_b = |entry: &&Entry| entry.prompt - n as u32;
        let pair_a = a.peek().map(|entry| entry.prompt);
        let pair_b = b.peek().map(of_b);
        let pair = match (pair_a, pair_b) {
            (Some(x), Some(y)) => x.min(y),
            (x, y) => x.or(y)?,
        };
        let value = |entry: &Entry| f64::from(entry.value);
        let of_a = a.next_if(|entry| entry.prompt == pair).map_or(0.0, value);
        let of_b = b.next_if(|entry| of_b(entry) == pair).map_or(0.0, value);
        Some((pair, of_a - of_b))
    })
}

#[cfg(test)]
mod tests;
