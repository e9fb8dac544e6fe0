//! What was compared with what.

use super::document::{ContrastReport, PromptSet};
use crate::escape::visible;
use crate::scale::count;
use maud::{Markup, html};

/// The title and the facts.
pub(super) fn head(report: &ContrastReport) -> Markup {
    let settings = &report.settings;
    html! {
        header {
            h1 { span.in-a { (visible(&report.a.source)) } " against " span.in-b { (visible(&report.b.source)) } }
            dl."pairs facts" {
                dt { "Model" } dd { (visible(&report.model.name)) }
                @if let [sae] = report.saes.as_slice() {
                    dt { "SAE" } dd { (visible(&sae.sae)) " at " (visible(&sae.hook_name)) ", " (count(sae.d_sae as u64)) " features" }
                } @else {
                    dt { "SAEs" } dd { (report.saes.len()) }
                }
                dt { "Set a" } dd { (set(&report.a)) }
                dt { "Set b" } dd { (set(&report.b)) @if settings.paired { ", in pairs with a" } }
                dt { "A prompt's value" } dd {
                    (match settings.reduce { "mean" => "the mean over its tokens", "last" => "that of its last token", _ => "the maximum over its tokens" })
                    ", "
                    @if settings.exclude_special_tokens { "special tokens left out" } @else { "the BOS at its start left out" }
                }
                @if let Some(system) = &settings.system { dt { "System message" } dd { (visible(system)) } }
                @if let Some(template) = &settings.template { dt { "Template" } dd { (visible(template)) } }
                dt { "Tested" } dd {
                    "features that fire in " (settings.min_fired) " prompts or more, by "
                    @if settings.paired { "the paired t" } @else { "Welch's t" }
                    "; q by Benjamini and Hochberg"
                    @if settings.permutations > 0 { "; " (count(settings.permutations as u64)) " permutations" }
                }
                dt { "Files" } dd {
                    a href="contrast.csv" download { "contrast.csv" } ", "
                    a href="contrast.parquet" download { "contrast.parquet" } ", "
                    a href="contrast.json" download { "contrast.json" }
                }
            }
        }
    }
}

fn set(set: &PromptSet) -> String {
    format!(
        "{} prompts, {} tokens",
        count(set.n_prompts as u64),
        count(set.n_tokens as u64)
    )
}

/// The numbers one looks for first.
pub(super) fn figures(report: &ContrastReport) -> Markup {
    let sum = |n: fn(&super::SaeContrast) -> usize| report.saes.iter().map(n).sum::<usize>() as u64;
    let figure = |name: &str, value: u64, note: &str| {
        html! { div.figure { dt { (name) } dd { (count(value)) small { (note) } } } }
    };
    html! {
        dl.figures {
            (figure("Features", sum(|sae| sae.n_features), "fire in some prompt"))
            (figure("Tested", sum(|sae| sae.n_tested), "fire in enough of them"))
            (figure("Differ", sum(|sae| sae.n_significant), &format!("q ≤ {}", report.settings.alpha)))
        }
    }
}
