//! Which windows are examples, and which are asked about.

use super::{Logged, QuestionOptions};
use crate::collect::rank;
use std::collections::HashSet;

/// Salts of the draws, so that one says nothing of another.
const WINDOW: u64 = 1;
const SILENT: u64 = 2;
const MARK: u64 = 3;

/// The windows that contexts are cut into. What is left over at the end of a context is in none.
#[derive(Debug)]
pub(super) struct Windows<'a> {
    options: &'a QuestionOptions,
    size: usize,
    /// Windows of a context.
    per_context: usize,
    n: u64,
}

/// A window, and the activations in it; none where the feature is silent.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    pub(super) number: u64,
    pub(super) max: f32,
    /// Position in the window and value, ascending.
    pub(super) fired: Vec<(u32, f32)>,
    /// From 0, that of the largest activations.
    pub(super) quantile: Option<usize>,
}

/// What is drawn for a feature.
#[derive(Debug)]
pub(super) struct Drawn {
    pub(super) feature: u32,
    pub(super) examples: Vec<Window>,
    /// In any order: those in which it fires and those in which it does not.
    pub(super) asked: Vec<Window>,
    /// Tokens to mark in a window where it is silent: the mean number of tokens it fires on, rounded up.
    pub(super) n_marks: usize,
}

impl<'a> Windows<'a> {
    pub(super) fn new(logged: &Logged<'_>, options: &'a QuestionOptions) -> Self {
        let context_size = logged.context_size();
        let size = options.window.clamp(1, context_size.max(1));
        let per_context = context_size / size;
        Self {
            options,
            size,
            per_context,
            n: (per_context * logged.log.n_contexts()) as u64,
        }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Context's place, and position of the window's first token.
    pub(super) fn start(&self, number: u64) -> (usize, usize) {
        let number = number as usize;
        let position = number % self.per_context * self.size;
        (number / self.per_context, position)
    }

    /// Draws for a feature that fires so, in the order of the text; nothing if it fires in too few windows.
    pub(super) fn draw(
        &self,
        feature: u32,
        located: impl Iterator<Item = (u32, u32, f32)>,
    ) -> Option<Drawn> {
        let options = self.options;
        let mut active = self.active(located);
        // Two at least: one to explain and one to ask about.
        if active.len() < options.min_windows.max(2) {
            return None;
        }
        let numbers: Vec<u64> = active.iter().map(|window| window.number).collect();
        active.sort_by(|a, b| b.max.total_cmp(&a.max).then(a.number.cmp(&b.number)));
        let n_quantiles = options.n_quantiles.clamp(1, active.len() / 2);
        let (train, test) = (options.n_train / n_quantiles, options.n_test / n_quantiles);
        let (mut examples, mut asked) = (Vec::new(), Vec::new());
        let per_quantile = active.len() / n_quantiles;
        for (quantile, some) in active
            .chunks_mut(per_quantile)
            .take(n_quantiles)
            .enumerate()
        {
            some.sort_by_cached_key(|w| rank(options.seed, WINDOW, feature, w.number, 0));
            // Where there are too few for both, both have their share.
            let test = if per_quantile < test + train {
                (per_quantile * test).div_ceil(test + train)
            } else {
                test
            };
            for (at, window) in some.iter().take(test + train).enumerate() {
                let quantile = Some(quantile);
                let window = Window {
                    quantile,
                    ..window.clone()
                };
                if at < test {
                    asked.push(window);
                } else {
                    examples.push(window);
                }
            }
        }
        let n_fired: usize = asked.iter().map(|window| window.fired.len()).sum();
        let n_marks = n_fired.div_ceil(asked.len().max(1));
        asked.extend(self.silent(feature, &numbers));
        // A judge must not learn from the order.
        asked.sort_by_cached_key(|w| rank(options.seed, WINDOW, feature, w.number, 1));
        Some(Drawn {
            feature,
            examples,
            asked,
            n_marks,
        })
    }

    /// The windows in which the feature fires, in the order of the text.
    fn active(&self, located: impl Iterator<Item = (u32, u32, f32)>) -> Vec<Window> {
        let mut windows: Vec<Window> = Vec::new();
        for (place, position, value) in located {
            let (window, offset) = (position as usize / self.size, position as usize % self.size);
            if window >= self.per_context {
                continue;
            }
            let number = u64::from(place) * self.per_context as u64 + window as u64;
            if windows.last().is_none_or(|last| last.number != number) {
                windows.push(Window {
                    number,
                    max: 0.0,
                    fired: Vec::new(),
                    quantile: None,
                });
            }
            if let Some(last) = windows.last_mut() {
                last.max = last.max.max(value);
                last.fired.push((offset as u32, value));
            }
        }
        windows
    }

    /// Windows in which the feature is silent; `active` are the others, ascending.
    fn silent(&self, feature: u32, active: &[u64]) -> Vec<Window> {
        let n_silent = self.n - active.len() as u64;
        let wanted = (self.options.n_silent as u64).min(n_silent);
        let mut taken = HashSet::new();
        // Floyd's sampling: each set of this many is as likely.
        for last in n_silent - wanted..n_silent {
            let hash = rank(self.options.seed, SILENT, feature, last, 0);
            let drawn = ((u128::from(hash) * u128::from(last + 1)) >> 64) as u64;
            if !taken.insert(drawn) {
                taken.insert(last);
            }
        }
        let window = |&nth: &u64| Window {
            number: nth_missing(active, nth),
            max: 0.0,
            fired: Vec::new(),
            quantile: None,
        };
        taken.iter().map(window).collect()
    }

    /// The positions to mark in a window where the feature is silent.
    pub(super) fn marks(&self, feature: u32, number: u64, n: usize) -> Vec<u32> {
        let mut positions: Vec<u32> = (0..self.size as u32).collect();
        positions.sort_by_cached_key(|&at| rank(self.options.seed, MARK, feature, number, at));
        positions.truncate(n);
        positions.sort_unstable();
        positions
    }
}

/// The `nth` number, counted from 0, that is not among these, which ascend.
pub(super) fn nth_missing(present: &[u64], nth: u64) -> u64 {
    let (mut low, mut high) = (0, present.len());
    // Of the numbers present before a missing one, each leaves at most `nth` missing numbers below itself.
    while low < high {
        let middle = usize::midpoint(low, high);
        if present[middle] - middle as u64 <= nth {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    nth + low as u64
}
