//! The latest values.

use super::charts::{Shown, names};
use super::draw::colour;
use super::series::Series;
use crate::escape::visible;
use crate::scale::{count, number};
use maud::{Markup, html};

/// Names beyond this are not shown: nobody reads them.
const ROWS: usize = 200;

pub(super) fn latest(runs: &[Shown]) -> Markup {
    let names = names(runs);
    let (names, more) = names.split_at(names.len().min(ROWS));
    html! {
        section #latest {
            h2 { "Latest values" @if runs.len() > 1 { small { "of each run" } } }
            div.scroll tabindex="0" role="region" aria-label="Latest values" {
                @if let [shown] = runs { (of_one(shown, names)) } @else { (of_several(runs, names)) }
            }
            @if !more.is_empty() {
                p.note { (count(more.len() as u64)) " more names were logged." }
            }
        }
    }
}

fn of_one(shown: &Shown, names: &[&str]) -> Markup {
    html! {
        table.values {
            thead {
                tr { th { "name" } th { "latest" } th { "at step" } th { "least" } th { "greatest" } th { "values" } }
            }
            tbody {
                @for series in names.iter().filter_map(|name| shown.find(name)) {
                    @let facts = series.facts;
                    tr {
                        th.mono scope="row" { (broken(&series.name)) }
                        (cell(Some(series)))
                        td { (count(facts.last_step)) }
                        @if let Some((least, greatest)) = facts.extremes {
                            td { (value(least)) } td { (value(greatest)) }
                        } @else {
                            td { "—" } td { "—" }
                        }
                        td { (count(facts.n as u64)) }
                    }
                }
            }
        }
    }
}

fn of_several(runs: &[Shown], names: &[&str]) -> Markup {
    let last_step = |shown: &Shown| shown.series.iter().map(|s| s.facts.last_step).max();
    html! {
        table.values {
            thead {
                tr {
                    th { "name" }
                    @for (at, shown) in runs.iter().enumerate() {
                        th scope="col" { span class={ "swatch " (colour(at)) } {} (visible(&shown.run.name)) }
                    }
                }
            }
            tbody {
                @if runs.iter().any(|shown| !shown.run.architecture.is_empty()) {
                    tr {
                        th scope="row" { "architecture" }
                        @for shown in runs { td { (visible(&shown.run.architecture)) } }
                    }
                }
                tr {
                    th scope="row" { "step" }
                    @for shown in runs { td { (last_step(shown).map_or_else(|| "—".to_owned(), count)) } }
                }
                @for name in names {
                    tr {
                        th.mono scope="row" { (broken(name)) }
                        @for shown in runs { (cell(shown.find(name))) }
                    }
                }
            }
        }
    }
}

fn cell(series: Option<&Series>) -> Markup {
    match series {
        Some(series) if !series.facts.last.is_finite() => {
            html! { td.bad { (value(series.facts.last)) } }
        }
        Some(series) => html! { td { (value(series.facts.last)) } },
        None => html! { td { "—" } },
    }
}

/// Whole and large numbers as they are, others with five digits. `written` of `axis.js` is the same.
fn value(x: f64) -> String {
    if (x.fract() == 0.0 || x.abs() >= 1e4) && x.abs() < 1e15 {
        let sign = if x < 0.0 { "−" } else { "" };
        return format!("{sign}{}", count(x.abs().round() as u64));
    }
    let text = number(x, 5);
    let (digits, exponent) = text
        .find('e')
        .map_or((&text[..], ""), |at| text.split_at(at));
    if !digits.contains('.') {
        return text;
    }
    digits
        .trim_end_matches('0')
        .trim_end_matches('.')
        .to_owned()
        + exponent
}

/// A name that may be broken after what separates its parts.
pub(super) fn broken(name: &str) -> Markup {
    let name = visible(name);
    html! { @for part in name.split_inclusive(['/', '_']) { (part) wbr; } }
}

#[cfg(test)]
mod tests {
    use super::value;

    #[test]
    fn values_are_written_for_people() {
        let shown = [131_072.0, -3.0, 45_396.2, 0.123_456_7, 3e-4, 2.9, 2.5e-7].map(value);
        assert_eq!(
            shown,
            [
                "131,072", "−3", "45,396", "0.12346", "0.0003", "2.9", "2.5e−7"
            ]
        );
        let shown = [1.2e20, f64::NAN, f64::NEG_INFINITY].map(value);
        assert_eq!(shown, ["1.2e20", "not a number", "−infinite"]);
    }
}
