//! How far training is.

use super::axis::{label, unit};
use super::{TrainingRun, TrainingState};
use crate::escape::visible;
use crate::scale::{count, number};
use maud::{Markup, html};

/// The title of the browser's tab: how far first, as there is little room.
pub(super) fn tab(state: &TrainingState) -> String {
    match share(state) {
        Some(share) if state.running => {
            format!("{:.0} % · {}", (100.0 * share).floor(), state.title)
        }
        _ => state.title.clone(),
    }
}

/// Of the tokens that are to be seen.
fn share(state: &TrainingState) -> Option<f64> {
    (state.of_tokens > 0).then(|| (state.tokens as f64 / state.of_tokens as f64).min(1.0))
}

pub(super) fn head(state: &TrainingState) -> Markup {
    let (class, word) = if state.running {
        ("running", "running")
    } else if share(state).is_some_and(|share| share >= 1.0) {
        ("done", "finished")
    } else {
        ("stopped", "stopped")
    };
    let steps = state.runs.iter().filter_map(|run| run.records.last());
    let step = steps.map(|record| record.step).max();
    html! {
        header {
            h1 { (visible(&state.title)) }
            p.state {
                span class={ "badge " (class) } { (word) }
                @if let Some(share) = share(state) {
                    progress max="1" value=(share) aria-label="Tokens seen" {}
                    span { b { (format!("{:.1} %", (1000.0 * share).floor() / 10.0)) } }
                    span { (short(state.tokens)) " of " (short(state.of_tokens)) " tokens" }
                } @else {
                    span { b { (short(state.tokens)) } " tokens" }
                }
                @if let Some(step) = step {
                    span { "step " (count(step)) }
                }
                @if state.tokens_per_s.is_finite() && state.tokens_per_s > 0.0 {
                    span { (rate(state.tokens_per_s)) " tokens/s" }
                }
                @if let Some(left) = state.seconds_left.filter(|_| state.running).and_then(duration) {
                    span { (left) " left" }
                }
                span.age #age hidden {}
            }
            @if let [run] = &state.runs[..] {
                p.run { "Run " b { (visible(&run.name)) } @if !run.architecture.is_empty() { ", " (visible(&run.architecture)) } }
            }
        }
    }
}

pub(super) fn warnings(runs: &[TrainingRun]) -> Markup {
    let of_several = runs.len() > 1;
    html! {
        @for run in runs {
            @for warning in &run.warnings {
                p.warning role="note" {
                    strong { "Look out." } " "
                    @if of_several { b { (visible(&run.name)) } ": " }
                    (visible(warning))
                }
            }
        }
    }
}

/// A number of tokens, with four digits where it is large.
fn short(tokens: u64) -> String {
    if tokens < 100_000 {
        return count(tokens);
    }
    let (unit, name) = unit(tokens as f64);
    let tokens = tokens as f64 / unit;
    if tokens.fract() == 0.0 {
        return label(tokens, 1.0) + name;
    }
    number(tokens, 4) + name
}

fn rate(per_s: f64) -> String {
    match per_s {
        0.0..10.0 => number(per_s, 2),
        _ => count(per_s.min(1e18).round() as u64),
    }
}

/// The two largest units.
fn duration(seconds: f64) -> Option<String> {
    if !(0.0..1e9).contains(&seconds) {
        return None;
    }
    let s = seconds.round() as u64;
    Some(match s {
        0..60 => format!("{s} s"),
        60..600 => format!("{} min {} s", s / 60, s % 60),
        600..3600 => format!("{} min", s / 60),
        3600..86_400 => format!("{} h {} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {} h", s / 86_400, s % 86_400 / 3600),
    })
}

#[cfg(test)]
mod tests {
    use super::{duration, rate, short};

    #[test]
    fn how_far_is_said_shortly() {
        let shorts = [7, 99_999, 123_456, 412_345_678, 1_000_000_000].map(short);
        assert_eq!(shorts, ["7", "99,999", "123.5 k", "412.3 M", "1 B"]);
        assert_eq!([rate(0.25), rate(45_300.4)], ["0.25", "45,300"]);
        let left = [12.0, 75.0, 3000.0, 11_520.0, 200_000.0].map(|s| duration(s).unwrap());
        assert_eq!(
            left,
            ["12 s", "1 min 15 s", "50 min", "3 h 12 min", "2 d 7 h"]
        );
        for never in [f64::NAN, f64::INFINITY, -1.0, 1e12] {
            assert_eq!(duration(never), None);
        }
    }
}
