//! How many tokens have how many features, and how many features fire how often.

use super::svg::{Pairs, Plot, WIDTH};
use crate::features::{Features, ULTRA_DENSE};
use crate::report::L0;
use crate::scale::{Scale, count, log_ticks, number, percent, power_label, tick_label, ticks};
use sae_metrics::Bins;

const HEIGHT: f64 = 240.0;
const LEFT: f64 = 44.0;
const RIGHT: f64 = WIDTH - 10.0;
const TOP: f64 = 22.0;
const BOTTOM: f64 = HEIGHT - 40.0;

/// The frame of a histogram: counts upwards to the most, on round lines.
fn frame(name: &'static str, title: &str, below: &str, most: f64) -> (Plot, Scale) {
    let mut plot = Plot::new(name, title, HEIGHT);
    let y = Scale::new((0.0, most.max(1.0)), (BOTTOM, TOP));
    for tick in ticks(0.0, most.max(1.0), 5) {
        if tick > 0.0 {
            plot.line("grid", (LEFT, y.at(tick)), (RIGHT, y.at(tick)));
        }
        let label = if tick < 1e6 {
            count(tick as u64)
        } else {
            tick_label(tick)
        };
        plot.text("tick", "end", (LEFT - 8.0, y.at(tick) + 4.0), &label);
    }
    plot.line_before("base", (LEFT, BOTTOM), (RIGHT, BOTTOM));
    plot.text(
        "tick",
        "middle",
        (f64::midpoint(LEFT, RIGHT), HEIGHT - 6.0),
        below,
    );
    (plot, y)
}

fn most(bins: &Bins) -> f64 {
    bins.counts.iter().copied().max().unwrap_or(0) as f64
}

fn bars(plot: &mut Plot, bins: &Bins, x: Scale, y: Scale, said: impl Fn(&[f64], u64) -> Pairs) {
    for (edges, &n) in bins.edges.windows(2).zip(&bins.counts) {
        let (from, to, top) = (x.at(edges[0]), x.at(edges[1]), y.at(n as f64));
        let gap = ((to - from) * 0.05).min(1.0);
        let bar = [(from + gap, top), (to - from - 2.0 * gap, BOTTOM - top)];
        plot.bar(
            "fill",
            said(edges, n),
            bar,
            [(from, TOP), (to - from, BOTTOM - TOP)],
        );
    }
}

/// Whether there is more room on the right.
fn label_is_right_of(at: f64) -> bool {
    at < f64::midpoint(LEFT, RIGHT)
}

/// A mark across the plot, its label on the side where there is room.
fn mark(plot: &mut Plot, class: &str, at: f64, y: f64, label: &str) {
    plot.line_before(&format!("{class} dashed"), (at, y + 3.0), (at, BOTTOM));
    let (anchor, x) = if label_is_right_of(at) {
        ("start", at + 4.0)
    } else {
        ("end", at - 4.0)
    };
    plot.text(&format!("{class}-label"), anchor, (x, y + 10.0), label);
}

/// Tokens by the number of features active on them.
pub(super) fn l0(l0: &L0) -> Plot {
    let bins = &l0.histogram;
    let title = "Active features per token (L0): histogram over tokens";
    let (mut plot, y) = frame("l0", title, "features active on a token", most(bins));
    let (Some(&low), Some(&high)) = (bins.edges.first(), bins.edges.last()) else {
        plot.text(
            "tick",
            "middle",
            (f64::midpoint(LEFT, RIGHT), f64::midpoint(TOP, BOTTOM)),
            "no token was counted",
        );
        return plot;
    };
    let nominal = l0.nominal.as_ref().map(|nominal| nominal.value);
    // An expectation far off belongs into the picture, but not at the cost of the bars.
    let shown = nominal.filter(|n| *n >= low - (high - low) && *n <= high + (high - low));
    let range = (
        shown.map_or(low, |n| low.min(n)),
        shown.map_or(high, |n| high.max(n)),
    );
    let x = Scale::new(range, (LEFT, RIGHT));
    let total = l0.tokens.max(1) as f64;
    bars(&mut plot, bins, x, y, |edges, n| {
        let last = edges[1] - 1.0;
        let range = if last > edges[0] {
            format!("{} to {last}", edges[0])
        } else {
            edges[0].to_string()
        };
        vec![
            ("features", range),
            ("tokens", count(n)),
            ("share", percent(n as f64 / total, 3)),
        ]
    });
    for tick in ticks(range.0, range.1, 8) {
        plot.text(
            "tick",
            "middle",
            (x.at(tick), BOTTOM + 16.0),
            &tick_label(tick),
        );
    }
    let mut marks = Vec::new();
    if l0.mean.is_finite() {
        let label = format!("mean {}", number(l0.mean, 3));
        marks.push(("mark", x.at(l0.mean), label));
    }
    if let (Some(value), Some(nominal)) = (shown, &l0.nominal) {
        let label = format!("{} {}", nominal.source.short(), number(value, 3));
        marks.push(("step", x.at(value), label));
    }
    // A line begins below its label: the one that a label would reach into comes second.
    let from_the_left = marks.iter().any(|mark| label_is_right_of(mark.1));
    marks.sort_by(|a, b| a.1.total_cmp(&b.1));
    if !from_the_left {
        marks.reverse();
    }
    for ((class, at, label), y) in marks.into_iter().zip([0.0, 14.0]) {
        mark(&mut plot, class, at, y, &label);
    }
    plot
}

