//! The table that is sorted and filtered.

use super::cards::{id, named};
use super::document::{ContrastReport, ContrastRow};
use crate::escape::visible_token;
use crate::scale::{number, percent};
use maud::{Markup, html};

/// Rows at most; the files have all.
pub(super) const MOST: usize = 500;

type Figure = (
    &'static str,
    &'static str,
    fn(&ContrastRow) -> Option<f64>,
    bool,
);

const FIGURES: [Figure; 11] = [
    ("d", "Cohen's d", |r| r.stats.cohens_d, false),
    ("d_z", "effect of the pairs", |r| r.stats.d_z, false),
    (
        "AUROC",
        "probability that a prompt of a is above one of b",
        |r| Some(r.stats.auroc),
        false,
    ),
    (
        "in a",
        "share of the prompts of a in which it fires",
        |r| Some(r.stats.freq_a),
        true,
    ),
    (
        "in b",
        "share of the prompts of b in which it fires",
        |r| Some(r.stats.freq_b),
        true,
    ),
    (
        "mean a",
        "mean over the prompts of a",
        |r| Some(r.stats.mean_a),
        false,
    ),
    (
        "mean b",
        "mean over the prompts of b",
        |r| Some(r.stats.mean_b),
        false,
    ),
    ("t", "Welch's t, or the paired one", |r| r.stats.t, false),
    ("p", "two-sided p of t", |r| r.stats.p, false),
    (
        "p perm.",
        "two-sided p by permutation",
        |r| r.stats.p_permutation,
        false,
    ),
    ("q", "Benjamini and Hochberg's q of p", |r| r.stats.q, false),
];

/// The strongest features with their numbers.
pub(super) fn table(report: &ContrastReport, shown: &[(usize, usize)], n_cards: usize) -> Markup {
    let shown = &shown[..shown.len().min(MOST)];
    let figures = || {
        FIGURES
            .iter()
            .filter(|(name, ..)| report.settings.paired || *name != "d_z")
    };
    html! {
        section #features {
            h2 { "Features" small { "the " (shown.len()) " strongest by |" (report.settings.rank_by) "|; the files have all" } }
            div.filter {
                label for="filter" { "Filter" }
                input #filter type="search" placeholder="feature or token" autocomplete="off";
                span #found aria-live="polite" {}
            }
            div.scroll tabindex="0" role="region" aria-label="Features" {
                table.features {
                    thead { tr {
                        (head("feature", "the feature"))
                        @for (name, title, ..) in figures() { (head(name, title)) }
                        (head("top in a", "token of its maximum in a"))
                        (head("top in b", "token of its maximum in b"))
                    } }
                    tbody {
                        @for (at, place) in shown.iter().enumerate() {
                            @let sae = &report.saes[place.0];
                            @let row = &sae.rows[place.1];
                            tr {
                                th scope="row" data-v=(at) {
                                    @if at < n_cards { a href={ "#" (id(report, *place)) } { (named(report, *place)) } }
                                    @else if let Some(href) = sae.links.as_ref().and_then(|l| l.to(row.stats.feature as usize)) { a href=(href) { (named(report, *place)) } }
                                    @else { (named(report, *place)) }
                                }
                                @for (_, _, value, share) in figures() {
                                    @let value = value(row);
                                    td data-v=(value.map_or_else(String::new, |x| x.to_string())) { (written(value, *share)) }
                                }
                                (token(row.top_token_a.as_deref()))
                                (token(row.top_token_b.as_deref()))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn head(name: &str, title: &str) -> Markup {
    html! { th scope="col" { button type="button" title=(title) disabled { (name) } } }
}

fn token(text: Option<&str>) -> Markup {
    let shown = visible_token(text.unwrap_or_default());
    html! { td.mono data-t=(shown) { (shown) } }
}

fn written(value: Option<f64>, share: bool) -> String {
    match value {
        Some(x) if share => percent(x, 3),
        Some(x) => number(x, 3),
        None => "—".to_owned(),
    }
}
