//! How far the axes reach, and what is written at them. `draw.js` does the same for what is chosen on the page.

use crate::scale::{log_ticks, ticks};

/// How the script names what is along the axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Along {
    Tokens,
    Steps,
}

impl Along {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Steps => "steps",
        }
    }
}

/// A value where it is drawn: itself, or its logarithm if it has one.
pub(super) fn placed(value: f64, log: bool) -> Option<f64> {
    match log {
        false => Some(value),
        true if value > 0.0 => Some(value.log10()),
        true => None,
    }
}

/// From the least to the greatest, with some air; a scale of positive numbers begins at zero unless that would press them together.
pub(super) fn range(
    placed: impl Iterator<Item = f64>,
    log: bool,
    floor: Option<f64>,
) -> (f64, f64) {
    let (low, high) = extremes(placed);
    if low > high {
        return (0.0, 1.0);
    }
    let low = match floor {
        Some(floor) if !log && high > floor => low.max(floor),
        _ => low,
    };
    let extent = high - low;
    let air = if extent > 1e-9 * high.abs() {
        0.05 * extent
    } else if log || high == 0.0 {
        0.5
    } else {
        0.2 * high.abs()
    };
    if !log && low >= 0.0 && (low < 0.4 * high || low <= air) {
        (0.0, high + air)
    } else {
        (low - air, high + air)
    }
}

/// From the first to the last of all runs; from zero, if that is near.
pub(super) fn across(ends: impl Iterator<Item = [f64; 2]>) -> (f64, f64) {
    let (low, high) = extremes(ends.flatten());
    (if low < 0.05 * high { 0.0 } else { low }, high)
}

/// Least and greatest; crossed if there are none.
fn extremes(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (low.min(value), high.max(value))
    })
}

/// At most so many values that are named at the axis, or eight if they are logarithmic, with the places where they lie.
pub(super) fn marks((low, high): (f64, f64), log: bool, most: usize) -> Vec<(f64, f64)> {
    if !log {
        return ticks(low, high, most).into_iter().map(|t| (t, t)).collect();
    }
    let tens = log_ticks(low, high, most);
    let n_tens = tens.len();
    let tens = || {
        tens.iter()
            .map(|n| (f64::from(*n), times_ten(1.0, *n)))
            .collect()
    };
    if n_tens >= 3 {
        return tens();
    }
    let exponents = low.floor() as i32..=high.ceil() as i32;
    let round = exponents.flat_map(|n| [1.0, 2.0, 5.0].map(|factor| times_ten(factor, n)));
    let round: Vec<(f64, f64)> = within(round, low, high);
    if (3..=8).contains(&round.len()) {
        return round;
    }
    if n_tens == 2 {
        return tens();
    }
    let even = ticks(10_f64.powf(low), 10_f64.powf(high), most - 1);
    within(even.into_iter(), low, high)
}

fn within(values: impl Iterator<Item = f64>, low: f64, high: f64) -> Vec<(f64, f64)> {
    values
        .map(|value| (value.log10(), value))
        .filter(|(place, _)| (low..=high).contains(place))
        .collect()
}

/// Rounded once, as decimals are read.
fn times_ten(factor: f64, n: i32) -> f64 {
    format!("{factor}e{n}").parse().unwrap_or(f64::INFINITY)
}

/// What is written at marks: on an axis of even steps all in the same unit.
pub(super) fn labels(marks: &[(f64, f64)], log: bool) -> Vec<String> {
    let largest = marks.iter().fold(0.0, |size, mark| mark.1.abs().max(size));
    let size = |value: f64| if log { value.abs() } else { largest };
    let marks = marks.iter();
    marks.map(|mark| label(mark.1, size(mark.1))).collect()
}

/// A number as short as can be, in thousands (k), millions and so on if its like are of such a size.
pub(super) fn label(value: f64, like: f64) -> String {
    let size = value.abs();
    let text = if value == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e15).contains(&size) {
        format!("{value:e}")
    } else {
        let (unit, name) = unit(like);
        format!("{}{name}", value / unit)
    };
    text.replace('-', "−")
}

/// What a size is told in from ten thousand on.
pub(super) fn unit(size: f64) -> (f64, &'static str) {
    match size {
        1e12.. => (1e12, " T"),
        1e9.. => (1e9, " B"),
        1e6.. => (1e6, " M"),
        1e4.. => (1e3, " k"),
        _ => (1.0, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::{label, labels, marks, placed, range};

    fn range_of(values: &[f64], log: bool, floor: Option<f64>) -> (f64, f64) {
        range(values.iter().filter_map(|v| placed(*v, log)), log, floor)
    }

    #[test]
    fn ranges_hold_their_values() {
        for values in [&[1.0, 5.0][..], &[-3.0, 0.5], &[7.0], &[0.0], &[1e-9, 1e9]] {
            for log in [false, true] {
                let (low, high) = range_of(values, log, None);
                assert!(low < high && low.is_finite() && high.is_finite());
                for value in values.iter().filter_map(|v| placed(*v, log)) {
                    assert!((low..=high).contains(&value), "{value} in {low} to {high}");
                }
            }
        }
        let (low, high) = range_of(&[1.0, 5.0], false, None);
        assert!(low.abs() < 1e-12 && (high - 5.2).abs() < 1e-9);
        assert!(range_of(&[60.0, 64.0], false, None).0 > 59.0);
        let (low, high) = range_of(&[-90.0, 0.8], false, Some(-0.25));
        assert!((-0.4..-0.25).contains(&low) && (0.8..0.9).contains(&high));
        assert!(range_of(&[-90.0, -3.0], false, Some(-0.25)).0 < -90.0);
        assert!(range_of(&[], false, None).1 > 0.0);
        assert!(range_of(&[0.0, -1.0], true, None).1 > 0.0);
    }

    #[test]
    fn marks_are_named_shortly() {
        let named = |range, log| labels(&marks(range, log, 5), log);
        assert_eq!(named((-4.0, 1.0), true), ["1e−4", "0.01", "1"]);
        assert_eq!(named((1.5, 2.5), true), ["50", "100", "200"]);
        assert_eq!(named((-1.0, 0.5), true), ["0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!(named((1.80, 1.83), true), ["64", "66"]);
        assert_eq!(
            named((0.0, 2e9), false),
            ["0", "0.5 B", "1 B", "1.5 B", "2 B"]
        );
        assert_eq!(named((-0.25, 1.0), false), ["0", "0.5", "1"]);
        assert_eq!(
            [
                label(12_000.0, 12_000.0),
                label(-0.000_3, 1.0),
                label(5000.0, 5000.0)
            ],
            ["12 k", "−3e−4", "5000"]
        );
    }
}
