//! The strongest features, one by one.

use super::document::{Card, ContrastReport, ShownPrompt};
use super::strip::strip;
use super::tokens::tokens;
use crate::scale::{number, percent};
use maud::{Markup, PreEscaped, html};
use sae_contrast::RankBy;

/// A feature's anchor.
pub(super) fn id(report: &ContrastReport, (sae, row): (usize, usize)) -> String {
    format!("f-{sae}-{}", report.saes[sae].rows[row].stats.feature)
}

/// A feature's name: with its layer, or its SAE, where there are several.
pub(super) fn named(report: &ContrastReport, (sae, row): (usize, usize)) -> String {
    let feature = report.saes[sae].rows[row].stats.feature;
    if report.saes.len() == 1 {
        return feature.to_string();
    }
    match report.saes[sae].layer {
        Some(layer) if one_a_layer(report) => format!("{layer}/{feature}"),
        _ => format!("{}:{feature}", sae + 1),
    }
}

/// Whether a layer says which SAE is meant.
fn one_a_layer(report: &ContrastReport) -> bool {
    let mut layers: Vec<_> = report.saes.iter().map(|sae| sae.layer).collect();
    layers.sort_unstable();
    layers.dedup();
    layers.len() == report.saes.len() && !layers.contains(&None)
}

/// The features that have a card, in the order of `shown`.
pub(super) fn cards(report: &ContrastReport, shown: &[(usize, usize)]) -> Markup {
    let found = shown.iter().filter_map(|&(sae, row)| {
        let card = report.saes[sae].cards.iter().find(|card| card.row == row)?;
        Some(((sae, row), card))
    });
    html! {
        section #strongest {
            h2 { "Strongest features" small { "a dot a prompt, the line is the mean; below, the prompts in which it is largest" } }
            div.cards { @for (place, card) in found { (one(report, place, card)) } }
        }
    }
}

fn one(report: &ContrastReport, place: (usize, usize), card: &Card) -> Markup {
    let sae = &report.saes[place.0];
    let stats = &sae.rows[place.1].stats;
    let link = sae
        .links
        .as_ref()
        .and_then(|links| links.to(stats.feature as usize));
    let name = format!("feature {}", stats.feature);
    let optional = |x: Option<f64>| x.map_or_else(|| "—".to_owned(), |x| number(x, 3));
    let most = card.prompts.iter().flatten().flat_map(|p| &p.values);
    let most = most.fold(0.0_f32, |most, v| most.max(v.abs()));
    let picture = strip(
        &name,
        [report.a.n_prompts, report.b.n_prompts],
        &card.values,
        [stats.mean_a, stats.mean_b],
    );
    html! {
        article.card id=(id(report, place)) {
            h3 {
                span { "Feature " (stats.feature) }
                @if report.saes.len() > 1 { small.mono { (crate::escape::visible(&sae.hook_name)) } }
                @if let Some(href) = link { a href=(href) { "its page" } }
            }
            p.line {
                "d " b { (sae.rows[place.1].effect(RankBy::CohensD)) }
                @if report.settings.paired { ", d_z " b { (optional(stats.d_z)) } }
                ", AUROC " (number(stats.auroc, 3))
                ", fires in " (percent(stats.freq_a, 3)) " of a and " (percent(stats.freq_b, 3)) " of b"
                ", q " (optional(stats.q))
            }
            (PreEscaped(picture))
            @for (set, prompts) in ["a", "b"].into_iter().zip(&card.prompts) {
                (examples(set, prompts, most))
            }
        }
    }
}

fn examples(set: &str, prompts: &[ShownPrompt], most: f32) -> Markup {
    html! {
        div.examples {
            h4 class={ "in-" (set) } { "In " (set) }
            @if prompts.is_empty() { p.none { "It is zero in every prompt." } }
            @for prompt in prompts { (tokens(prompt, most)) }
        }
    }
}
