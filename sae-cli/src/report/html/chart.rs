//! Plots as inline SVG, in the colours of the page.

use sae_metrics::Bins;
use std::fmt::Write;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 12.0;

/// A histogram with a mark at the mean. Each bar carries its range and count for the page's script to show.
pub(super) fn histogram(bins: &Bins, mean: f64) -> String {
    let most = bins.counts.iter().copied().max().unwrap_or(0).max(1) as f64;
    let (Some(&low), Some(&high)) = (bins.edges.first(), bins.edges.last()) else {
        return "<p>Nothing was counted.</p>\n".to_owned();
    };
    let x = |value: f64| LEFT + (value - low) / (high - low).max(1.0) * (WIDTH - LEFT - 12.0);
    let y = |count: f64| TOP + (1.0 - count / most) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<figure class=\"plot\"><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"Histogram of active features per token\">\n"
    );
    for tick in ticks(0.0, most) {
        let at = y(tick);
        let _ = writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{:.1}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{tick}</text>",
            WIDTH - 12.0,
            LEFT - 8.0,
            at + 4.0
        );
    }
    for (edges, &count) in bins.edges.windows(2).zip(&bins.counts) {
        let (from, to, top) = (x(edges[0]), x(edges[1]), y(count as f64));
        let last = edges[1] - 1.0;
        let range = if last > edges[0] {
            format!("{} to {last}", edges[0])
        } else {
            edges[0].to_string()
        };
        // The invisible part above the bar can be pointed at too.
        let _ = writeln!(
            svg,
            "<g class=\"bar\" tabindex=\"0\" data-range=\"{range}\" data-count=\"{count}\"><rect class=\"hit\" x=\"{from:.1}\" y=\"{TOP}\" width=\"{:.1}\" height=\"{:.1}\"/><rect class=\"fill\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\"/></g>",
            to - from,
            HEIGHT - TOP - BOTTOM,
            from + 0.5,
            (to - from - 1.0).max(0.5),
            HEIGHT - BOTTOM - top
        );
    }
    for value in ticks(low, high) {
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
            x(value),
            HEIGHT - BOTTOM + 18.0
        );
    }
    let _ = writeln!(
        svg,
        "<line class=\"mean\" x1=\"{0:.1}\" x2=\"{0:.1}\" y1=\"{TOP}\" y2=\"{1:.1}\"/><text class=\"mean-label\" x=\"{2:.1}\" y=\"{3:.1}\">mean {mean:.1}</text>",
        x(mean),
        HEIGHT - BOTTOM,
        x(mean) + 6.0,
        TOP + 12.0
    );
    let _ = writeln!(
        svg,
        "<text class=\"axis\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">features active on a token</text>",
        f64::midpoint(LEFT, WIDTH),
        HEIGHT - 4.0
    );
    svg.push_str("</svg><figcaption class=\"readout\" aria-live=\"polite\">Point at a bar to read it.</figcaption></figure>\n");
    svg
}

/// Horizontal bars from zero, one per loss.
pub(super) fn loss_bars(losses: &[(&str, f64)]) -> String {
    let most = losses
        .iter()
        .map(|&(_, loss)| loss)
        .filter(|loss| loss.is_finite())
        .fold(f64::MIN_POSITIVE, f64::max);
    let mut html = "<div class=\"losses\">\n".to_owned();
    for (i, (name, loss)) in losses.iter().enumerate() {
        let share = if loss.is_finite() {
            100.0 * loss / most
        } else {
            0.0
        };
        let _ = writeln!(
            html,
            "<span>{name}</span><div class=\"track\"><div class=\"loss{i}\" style=\"width:{share:.2}%\"></div></div><b>{loss:.4}</b>"
        );
    }
    html.push_str("</div>\n");
    html
}

/// Round numbers from `low` to `high`, up to six of them.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = ((high - low) / 5.0).max(1.0);
    let power = 10_f64.powf(raw.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|m| m * power);
    let step = steps.into_iter().find(|&s| s >= raw).unwrap_or(raw);
    let (first, last) = ((low / step).ceil() as usize, (high / step).floor() as usize);
    (first..=last).map(|i| i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::{histogram, ticks};
    use sae_metrics::Histogram;

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(0.0, 4.0), [0.0, 1.0, 2.0, 3.0, 4.0]);
        assert_eq!(ticks(5.0, 237.0), [50.0, 100.0, 150.0, 200.0]);
    }

    #[test]
    fn the_bars_hold_every_token() {
        let l0: Histogram = [3, 3, 4, 90].into_iter().collect();
        let svg = histogram(&l0.rebin(10), l0.mean());
        let counts = svg
            .split("data-count=\"")
            .skip(1)
            .map(|s| s.split('"').next().unwrap().parse::<u64>().unwrap());
        assert_eq!(counts.sum::<u64>(), 4);
        assert!(
            histogram(&Histogram::default().rebin(10), f64::NAN).contains("Nothing was counted")
        );
    }
}
