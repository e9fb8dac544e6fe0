//! The report as one page that opens from disk: no network, no library.

mod details;
mod features;
mod links;
mod notes;
mod prompt;
mod shell;

pub use links::{Links, LinksError};
pub(crate) use shell::{Shell, warnings};

use crate::checks::Verdict;
use crate::escape::{json_for_script, visible};
use crate::plots::{Plot, STYLE as PLOTS};
use crate::report::Report;
use crate::scale::{count, number, percent};
use maud::{Markup, PreEscaped, html};

const STYLE: &str = include_str!("page.css");
/// What the script of a page begins with: light and dark, the tooltip.
const SCRIPT_BEGINS: &str = concat!(include_str!("theme.js"), include_str!("tooltip.js"));
const SCRIPT: &str = include_str!("page.js");

/// The page of a report.
///
/// # Panics
/// If the report cannot be written as JSON, which none of its types can bring about.
pub fn page(report: &Report, plots: &[Plot; 4], links: &Links) -> String {
    let data = serde_json::to_string(report).expect("a report is plain data");
    let hook = report.sae.hook_name.as_deref().unwrap_or("not recorded");
    let main = html! {
        main {
            header {
                h1 { (report.sae.architecture) " SAE of " (visible(&report.model.name)) }
                (facts(report))
            }
            (warnings(&report.warnings))
            (headline(report))
            (figures(report, plots))
            (checks(report))
            (prompt::section(&report.prompt))
            (features::section(&report.features, links))
            (details::section(report))
        }
    };
    let shell = Shell {
        title: &format!("SAE at {hook}"),
        brand: "SAE report",
        about: hook,
        style: &[PLOTS],
        script: SCRIPT,
        data: Some(("report", &json_for_script(&data))),
        ..Shell::default()
    };
    shell.around(&main)
}

fn facts(report: &Report) -> Markup {
    let (sae, data) = (&report.sae, &report.data);
    let hook = sae.hook_name.as_deref().unwrap_or("not recorded");
    let dictionary = format!(
        "{} features on {} dimensions",
        count(sae.d_sae as u64),
        count(sae.d_in as u64)
    );
    let text = format!(
        "{} rows of {} tokens of {}",
        data.sequences, data.context_size, data.dataset
    );
    html! {
        dl."pairs facts" {
            dt { "Run" } dd { (visible(&sae.path)) }
            dt { "Reads" } dd { (visible(hook)) }
            dt { "Dictionary" } dd { (dictionary) }
            dt { "Text" } dd { (visible(&text)) }
            dt { "Counted" } dd { (report.conventions.masking) }
        }
    }
}

/// The numbers one looks for first.
fn headline(report: &Report) -> Markup {
    let (l0, features) = (&report.l0, &report.features);
    let quality = report.reconstruction_quality.as_ref();
    let share = percent(features.n_dead as f64 / report.sae.d_sae as f64, 3);
    let nominal = l0.nominal.map_or_else(
        || "features on a token".to_owned(),
        |nominal| {
            format!(
                "features on a token; {} {}",
                nominal.source.short(),
                number(nominal.value, 3)
            )
        },
    );
    let explained = quality.map_or_else(|| "—".to_owned(), |q| number(q.explained_variance, 3));
    let figure = |name: &str, value: String, note: &str| {
        html! { div.figure { dt { (name) } dd { (value) small { (note) } } } }
    };
    let recovered = percent(report.loss.recovered, 3);
    html! {
        dl.figures {
            (figure("Loss recovered", recovered, "of what zero ablation costs"))
            (figure("Mean L0", number(l0.mean, 3), &nominal))
            (figure("Explained variance", explained, "centred"))
            (figure("Dead", count(features.n_dead), &format!("{share} never fire here")))
            (figure("Ultra-dense", count(features.n_ultra_dense), "fire on over 10 % of tokens"))
        }
    }
}

fn figures(report: &Report, [l0, density, losses, variances]: &[Plot; 4]) -> Markup {
    let how_often = "how often each feature fires";
    let of_the_next = "cross-entropy of the next token";
    html! {
        div.plots {
            (panel("Active features per token", "L0", l0, &notes::l0(report)))
            (panel("Feature density", how_often, density, &notes::density(report)))
            (panel("Loss", of_the_next, losses, &notes::loss(report)))
            (panel("Explained variance", "three definitions in use", variances, &notes::variance(report)))
        }
    }
}

fn panel(title: &str, small: &str, plot: &Plot, note: &Markup) -> Markup {
    html! {
        section.panel id={ "plot-" (plot.name) } {
            h2 { (title) small { (small) } }
            figure { (PreEscaped(plot.inline())) }
            (note)
        }
    }
}

fn checks(report: &Report) -> Markup {
    html! {
        section #checks {
            h2 { "Conventions" small { "what the run says, and what was found" } }
            div.scroll {
                table.checks {
                    thead {
                        tr {
                            th {} th { "checked" } th { "the run says" } th { "found" } th { "which means" }
                        }
                    }
                    tbody {
                        @for check in &report.checks {
                            @let (class, word) = match check.verdict {
                                Verdict::Ok => ("ok", "agrees"),
                                Verdict::Look => ("look", "look out"),
                                Verdict::Unknown => ("unknown", "not recorded"),
                            };
                            tr {
                                td class={ "verdict " (class) } { (word) }
                                th scope="row" { (check.name) }
                                td { (visible(&check.expected)) }
                                td { (visible(&check.found)) }
                                td { (visible(&check.note)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
