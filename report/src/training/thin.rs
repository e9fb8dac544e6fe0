//! Fewer points that look the same.

/// Points of a series at the most, give or take the ends and what is not finite.
pub(super) const MOST: usize = 600;

/// What is drawn of a value: six digits of it; none where it is NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    pub(super) step: u64,
    pub(super) value: Option<f64>,
}

impl Point {
    fn new((step, value): (u64, f64)) -> Self {
        Self {
            step,
            value: value.is_finite().then(|| rounded(value)),
        }
    }
}

/// As the page's data has it, so that what the script draws is what was drawn before.
fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}

/// A series as it is drawn.
#[derive(Debug, Default)]
pub(super) struct Thinned {
    stretches: Vec<Stretch>,
    is_whole: bool,
}

/// Neighbouring values: those that are kept, and what all of them are on average.
#[derive(Debug)]
struct Stretch {
    kept: Vec<(u64, f64)>,
    /// Of the middle.
    step: u64,
    sum: f64,
    n: usize,
}

/// What a stretch is on average, and how many points are drawn of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mean {
    pub(super) point: Point,
    pub(super) n_points: usize,
}

impl Thinned {
    /// All points if there are at most `most`. Else the ends and, of each of `most / 2` stretches, the least, the greatest and
    /// the first that is not finite.
    pub(super) fn new(values: &[(u64, f64)], most: usize) -> Self {
        let n = values.len();
        let is_whole = n <= most;
        let n_stretches = if is_whole { n } else { (most / 2).max(1) };
        let stretch = |i: usize| {
            let range = i * n / n_stretches..(i + 1) * n / n_stretches;
            let ends = (i == 0, i + 1 == n_stretches);
            let values = &values[range];
            let finite = values.iter().filter(|value| value.1.is_finite());
            Stretch {
                kept: kept(values, ends),
                step: values[values.len() / 2].0,
                sum: finite.clone().map(|value| value.1).sum(),
                n: finite.count(),
            }
        };
        Self {
            stretches: (0..n_stretches).map(stretch).collect(),
            is_whole,
        }
    }

    /// The same with fewer points.
    pub(super) fn thinner(self, most: usize) -> Self {
        let n = self.stretches.len();
        let n_points = if self.is_whole { n } else { 2 * n };
        if n_points <= most {
            return self;
        }
        let size = (2 * n).div_ceil(most.max(2));
        let chunks = self.stretches.chunks(size);
        let last = chunks.len() - 1;
        let merged = chunks.enumerate().map(|(i, chunk)| {
            let values: Vec<(u64, f64)> = chunk.iter().flat_map(|s| &s.kept).copied().collect();
            Stretch {
                kept: kept(&values, (i == 0, i == last)),
                step: chunk[chunk.len() / 2].step,
                sum: chunk.iter().map(|stretch| stretch.sum).sum(),
                n: chunk.iter().map(|stretch| stretch.n).sum(),
            }
        });
        Self {
            stretches: merged.collect(),
            is_whole: false,
        }
    }

    pub(super) fn points(&self) -> Vec<Point> {
        let kept = self.stretches.iter().flat_map(|stretch| &stretch.kept);
        kept.copied().map(Point::new).collect()
    }

    /// Of each stretch, where points were left out.
    pub(super) fn means(&self) -> Vec<Mean> {
        if self.is_whole {
            return Vec::new();
        }
        let mean = |stretch: &Stretch| Mean {
            point: Point::new((stretch.step, stretch.sum / stretch.n as f64)),
            n_points: stretch.kept.len(),
        };
        self.stretches.iter().map(mean).collect()
    }
}

