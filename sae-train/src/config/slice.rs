//! Positions of a context.

use std::iter::StepBy;
use std::ops::Range;

/// Positions of a context that are trained on, as Python's slices choose them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "Vec<Option<i64>>")]
#[non_exhaustive]
pub struct SeqposSlice {
    /// The first; from the end if negative, the beginning if none.
    pub start: Option<i64>,
    /// The first that is no longer in; from the end if negative, the end if none.
    pub end: Option<i64>,
    /// Each so manieth; at least 1.
    pub step: usize,
}

impl SeqposSlice {
    /// From the parts of a slice, as Python's `slice` takes them: none is all, one is the end, two are start and end, three have a step.
    /// None if there are more, or the step is below 1.
    pub fn new(parts: &[Option<i64>]) -> Option<Self> {
        let (start, end, step) = match *parts {
            [] => (None, None, None),
            [end] => (None, end, None),
            [start, end] => (start, end, None),
            [start, end, step] => (start, end, step),
            _ => return None,
        };
        let step = usize::try_from(step.unwrap_or(1)).ok().filter(|s| *s > 0)?;
        Some(Self { start, end, step })
    }

    /// The positions of a context of so many tokens, ascending.
    pub fn positions(self, context_size: usize) -> StepBy<Range<usize>> {
        let at = |index: i64| {
            let distance = usize::try_from(index.unsigned_abs()).unwrap_or(usize::MAX);
            if index < 0 {
                context_size.saturating_sub(distance)
            } else {
                context_size.min(distance)
            }
        };
        let range = self.start.map_or(0, at)..self.end.map_or(context_size, at);
        range.step_by(self.step.max(1))
    }
}

impl TryFrom<Vec<Option<i64>>> for SeqposSlice {
    type Error = &'static str;

    fn try_from(parts: Vec<Option<i64>>) -> Result<Self, Self::Error> {
        Self::new(&parts)
            .ok_or("expected [end], [start, end] or [start, end, step] with a step from 1")
    }
}
