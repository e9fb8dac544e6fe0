//! What a chart cannot show, in words.

use super::charts::{Chart, Line, Shown};
use super::series::SeriesFacts;
use super::thin::MOST;
use crate::escape::visible;
use crate::scale::count;
use maud::{Markup, html};

/// Lines that are named one by one.
const NAMED: usize = 8;

pub(super) fn of(chart: &Chart) -> Markup {
    let not_finite = named(chart, |facts| {
        let first = facts.first_not_finite?;
        let (n, of) = (count(facts.n_not_finite as u64), count(facts.n as u64));
        Some(format!("{n} of {of}, the first at step {}", count(first)))
    });
    let facts = chart.lines.iter().map(|line| line.series.facts);
    let (n, n_not_positive) = facts.fold((0, 0), |(n, not), facts| {
        (n + facts.n as u64, not + facts.n_not_positive as u64)
    });
    let below = chart.floor.filter(|floor| {
        let extremes = chart.lines.iter().filter_map(|l| l.series.facts.extremes);
        let (least, most) = extremes.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (c, d)| {
            (a.min(c), b.max(d))
        });
        least < *floor && most > *floor
    });
    html! {
        @if let Some(text) = not_finite {
            p.note.bad { "Not a number, or infinite: " (text) "." }
        }
        @if n_not_positive > 0 {
            p.note.when-log hidden[!chart.log] {
                (count(n_not_positive)) " of " (count(n)) " values are not above zero, and not on this scale."
            }
        }
        @if let Some(floor) = below {
            p.note.when-linear hidden[chart.log] { "What is below " (floor.to_string().replace('-', "−")) " is drawn at the lower edge." }
        }
    }
}

/// What is to be said of lines, with their names where there are several.
fn named(chart: &Chart, said: impl Fn(&SeriesFacts) -> Option<String>) -> Option<String> {
    let said = |line: &Line| {
        let text = said(&line.series.facts)?;
        Some(if chart.lines.len() > 1 {
            format!("{}: {text}", visible(line.name))
        } else {
            text
        })
    };
    let mut texts: Vec<String> = chart.lines.iter().filter_map(said).collect();
    let n_more = texts.len().saturating_sub(NAMED);
    texts.truncate(NAMED);
    if n_more > 0 {
        texts.push(format!("{n_more} more"));
    }
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// What holds for the charts together.
pub(super) fn below(runs: &[Shown], n_left_out: usize) -> Markup {
    let thinned = runs
        .iter()
        .flat_map(|run| &run.series)
        .any(|series| !series.drawn.means().is_empty());
    html! {
        @if thinned {
            p.note { "Of more than " (MOST) " records (fewer, where there are many lines) a chart shows the mean of each stretch and, pale, its least and greatest." }
        }
        @if n_left_out > 0 {
            p.note { (count(n_left_out as u64)) " more names are in the table only." }
        }
    }
}
