//! A chart as it is at first, as SVG. `draw.js` draws it again for another choice: the same, which a test in the browser holds.

use super::axis::{Along, across, labels, marks, placed, range};
use super::charts::{Chart, Line, Shown};
use super::thin::Point;
use crate::escape::escape;
use crate::scale::{Scale, number};
use serde::Serialize;
use std::fmt::Write;

/// Where the frame is in the picture.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct Frame {
    width: f64,
    height: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
}

pub(super) const FRAME: Frame = Frame {
    width: 440.0,
    height: 216.0,
    left: 52.0,
    right: 420.0,
    top: 8.0,
    bottom: 178.0,
};

/// A line of no more points than this shows them.
pub(super) const DOTS: usize = 40;

/// The picture, for the page.
pub(super) fn svg(chart: &Chart, runs: &[Shown], along: Along) -> String {
    let f = FRAME;
    let ends = runs.iter().filter_map(|run| run.clock.ends());
    let ends = ends.map(|ends| match along {
        Along::Tokens => ends.map(|(_, tokens)| tokens as f64),
        Along::Steps => ends.map(|(step, _)| step as f64),
    });
    let across = across(ends);
    let place = |point: &Point| placed(point.value?, chart.log);
    let lines = chart.lines.iter().map(|line| line.series.drawn.points());
    let lines: Vec<Vec<Point>> = lines.collect();
    let points = || lines.iter().flatten().filter_map(place);
    let range = range(points(), chart.log, chart.floor);
    let x = Scale::new(across, (f.left, f.right));
    let y = Scale::new(range, (f.bottom, f.top));
    let drawn = |line: &Line, points: &[Point]| -> Vec<Option<(f64, f64)>> {
        let at = |step: u64| match along {
            Along::Tokens => runs[line.run].clock.tokens(step),
            Along::Steps => step as f64,
        };
        let drawn = |point: &Point| Some((x.at(at(point.step)), y.at(place(point)?)));
        points.iter().map(drawn).collect()
    };

    let mut svg = format!(
        "<svg class=\"chart\" id=\"{}-plot\" viewBox=\"0 0 {} {}\" role=\"img\" tabindex=\"0\" aria-label=\"{}\">\n<g class=\"axes\">",
        chart.slug,
        f.width,
        f.height,
        escape(&summary(chart))
    );
    let named = marks(range, chart.log, 5);
    for ((place, _), label) in named.iter().zip(labels(&named, chart.log)) {
        let y = y.at(*place);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>",
            f.left, f.right
        );
        text(&mut svg, "end", (f.left - 7.0, y + 4.0), &label);
    }
    let named = marks(across, false, 7);
    for ((place, _), label) in named.iter().zip(labels(&named, false)) {
        let x = x.at(*place);
        text(&mut svg, "middle", (x, f.bottom + 15.0), &label);
    }
    let _ = write!(
        svg,
        "<line class=\"base\" x1=\"{}\" x2=\"{}\" y1=\"{2}\" y2=\"{2}\"/>",
        f.left, f.right, f.bottom
    );
    let middle = f64::midpoint(f.left, f.right);
    text(&mut svg, "middle", (middle, f.height - 5.0), along.name());
    if points().next().is_none() {
        let middle = (middle, f64::midpoint(f.top, f.bottom));
        text(&mut svg, "middle", middle, "no value can be drawn");
    }
    svg.push_str("</g>\n");
    for (line, points) in chart.lines.iter().zip(&lines) {
        let points = drawn(line, points);
        let means = line.series.drawn.means();
        let means: Vec<Point> = means.iter().map(|mean| mean.point).collect();
        let means = drawn(line, &means);
        let few = points.iter().flatten().count() <= DOTS;
        let faint = if means.is_empty() { "" } else { " faint" };
        for (kind, d) in [
            (["line", faint].concat(), path(&points)),
            ("mean".to_owned(), path(&means)),
            (
                "dots".to_owned(),
                if few { dots(&points) } else { String::new() },
            ),
        ] {
            let (colour, key) = (colour(line.colour), escape(&line.key));
            let _ = writeln!(
                svg,
                "<path class=\"{kind} {colour}\" data-key=\"{key}\" d=\"{d}\"/>"
            );
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Classes of a line's colour: eight colours, then dashed, then dotted.
pub(super) fn colour(n: usize) -> String {
    match n / 8 {
        0 => format!("s{n}"),
        again => format!("s{} again{}", n % 8, again.min(2)),
    }
}

/// What the chart says to who does not see it.
fn summary(chart: &Chart) -> String {
    let told = chart.lines.iter().take(8).map(|line| {
        let facts = line.series.facts;
        format!(
            "{} {} at step {}",
            line.name,
            number(facts.last, 4),
            facts.last_step
        )
    });
    let told: Vec<String> = told.collect();
    format!("{} {}: {}", chart.title, chart.small, told.join(", "))
}

fn text(svg: &mut String, anchor: &str, (x, y): (f64, f64), text: &str) {
    let _ = write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

/// Tenths without what can be left out.
fn tenths(n: i64) -> String {
    let text = format!("{}", n as f64 / 10.0);
    match text.strip_prefix("-0.") {
        Some(rest) => format!("-.{rest}"),
        None => text
            .strip_prefix("0.")
            .map_or(text.clone(), |rest| format!(".{rest}")),
    }
}

fn pair(x: i64, y: i64) -> String {
    let (x, y) = (tenths(x), tenths(y));
    let between = if y.starts_with('-') { "" } else { " " };
    format!("{x}{between}{y}")
}

fn whole((x, y): (f64, f64)) -> (i64, i64) {
    ((x * 10.0).round() as i64, (y * 10.0).round() as i64)
}

/// A line through points, with gaps; a point between two gaps is a dot.
fn path(points: &[Option<(f64, f64)>]) -> String {
    let mut d = String::new();
    let mut before: Option<(i64, i64)> = None;
    let mut alone = false;
    for point in points.iter().chain([&None]) {
        let Some(point) = point else {
            if alone {
                d.push_str("h0");
            }
            (before, alone) = (None, false);
            continue;
        };
        let point = whole(*point);
        match before {
            None => {
                let _ = write!(d, "M{}", pair(point.0, point.1));
                alone = true;
            }
            Some(before) => {
                let step = pair(point.0 - before.0, point.1 - before.1);
                let between = match (alone, step.starts_with('-')) {
                    (true, _) => "l",
                    (false, true) => "",
                    (false, false) => " ",
                };
                let _ = write!(d, "{between}{step}");
                alone = false;
            }
        }
        before = Some(point);
    }
    d
}

fn dots(points: &[Option<(f64, f64)>]) -> String {
    let dot = |point: &(f64, f64)| {
        let (x, y) = whole(*point);
        format!("M{}h0", pair(x, y))
    };
    points.iter().flatten().map(dot).collect()
}

#[cfg(test)]
mod tests {
    use super::{colour, dots, path};

    #[test]
    fn paths_have_gaps() {
        let points = [
            Some((10.0, 20.04)),
            Some((10.34, 19.5)),
            Some((11.0, 21.0)),
            None,
            Some((12.0, 1.0)),
            None,
            None,
            Some((13.0, 2.0)),
            Some((13.5, 2.0)),
        ];
        assert_eq!(path(&points), "M10 20l.3-.5 .7 1.5M12 1h0M13 2l.5 0");
        assert_eq!(dots(&points[..2]), "M10 20h0M10.3 19.5h0");
        assert_eq!(path(&[]), "");
    }

    #[test]
    fn many_runs_can_be_told_apart() {
        assert_eq!(
            [colour(0), colour(9), colour(70)],
            ["s0", "s1 again1", "s6 again2"]
        );
    }
}
