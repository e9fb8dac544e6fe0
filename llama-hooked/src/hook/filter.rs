//! Which points a hook is for.

use super::{HookError, HookPoint, Run};
use std::fmt;

/// A set of hook points: named one by one, or by a rule.
///
/// Named points are checked before a run: one that the model lacks, or that the run does not reach, is an error. A rule may
/// match nothing.
pub struct PointFilter(Kind);

enum Kind {
    Named(Vec<HookPoint>),
    Rule(Box<dyn Fn(HookPoint) -> bool + Send>),
}

impl PointFilter {
    /// Every point except the opt-in ones.
    pub fn all() -> Self {
        Self::matching(|point| !point.is_opt_in())
    }

    /// The points for which `rule` holds. It is asked for opt-in points too.
    pub fn matching(rule: impl Fn(HookPoint) -> bool + Send + 'static) -> Self {
        Self(Kind::Rule(Box::new(rule)))
    }

    /// Whether the point is in the set.
    pub fn contains(&self, point: HookPoint) -> bool {
        match &self.0 {
            Kind::Named(points) => points.contains(&point),
            Kind::Rule(rule) => rule(point),
        }
    }

    /// Checks that the run fires every point named.
    ///
    /// # Errors
    /// Names the first that it does not.
    pub fn check(&self, run: &Run) -> Result<(), HookError> {
        match &self.0 {
            Kind::Named(points) => points.iter().try_for_each(|&point| run.check(point)),
            Kind::Rule(_) => Ok(()),
        }
    }
}

impl fmt::Debug for PointFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Named(points) => f.debug_tuple("PointFilter").field(points).finish(),
            Kind::Rule(_) => f.write_str("PointFilter(rule)"),
        }
    }
}

impl From<HookPoint> for PointFilter {
    fn from(point: HookPoint) -> Self {
        Self::from(vec![point])
    }
}

impl From<Vec<HookPoint>> for PointFilter {
    fn from(points: Vec<HookPoint>) -> Self {
        Self(Kind::Named(points))
    }
}

impl<const N: usize> From<[HookPoint; N]> for PointFilter {
    fn from(points: [HookPoint; N]) -> Self {
        Self::from(points.to_vec())
    }
}

impl FromIterator<HookPoint> for PointFilter {
    fn from_iter<I: IntoIterator<Item = HookPoint>>(points: I) -> Self {
        Self::from(Vec::from_iter(points))
    }
}