/// Features by the logarithm of how often they fire; beside it, the run's own record, where there is one.
pub(super) fn density(features: &Features) -> Plot {
    let measured = &features.log10_density_histogram;
    let recorded = features
        .recorded
        .as_ref()
        .map(|recorded| &recorded.log10_density_histogram);
    let tallest = most(&measured.bins).max(recorded.map_or(0.0, |r| most(&r.bins)));
    let title = "Feature density: features by the share of tokens on which they fire, logarithmic";
    let (mut plot, y) = frame(
        "density",
        title,
        "share of tokens on which a feature fires",
        tallest,
    );
    let edges = [Some(&measured.bins), recorded.map(|r| &r.bins)];
    let lowest = edges
        .into_iter()
        .flatten()
        .filter_map(|bins| bins.edges.first().copied());
    // A decade at the least, and the border of the ultra-dense, are always in the picture.
    let low = lowest.fold(ULTRA_DENSE.log10() - 1.0, f64::min);
    let x = Scale::new((low, 0.0), (LEFT, RIGHT));
    let dense = x.at(ULTRA_DENSE.log10());
    plot.area("band", (dense, TOP), (RIGHT - dense, BOTTOM - TOP));
    bars(&mut plot, &measured.bins, x, y, |edges, n| {
        let ends = [edges[0], edges[1]].map(|edge| percent(10_f64.powf(edge), 2));
        vec![
            ("fires on", format!("{} to {}", ends[0], ends[1])),
            ("features", count(n)),
        ]
    });
    for tick in log_ticks(low, 0.0, 7) {
        plot.text(
            "tick",
            if tick == 0 { "end" } else { "middle" },
            (x.at(f64::from(tick)), BOTTOM + 16.0),
            &power_label(tick),
        );
    }
    if let Some(recorded) = recorded {
        plot.path("step", &outline(&recorded.bins, x, y));
        plot.text(
            "step-label",
            "middle",
            (f64::midpoint(LEFT, dense), 14.0),
            "outline: as the run recorded it",
        );
    }
    plot.text(
        "tick",
        "start",
        (LEFT, 14.0),
        &format!("{} dead", count(features.n_dead)),
    );
    plot.text(
        "mark-label",
        "end",
        (RIGHT, 14.0),
        &format!("{} ultra-dense", count(features.n_ultra_dense)),
    );
    plot
}

/// The corners of a histogram's outline.
fn outline(bins: &Bins, x: Scale, y: Scale) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    for (edges, &n) in bins.edges.windows(2).zip(&bins.counts) {
        let top = y.at(n as f64);
        points.extend([(x.at(edges[0]), top), (x.at(edges[1]), top)]);
    }
    if let (Some(&first), Some(&last)) = (points.first(), points.last()) {
        points.insert(0, (first.0, BOTTOM));
        points.push((last.0, BOTTOM));
    }
    points
}

#[cfg(test)]
mod tests {
    use super::{density, l0};
    use crate::features::{Features, Recorded};
    use crate::report::L0;
    use sae_core::LogSparsity;
    use sae_metrics::{FeatureDensity, FeatureStrength, Histogram};

    fn told(svg: &str, what: &str) -> u64 {
        let mark = format!("{what}|");
        let values = svg.split(&mark).skip(1);
        values
            .map(|s| {
                s.split(['&', '"'])
                    .next()
                    .unwrap()
                    .replace(',', "")
                    .parse::<u64>()
                    .unwrap()
            })
            .sum()
    }

    #[test]
    fn the_bars_hold_every_token() {
        let found: Histogram = [3, 3, 4, 90].into_iter().collect();
        let svg = l0(&L0::new(&found, None)).inline();
        assert_eq!(told(&svg, "tokens"), 4);
        assert!(svg.contains(">mean 25.0<"));
        let none = l0(&L0::new(&Histogram::default(), None)).inline();
        assert!(none.contains("no token was counted") && !none.contains("NaN"));
    }

    #[test]
    fn the_bars_hold_every_feature_that_fires() {
        let mut seen = FeatureDensity::new(6);
        seen.push_sequence(1000, [(0, 1), (1, 10), (2, 11), (3, 100), (4, 500)]);
        let mut features = Features::new(&seen, &FeatureStrength::new(6), None);
        let svg = density(&features).inline();
        assert_eq!(told(&svg, "features"), 5);
        assert!(svg.contains(">1 dead<") && svg.contains(">1 ultra-dense<"));
        assert!(!svg.contains("class=\"step\""));
        features.recorded =
            Recorded::new(&LogSparsity::new(vec![-2.0, -2.1, -1.0, -10.0, -3.0, -2.5]));
        assert!(density(&features).inline().contains("class=\"step\""));
        let none = Features::new(&FeatureDensity::new(2), &FeatureStrength::new(2), None);
        let svg = density(&none).standalone();
        assert!(svg.contains(">2 dead<") && !svg.contains("NaN"));
    }
}
