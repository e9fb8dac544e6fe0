//! The page of a contrast: no network, no library; everything but sorting and filtering is there without a script.

use super::document::ContrastReport;
use super::{bars, cards, head, layers, scatter, table};
use crate::page::{self, Shell};
use maud::{PreEscaped, html};

const OWN_STYLE: &str = include_str!("contrast.css");
const SCRIPT: &str = include_str!("contrast.js");
/// Bars of the strongest.
const BARS: usize = 20;

/// The page: what was compared, the means of all features, the strongest ones in detail, and a table. The features with a card are those that a
/// [`SaeContrast`](super::SaeContrast) brings cards for.
pub fn contrast_page(report: &ContrastReport, warnings: &[String]) -> String {
    let n_cards: usize = report.saes.iter().map(|sae| sae.cards.len()).sum();
    let shown = report.strongest(scatter::MOST);
    let n_features: usize = report.saes.iter().map(|sae| sae.rows.len()).sum();
    let has_card =
        |&&(sae, row): &&(usize, usize)| report.saes[sae].cards.iter().any(|card| card.row == row);
    let n_first = shown.iter().take_while(has_card).count().min(n_cards);
    let main = html! {
        main.contrast {
            (head::head(report))
            (page::warnings(warnings))
            (head::figures(report))
            @if report.saes.len() > 1 { (layers::layers(report)) }
            @if shown.is_empty() {
                p.none { "No feature fires in any prompt." }
            } @else {
                div.plots {
                    section.panel #means {
                        h2 { "Means" small { "a point a feature, coloured where q ≤ " (report.settings.alpha) } }
                        figure { (PreEscaped(scatter::scatter(report, &shown))) }
                        @if shown.len() < n_features { p { "The " (shown.len()) " strongest of " (n_features) " features." } }
                    }
                    section.panel #effects {
                        h2 { (report.settings.rank_by.title()) small { "to the right more in " span.in-a { "a" } ", to the left more in " span.in-b { "b" } } }
                        (bars::bars(report, &shown[..shown.len().min(BARS).min(n_first.max(1))]))
                    }
                }
                (cards::cards(report, &shown))
            }
            (layers::probes(report))
            @if !shown.is_empty() { (table::table(report, &shown, n_first)) }
        }
    };
    let shell = Shell {
        title: &format!("Contrast: {} against {}", report.a.source, report.b.source),
        brand: "SAE contrast",
        about: &report.model.name,
        style: &[OWN_STYLE],
        script: SCRIPT,
        ..Shell::default()
    };
    shell.around(&main)
}
