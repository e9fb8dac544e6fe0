//! The strongest features as bars to both sides.

use super::cards::{id, named};
use super::document::ContrastReport;
use maud::{Markup, html};

/// Bars of what features are ranked by, the strongest first: to the right more in a, to the left more in b. Each leads to its feature below.
pub(super) fn bars(report: &ContrastReport, shown: &[(usize, usize)]) -> Markup {
    let by = report.settings.rank_by;
    let value = |&(sae, row): &(usize, usize)| by.value(&report.saes[sae].rows[row].stats);
    let most = shown
        .iter()
        .filter_map(value)
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    html! {
        ol.bars {
            @for place in shown {
                @let stats = &report.saes[place.0].rows[place.1].stats;
                @let share = value(place).map_or(1.0, |value| value.abs() / most.max(f64::MIN_POSITIVE));
                @let more_in_a = stats.difference() > 0.0;
                li {
                    a href={ "#" (id(report, *place)) } { (named(report, *place)) }
                    span.track {
                        span class=(if more_in_a { "fill set0" } else { "fill set1" }) style=(format!("--share: {:.1}%", 50.0 * share)) {}
                    }
                    span.value { (report.saes[place.0].rows[place.1].effect(by)) }
                }
            }
        }
    }
}
