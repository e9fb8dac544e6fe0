//! How training goes, as one page that is written again while it runs: no network, no library, and the charts are there without a script.

mod axis;
mod charts;
mod clock;
mod data;
mod draw;
mod groups;
mod head;
mod notes;
mod series;
mod settings;
mod state;
mod table;
#[cfg(test)]
mod tests;
mod thin;

pub use state::{TrainingRecord, TrainingRun, TrainingState};

use crate::escape::visible;
use crate::page::Shell;
use crate::palette;
use axis::Along;
use charts::{Chart, Shown};
use maud::{Markup, PreEscaped, html};

const OWN_STYLE: &str = include_str!("training.css");
/// Before anything is drawn, so that a page that comes again every few seconds does not flash.
const THEME_FIRST: &str = "try { const theme = localStorage.getItem('sae-theme'); if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme; } catch {}";
const SCRIPT: &str = concat!(
    include_str!("ui/choices.js"),
    include_str!("ui/axis.js"),
    include_str!("ui/draw.js"),
    include_str!("ui/controls.js"),
    include_str!("ui/hover.js"),
    include_str!("ui/reload.js"),
);

/// The page of a training: how far it is, a chart for each group of what is logged, the latest values and the settings.
///
/// It needs nothing but itself. While [`TrainingState::running`] holds, it loads itself again every five seconds and keeps what was
/// chosen on it; write it whole, by renaming. A series is drawn with some 600 points at the most, fewer where there are many, the
/// extremes always among them, so that eight runs of 100,000 records stay below a megabyte.
pub fn training_page(state: &TrainingState) -> String {
    let runs = charts::shown(state);
    let (charts, n_left_out) = charts::charts(&runs);
    let along = if runs.iter().any(|run| run.clock.runs()) {
        Along::Tokens
    } else {
        Along::Steps
    };
    let data = data::data(state.running, &charts, &runs, along);
    let main = html! {
        main.training {
            (head::head(state))
            (head::warnings(&state.runs))
            @if charts.is_empty() {
                p.none { "Nothing was logged yet." }
            } @else {
                section aria-label="Charts" {
                    (toolbar(&runs, along))
                    div.charts {
                        @for chart in &charts { (panel(chart, &runs, along)) }
                    }
                    (notes::below(&runs, n_left_out))
                }
                (table::latest(&runs))
            }
            (settings::settings(&state.runs))
        }
    };
    let head = html! {
        @if state.running {
            noscript { meta http-equiv="refresh" content="10"; }
        }
        script { (PreEscaped(THEME_FIRST)) }
    };
    let shell = Shell {
        title: &head::tab(state),
        brand: "SAE training",
        about: &state.title,
        style: &[OWN_STYLE, &palette::series()],
        script: SCRIPT,
        data: Some(("training", &data)),
        head,
        buttons: html! { button.quiet #pause type="button" hidden { "Pause" } },
    };
    shell.around(&main)
}

/// What holds for every chart: what is along the axis, and which colour is which run.
fn toolbar(runs: &[Shown], along: Along) -> Markup {
    let pressed = |is| if is { "true" } else { "false" };
    html! {
        div.toolbar {
            @if runs.len() > 1 {
                div.legend role="group" aria-label="Runs" {
                    @for (at, shown) in runs.iter().enumerate() {
                        (key(&format!("run-{at}"), &format!("run-{at}"), at, &shown.run.name))
                    }
                }
            }
            div.choice #along role="group" aria-label="Horizontal axis" hidden {
                @for each in [Along::Tokens, Along::Steps] {
                    button id={ "along-" (each.name()) } type="button" data-along=(each.name()) aria-pressed=(pressed(each == along)) { (each.name()) }
                }
            }
        }
    }
}

fn panel(chart: &Chart, runs: &[Shown], along: Along) -> Markup {
    let pressed = if chart.log { "true" } else { "false" };
    html! {
        section.panel id=(chart.slug) {
            div {
                div.title {
                    h2 { (visible(&chart.title)) @if !chart.small.is_empty() { small.mono { (visible(&chart.small)) } } }
                    @if chart.has_log {
                        button.quiet.log id={ (chart.slug) "-log" } type="button" aria-pressed=(pressed) hidden title="Logarithmic scale" { "log" }
                    }
                }
                @if runs.len() == 1 && chart.lines.len() > 1 {
                    div.legend role="group" aria-label="Lines" {
                        @for (at, line) in chart.lines.iter().enumerate() {
                            (key(&format!("{}-key-{at}", chart.slug), &line.key, line.colour, line.name))
                        }
                    }
                }
            }
            figure { (PreEscaped(draw::svg(chart, runs, along))) }
            div.notes { (notes::of(chart)) }
        }
    }
}

/// A button that hides lines; without a script, what their colour means.
fn key(id: &str, key: &str, colour: usize, name: &str) -> Markup {
    html! {
        button.key id=(id) type="button" data-key=(key) aria-pressed="true" disabled title="Click to hide; with Shift, to see only this" {
            span class={ "swatch " (draw::colour(colour)) } {}
            span { (visible(name)) }
        }
    }
}
