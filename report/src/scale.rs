//! Where values lie on an axis, and which of them are named.

/// Maps values to a length of the plot, linearly.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    from: f64,
    to: f64,
    start: f64,
    end: f64,
}

impl Scale {
    /// `from` lies at `start`, `to` at `end`. A range without extent is given one.
    pub(crate) fn new((from, to): (f64, f64), (start, end): (f64, f64)) -> Self {
        let (from, to) = if from.is_finite() && to.is_finite() && from < to {
            (from, to)
        } else {
            let middle = if from.is_finite() { from } else { 0.0 };
            (middle - 0.5, middle + 0.5)
        };
        Self {
            from,
            to,
            start,
            end,
        }
    }

    /// Where a value lies; at the nearer end, if it is outside.
    pub(crate) fn at(&self, value: f64) -> f64 {
        let share = (value - self.from) / (self.to - self.from);
        let share = if share.is_nan() { 0.0 } else { share };
        self.start + share.clamp(0.0, 1.0) * (self.end - self.start)
    }
}

/// Round numbers (1, 2 or 5 times a power of ten apart) from `low` to `high`, `most` at the most.
pub(crate) fn ticks(low: f64, high: f64, most: usize) -> Vec<f64> {
    if !(low.is_finite() && high.is_finite() && low <= high) || most == 0 {
        return Vec::new();
    }
    let Some((power, factor)) = step(high - low, low.abs().max(high.abs()), most) else {
        return vec![low];
    };
    let step = factor * 10_f64.powi(power);
    let (first, last) = ((low / step).ceil(), (high / step + 1e-9).floor());
    let count = ((last - first) as usize).min(most);
    (0..=count)
        .map(|i| (first + i as f64) * factor)
        // Divided, where the power is negative, so that 0.3 is not 0.30000000000000004.
        .map(|n| {
            if power < 0 {
                n / 10_f64.powi(-power)
            } else {
                n * 10_f64.powi(power)
            }
        })
        .filter(|&tick| (low..=high).contains(&tick))
        .take(most)
        .collect()
}

/// The smallest step by which at most `most` multiples lie in the extent; none if the extent is lost in the size of the numbers.
fn step(extent: f64, size: f64, most: usize) -> Option<(i32, f64)> {
    if extent <= size * 1e-12 {
        return None;
    }
    let raw = extent / most as f64;
    let power = raw.log10().floor() as i32;
    (power..power + 3)
        .flat_map(|power| [1.0, 2.0, 5.0].map(|factor| (power, factor)))
        .find(|&(power, factor)| {
            let multiples = extent / (factor * 10_f64.powi(power)) + 1e-9;
            multiples.floor() < most as f64
        })
}

/// Whole exponents from `low` to `high`, spaced so that there are at most `most`, 0 always among them if it is in the range.
pub(super) fn log_ticks(low: f64, high: f64, most: usize) -> Vec<i32> {
    if !(low.is_finite() && high.is_finite() && low <= high) || most == 0 {
        return Vec::new();
    }
    let (first, last) = (low.ceil() as i32, high.floor() as i32);
    let step = (last - first + 1).max(1) as usize;
    let step = step.div_ceil(most).max(1) as i32;
    (first..=last).filter(|n| n.rem_euclid(step) == 0).collect()
}

/// A count, thousands apart.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number with this many significant digits, as short as possible; "not a number" where there is none.
pub(crate) fn number(x: f64, digits: usize) -> String {
    if x.is_nan() {
        return "not a number".to_owned();
    }
    if x.is_infinite() {
        return if x > 0.0 { "infinite" } else { "−infinite" }.to_owned();
    }
    if x == 0.0 {
        return "0".to_owned();
    }
    // Of the rounded number: 0.99999 has as many decimals as the 1 that it becomes.
    let scientific = format!("{x:.*e}", digits.saturating_sub(1));
    let exponent = scientific.split_once('e').map(|(_, exponent)| exponent);
    let magnitude: i32 = exponent.and_then(|e| e.parse().ok()).unwrap_or(0);
    let text = if (-4..7).contains(&magnitude) {
        let decimals = (digits as i32 - 1 - magnitude).max(0) as usize;
        format!("{x:.decimals$}")
    } else {
        scientific
    };
    text.replace('-', "−")
}

