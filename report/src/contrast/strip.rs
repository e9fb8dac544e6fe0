//! The values of one feature in both sets: a dot a prompt.

use crate::escape::escape;
use crate::scale::{Scale, count, number, tick_label, ticks};
use std::fmt::Write;

const WIDTH: f64 = 520.0;
const HEIGHT: f64 = 104.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 508.0;
/// Dots of a set at most; of more, evenly chosen ones by size.
const MOST: usize = 400;

/// The picture. `n` are the prompts of each set, `values` those that are not zero.
pub(super) fn strip(name: &str, n: [usize; 2], values: &[Vec<f32>; 2], means: [f64; 2]) -> String {
    let all = || values.iter().flatten().map(|v| f64::from(*v));
    let range = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    let x = Scale::new(range, (LEFT, RIGHT));
    let about = format!(
        "Values of {name}: mean {} in a, {} in b",
        number(means[0], 3),
        number(means[1], 3)
    );
    let mut svg = format!(
        "<svg class=\"strip\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">",
        escape(&about)
    );
    for tick in ticks(range.0, range.1, 6) {
        let at = x.at(tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"6\" y2=\"84\"/><text x=\"{at:.1}\" y=\"99\" text-anchor=\"middle\">{}</text>",
            tick_label(tick)
        );
    }
    for (set, (values, n)) in values.iter().zip(n).enumerate() {
        let middle = 26.0 + 40.0 * set as f64;
        let (letter, zeros) = (["a", "b"][set], n - values.len().min(n));
        let _ = write!(
            svg,
            "<text class=\"set{set}\" x=\"4\" y=\"{:.0}\">{letter}</text><text x=\"18\" y=\"{:.0}\">{} × 0</text>",
            middle + 4.0,
            middle + 4.0,
            count(zeros as u64)
        );
        for (at, value) in thinned(values).into_iter().enumerate() {
            // The golden ratio spreads neighbours far apart, the same on every page.
            let up = ((at as f64 * 0.618_033_988_75).fract() - 0.5) * 26.0;
            let _ = write!(
                svg,
                "<circle class=\"set{set}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"/>",
                x.at(f64::from(value)),
                middle + up
            );
        }
        let mean = x.at(means[set]);
        let _ = write!(
            svg,
            "<line class=\"mean\" x1=\"{mean:.1}\" x2=\"{mean:.1}\" y1=\"{:.0}\" y2=\"{:.0}\"/>",
            middle - 17.0,
            middle + 17.0
        );
    }
    svg.push_str("</svg>");
    svg
}

fn thinned(values: &[f32]) -> Vec<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    if sorted.len() <= MOST {
        return sorted;
    }
    let last = sorted.len() - 1;
    (0..MOST).map(|at| sorted[at * last / (MOST - 1)]).collect()
}