fn kept(values: &[(u64, f64)], ends: (bool, bool)) -> Vec<(u64, f64)> {
    let value = |at: usize| values[at].1;
    let finite = (0..values.len()).filter(|&at| value(at).is_finite());
    let by = |a: &usize, b: &usize| value(*a).total_cmp(&value(*b));
    let mut kept: Vec<usize> = finite.clone().min_by(by).into_iter().collect();
    kept.extend(finite.max_by(by));
    kept.extend((0..values.len()).find(|&at| !value(at).is_finite()));
    kept.extend(ends.0.then_some(0));
    kept.extend(ends.1.then_some(values.len() - 1));
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().map(|at| values[at]).collect()
}

#[cfg(test)]
mod tests {
    use super::{MOST, Point, Thinned, rounded};

    fn thin(values: &[(u64, f64)]) -> Vec<Point> {
        Thinned::new(values, MOST).points()
    }

    fn values(n: u64) -> Vec<(u64, f64)> {
        (0..n)
            .map(|i| (i * 10, (i as f64 / 40.0).sin() + (i % 7) as f64))
            .collect()
    }

    #[test]
    fn extremes_stay() {
        let mut all = values(100_000);
        all[51_234].1 = 1e6;
        all[51_235].1 = -1e6;
        let thinner = Thinned::new(&all, MOST).thinner(40).points();
        assert!((20..=42).contains(&thinner.len()));
        for points in [thin(&all), thinner] {
            assert!(points.contains(&Point::new((512_340, 1e6))));
            assert!(points.contains(&Point::new((512_350, -1e6))));
            assert_eq!(points[0], Point::new(all[0]));
            assert_eq!(points.last(), all.last().copied().map(Point::new).as_ref());
            assert!(points.is_sorted_by(|a, b| a.step < b.step));
        }
        assert!(thin(&all).len() <= MOST + 2);
    }

    #[test]
    fn few_points_stay_as_they_are() {
        assert_eq!(thin(&values(MOST as u64)).len(), MOST);
        assert_eq!(thin(&[(3, 0.5)]).len(), 1);
        assert!(thin(&[]).is_empty());
    }

    #[test]
    fn gaps_stay_gaps() {
        let mut all = values(10_000);
        for value in &mut all[4_000..6_000] {
            value.1 = f64::NAN;
        }
        all[9_000].1 = f64::INFINITY;
        let points = thin(&all);
        let gap = |from: u64, to: u64| {
            let within = points.iter().filter(|p| (from..to).contains(&p.step));
            within.clone().count() > 0 && within.clone().all(|p| p.value.is_none())
        };
        assert!(gap(40_000, 60_000) && gap(90_000, 90_001));
        let nothing = vec![(0, f64::NAN); 5_000];
        assert!(thin(&nothing).iter().all(|p| p.value.is_none()));
    }

    #[test]
    fn means_are_of_all_values() {
        let all: Vec<(u64, f64)> = (0..12_000).map(|i| (i, (i % 4) as f64)).collect();
        let thinned = || Thinned::new(&all, MOST);
        for thinned in [thinned(), thinned().thinner(50)] {
            let means = thinned.means();
            assert!(means.iter().all(|mean| mean.point.value == Some(1.5)));
            assert!(means.is_sorted_by(|a, b| a.point.step < b.point.step));
            let points = means.iter().map(|mean| mean.n_points);
            assert_eq!(points.sum::<usize>(), thinned.points().len());
        }
        let few = || Thinned::new(&all[..MOST], MOST);
        assert!(few().means().is_empty() && few().thinner(MOST).means().is_empty());
        assert_eq!(few().thinner(60).means().len(), 30);
        let nothing = vec![(0, f64::NAN); 5_000];
        let means = Thinned::new(&nothing, MOST).means();
        assert!(means.iter().all(|mean| mean.point.value.is_none()));
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "what is rounded is what is read")]
    fn six_digits_are_kept() {
        assert_eq!(
            [1.234_567_8, 0.000_3, 131_072.0, 1.797_693e308].map(rounded),
            [1.234_57, 0.000_3, 131_072.0, 1.797_69e308]
        );
    }
}
