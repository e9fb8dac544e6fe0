//! Every feature by its mean in both sets.

use super::document::ContrastReport;
use crate::escape::escape;
use crate::scale::{Scale, number, tick_label, ticks};
use sae_contrast::RankBy;
use std::fmt::Write;

const SIZE: f64 = 460.0;
const LEFT: f64 = 52.0;
const RIGHT: f64 = 448.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 408.0;
/// Points at most: the strongest.
pub(super) const MOST: usize = 4000;

/// The picture: a point a feature, on the diagonal where the sets are alike. Those that differ significantly stand out.
pub(super) fn scatter(report: &ContrastReport, shown: &[(usize, usize)]) -> String {
    let stats = |&(sae, row): &(usize, usize)| &report.saes[sae].rows[row].stats;
    let ends = |value: fn(&sae_contrast::FeatureContrast) -> [f64; 2]| {
        let all = || shown.iter().flat_map(|place| value(stats(place)));
        (all().fold(0.0, f64::min), all().fold(0.0, f64::max))
    };
    let range = ends(|f| [f.mean_a, f.mean_b]);
    let (x, y) = (
        Scale::new(range, (LEFT, RIGHT)),
        Scale::new(range, (BOTTOM, TOP)),
    );
    let mut svg = format!(
        "<svg class=\"scatter\" viewBox=\"0 0 {SIZE} {SIZE}\" role=\"img\" aria-label=\"Mean of each feature in a (across) and in b (up); the table below has the numbers\">"
    );
    for tick in ticks(range.0, range.1, 6) {
        let (across, up) = (x.at(tick), y.at(tick));
        let label = tick_label(tick);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{up:.1}\" y2=\"{up:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>\
             <text x=\"{across:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            LEFT - 7.0,
            up + 4.0,
            BOTTOM + 16.0
        );
    }
    let _ = write!(
        svg,
        "<line class=\"base\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">mean in a</text>\
         <text transform=\"translate(13 {:.1}) rotate(-90)\" text-anchor=\"middle\">mean in b</text>",
        x.at(range.0),
        y.at(range.0),
        x.at(range.1),
        y.at(range.1),
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 38.0,
        f64::midpoint(TOP, BOTTOM)
    );
    // The strongest last, on top.
    for place in shown.iter().rev() {
        let of = stats(place);
        let significant = of.is_constant() || of.q.is_some_and(|q| q <= report.settings.alpha);
        let class = match (significant, of.difference() > 0.0) {
            (false, _) => "alike",
            (true, true) => "set0",
            (true, false) => "set1",
        };
        let sae = &report.saes[place.0];
        let layer = match sae.layer {
            Some(layer) if report.saes.len() > 1 => format!("layer {layer}, "),
            _ => String::new(),
        };
        let title = format!(
            "{layer}feature {}: a {}, b {}, d {}",
            of.feature,
            number(of.mean_a, 3),
            number(of.mean_b, 3),
            report.saes[place.0].rows[place.1].effect(RankBy::CohensD)
        );
        let _ = write!(
            svg,
            "<circle class=\"{class}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{}</title></circle>",
            x.at(of.mean_a),
            y.at(of.mean_b),
            escape(&title)
        );
    }
    svg.push_str("</svg>");
    svg
}