/// A number without superfluous zeros, for an axis.
pub(crate) fn tick_label(x: f64) -> String {
    if x != 0.0 && !(1e-4..1e6).contains(&x.abs()) {
        return format!("{x:e}").replace('-', "−");
    }
    let text = format!("{x}");
    text.replace('-', "−")
}

/// A percentage with this many significant digits.
pub(crate) fn percent(share: f64, digits: usize) -> String {
    format!("{} %", number(100.0 * share, digits))
}

/// 10^exponent in per cent, for an axis.
pub(super) fn power_label(exponent: i32) -> String {
    match exponent {
        -4..=0 => format!("{} %", 10_f64.powi(exponent + 2)),
        _ => format!("1e−{} %", -(exponent + 2)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Scale, count, log_ticks, number, percent, power_label, tick_label, ticks};

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(0.0, 4.0, 6), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks(5.0, 237.0, 6), [50.0, 100.0, 150.0, 200.0]);
        assert_eq!(ticks(0.0, 0.9, 5), [0.0, 0.2, 0.4, 0.6, 0.8]);
        assert_eq!(ticks(-1.0, 1.0, 5), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        assert_eq!(ticks(3.0, 3.0, 5), [3.0]);
        for nothing in [(f64::NAN, 1.0), (2.0, 1.0), (0.0, f64::INFINITY)] {
            assert!(ticks(nothing.0, nothing.1, 5).is_empty());
        }
    }

    #[test]
    fn ticks_keep_their_promises() {
        for magnitude in -12..12 {
            for (from, extent) in [(0.0, 1.0), (-3.3, 7.9), (0.123, 0.01), (99.0, 1.7)] {
                for most in [2, 3, 5, 8] {
                    let unit = 10_f64.powi(magnitude);
                    let (low, high) = (from * unit, (from + extent) * unit);
                    let found = ticks(low, high, most);
                    assert!(found.len() <= most, "{low} to {high}: {found:?}");
                    assert!(found.is_sorted());
                    assert!(found.iter().all(|t| (low..=high).contains(t)));
                    if most > 2 {
                        assert!(!found.is_empty(), "{low} to {high}");
                    }
                }
            }
        }
    }

    #[test]
    fn log_ticks_are_whole() {
        assert_eq!(log_ticks(-4.2, 0.0, 6), [-4, -3, -2, -1, 0]);
        assert_eq!(log_ticks(-9.0, 0.0, 6), [-8, -6, -4, -2, 0]);
        assert!(log_ticks(0.2, 0.8, 6).is_empty());
        assert!(log_ticks(f64::NAN, 0.0, 6).is_empty());
    }

    #[test]
    #[allow(clippy::float_cmp, reason = "whole numbers, which are exact")]
    fn values_stay_in_the_plot() {
        let scale = Scale::new((0.0, 10.0), (100.0, 200.0));
        let places = [-5.0, 0.0, 5.0, 1e9, f64::NAN].map(|value| scale.at(value));
        assert_eq!(places, [100.0, 100.0, 150.0, 200.0, 100.0]);
        let none = Scale::new((3.0, 3.0), (0.0, 10.0));
        assert_eq!(none.at(3.0), 5.0);
        assert!(Scale::new((f64::NAN, 1.0), (0.0, 1.0)).at(7.0).is_finite());
    }

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(
            [count(7), count(1024), count(1_234_567)],
            ["7", "1,024", "1,234,567"]
        );
        let written = [
            number(0.12345, 3),
            number(-12.345, 3),
            number(0.0, 3),
            number(1e-9, 2),
            number(0.999_99, 3),
        ];
        assert_eq!(written, ["0.123", "−12.3", "0", "1.0e−9", "1.00"]);
        assert_eq!(number(f64::NAN, 3), "not a number");
        assert_eq!(percent(0.01234, 3), "1.23 %");
        assert_eq!(
            [tick_label(0.2), tick_label(-5.0), tick_label(2e7)],
            ["0.2", "−5", "2e7"]
        );
        assert_eq!(
            [power_label(0), power_label(-3), power_label(-6)],
            ["100 %", "0.1 %", "1e−4 %"]
        );
    }
}
