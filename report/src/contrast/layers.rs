//! The SAEs beside each other.

use super::document::{ContrastReport, SaeContrast};
use crate::escape::visible;
use crate::scale::{count, number, percent};
use maud::{Markup, html};

/// A row a SAE: how many features differ, and the strongest.
pub(super) fn layers(report: &ContrastReport) -> Markup {
    let by = report.settings.rank_by;
    let strength = |sae: &SaeContrast| {
        let first = sae.order.first().map(|&row| &sae.rows[row].stats);
        first.map_or(0.0, |stats| by.strength(stats))
    };
    let finite = |x: f64| if x.is_finite() { x } else { 0.0 };
    let most = report
        .saes
        .iter()
        .map(|s| finite(strength(s)))
        .fold(0.0, f64::max);
    let most_found = report
        .saes
        .iter()
        .map(|s| s.n_significant)
        .max()
        .unwrap_or(0);
    let bar = |share: f64| format!("--share: {:.1}%", 100.0 * share.clamp(0.0, 1.0));
    html! {
        section #layers {
            h2 { "Across layers" small { "how many features differ, and the strongest of each SAE by |" (by) "|" } }
            div.scroll {
                table.layers {
                    thead { tr {
                        th { "layer" } th { "SAE" } th { "features" } th { "tested" } th { "q ≤ " (report.settings.alpha) } th {}
                        th { "strongest" } th { (by) } th {}
                        @if has_probes(report) { th { "probe" } }
                    } }
                    tbody {
                        @for sae in &report.saes {
                            tr {
                                td { (sae.layer.map_or_else(|| "—".to_owned(), |n| n.to_string())) }
                                td.mono { (visible(&sae.sae)) }
                                td { (count(sae.n_features as u64)) }
                                td { (count(sae.n_tested as u64)) }
                                td { (count(sae.n_significant as u64)) }
                                td.meter { span style=(bar(sae.n_significant as f64 / most_found.max(1) as f64)) {} }
                                td { (sae.order.first().map_or_else(|| "—".to_owned(), |&row| sae.rows[row].stats.feature.to_string())) }
                                td { (number(strength(sae), 3)) }
                                td.meter { span style=(bar(strength(sae) / most.max(f64::MIN_POSITIVE))) {} }
                                @if has_probes(report) { td { (best(sae)) } }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn has_probes(report: &ContrastReport) -> bool {
    report.saes.iter().any(|sae| !sae.probes.is_empty())
}

/// The accuracy of the largest probe.
fn best(sae: &SaeContrast) -> String {
    let last = sae.probes.last();
    last.map_or_else(String::new, |p| {
        format!("{} (k {})", percent(p.test_accuracy, 3), p.k)
    })
}

/// The probes of each SAE.
pub(super) fn probes(report: &ContrastReport) -> Markup {
    if !has_probes(report) {
        return html! {};
    }
    html! {
        section #probes {
            h2 { "Sparse probes" small { "a logistic regression on the k features with the largest difference of means, on prompts that it was not fitted on" } }
            div.scroll {
                table.probes {
                    thead { tr {
                        @if report.saes.len() > 1 { th { "layer" } }
                        th { "k" } th { "accuracy" } th { "where fitted" } th { "by the larger set" } th { "fitted on / tested on" } th { "features" }
                    } }
                    tbody {
                        @for sae in &report.saes { @for probe in &sae.probes {
                            tr {
                                @if report.saes.len() > 1 { td { (sae.layer.map_or_else(String::new, |n| n.to_string())) } }
                                td { (probe.k) }
                                td { b { (percent(probe.test_accuracy, 3)) } }
                                td { (percent(probe.train_accuracy, 3)) }
                                td { (percent(probe.majority_accuracy, 3)) }
                                td { (probe.n_train) " / " (probe.n_test) }
                                td.mono { (probe.features.iter().take(20).map(u32::to_string).collect::<Vec<_>>().join(", ")) }
                            }
                        } }
                    }
                }
            }
        }
    }
}
