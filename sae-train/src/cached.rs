//! Activations from a folder where they were cached, in place of a model.

use crate::session::Activations;
use activation_cache::{ActivationCache, CachedHook};
use std::collections::BTreeSet;
use std::error::Error;
use std::ops::Range;

/// A cached hook, and which of its heads is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CachedRead {
    /// The hook's name.
    pub hook: String,
    /// The one head that is taken; all of them, side by side, where there are some and none is given.
    pub head: Option<usize>,
}

impl CachedRead {
    /// All of a hook.
    pub fn new(hook: &str) -> Self {
        Self {
            hook: hook.to_owned(),
            head: None,
        }
    }

    /// One head of it.
    #[must_use]
    pub fn with_head(self, head: Option<usize>) -> Self {
        Self { head, ..self }
    }
}

/// A hook that is not in a cache, or not as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CachedReadError {
    /// It is not there.
    #[error("{hook} is not among the cached hooks: {}", cached.join(", "))]
    NotCached {
        /// The hook.
        hook: String,
        /// Those that are.
        cached: Vec<String>,
    },
    /// A head of a hook without heads, or one too many.
    #[error("hook_head_index {head}: {hook} has {n_heads} heads")]
    Head {
        /// The head.
        head: usize,
        /// The hook.
        hook: String,
        /// How many there are.
        n_heads: usize,
    },
}

/// The activations of a cache at some of its hooks, for [`Session`](crate::Session): those that the model would give, row after row.
#[derive(Debug)]
#[non_exhaustive]
pub struct CachedActivations {
    cache: ActivationCache,
    /// Each hook's number in the cache, and which of its numbers.
    parts: Vec<(usize, Range<usize>)>,
    widths: Vec<usize>,
    /// Which rows.
    pub rows: Range<usize>,
    /// Rows that are served at once.
    pub at_once: usize,
    /// Positions that are trained on; all if none are given.
    pub positions: Option<Vec<usize>>,
    /// Tokens that are not trained on.
    pub excluded: BTreeSet<u32>,
    /// Rows that were served.
    done: usize,
}

impl CachedActivations {
    /// All rows, positions and tokens, at these hooks.
    ///
    /// # Errors
    /// If one is not there.
    pub fn new(
        cache: ActivationCache,
        reads: &[CachedRead],
        at_once: usize,
    ) -> Result<Self, CachedReadError> {
        let parts = parts(&cache.settings().hooks, reads)?;
        Ok(Self {
            widths: parts.iter().map(|(_, range)| range.len()).collect(),
            parts,
            rows: 0..cache.settings().rows,
            cache,
            at_once: at_once.max(1),
            positions: None,
            excluded: BTreeSet::new(),
            done: 0,
        })
    }

    /// The width of each of these hooks in a cache.
    ///
    /// # Errors
    /// If one is not there.
    pub fn widths_of(
        hooks: &[CachedHook],
        reads: &[CachedRead],
    ) -> Result<Vec<usize>, CachedReadError> {
        let parts = parts(hooks, reads)?;
        Ok(parts.into_iter().map(|(_, range)| range.len()).collect())
    }

    fn kept_positions(&self) -> Vec<usize> {
        let p = self.cache.settings().context_size;
        match &self.positions {
            None => (0..p).collect(),
            // In their order, each once.
            Some(positions) => {
                let set: BTreeSet<_> = positions.iter().copied().filter(|at| *at < p).collect();
                set.into_iter().collect()
            }
        }
    }
}

fn parts(
    hooks: &[CachedHook],
    reads: &[CachedRead],
) -> Result<Vec<(usize, Range<usize>)>, CachedReadError> {
    let of = |read: &CachedRead| {
        let found = hooks.iter().position(|hook| hook.name == read.hook);
        let number = found.ok_or_else(|| CachedReadError::NotCached {
            hook: read.hook.clone(),
            cached: hooks.iter().map(|hook| hook.name.clone()).collect(),
        })?;
        let CachedHook { width, heads, .. } = hooks[number];
        let Some(head) = read.head else {
            return Ok((number, 0..width));
        };
        let n_heads = heads.unwrap_or(0);
        if head >= n_heads {
            return Err(CachedReadError::Head {
                head,
                hook: read.hook.clone(),
                n_heads,
            });
        }
        let width = width / n_heads;
        Ok((number, head * width..(head + 1) * width))
    };
    reads.iter().map(of).collect()
}

impl Activations for CachedActivations {
    fn widths(&self) -> &[usize] {
        &self.widths
    }

    fn next(&mut self, rows: &mut Vec<f32>) -> Result<bool, Box<dyn Error + Send + Sync>> {
        let start = self.rows.start + self.done;
        let end = self.rows.end.min(self.cache.settings().rows);
        let n = self.at_once.min(end.saturating_sub(start));
        if n == 0 {
            return Ok(false);
        }
        let (p, kept) = (self.cache.settings().context_size, self.kept_positions());
        rows.reserve(n * kept.len() * self.widths.iter().sum::<usize>());
        for row in start..start + n {
            let ids = self.cache.ids(row);
            for &position in kept.iter().filter(|at| !self.excluded.contains(&ids[**at])) {
                for (hook, range) in &self.parts {
                    self.cache
                        .read(*hook, row * p + position, range.clone(), rows);
                }
            }
        }
        self.done += n;
        Ok(true)
    }

    fn place(&self) -> u64 {
        self.done as u64
    }

    fn seek(&mut self, place: u64) {
        self.done = usize::try_from(place)
            .unwrap_or(usize::MAX)
            .min(self.rows.len());
    }
}

#[cfg(test)]
mod tests;
