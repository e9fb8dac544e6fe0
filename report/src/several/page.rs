//! The figures as a page.

use super::table::{columns, sentence};
use super::{EvaluatedSeveral, Row};
use crate::escape::visible;
use crate::page::{Shell, warnings};
use crate::plots::{self, over_layers};
use maud::{PreEscaped, html};

const SHEET: &str = include_str!("../sheet/sheet.css");
const OWN_STYLE: &str = include_str!("several.css");

type Figure = (&'static str, fn(&Row) -> f64);

/// What the plots show over the layers.
const FIGURES: [Figure; 3] = [
    ("CE recovered", |row| row.recovered),
    ("L0", |row| row.l0),
    ("Explained variance", |row| row.explained_variance),
];

/// What the page shows.
pub(super) struct Content<'a> {
    pub(super) rows: Vec<Row>,
    pub(super) warnings: &'a [String],
    pub(super) model: &'a str,
    /// What was measured on, in words: a name and a value each.
    pub(super) facts: Vec<(&'static str, String)>,
    /// All in place at once, as a sentence.
    pub(super) together: Option<String>,
    /// What kind of page it is, and what its title says before the number of SAEs.
    pub(super) brand: (&'static str, &'static str),
}

impl<P> EvaluatedSeveral<P> {
    /// One page that opens from disk: no network, no library, no script needed to read it.
    pub fn page(&self) -> String {
        let first = self.saes.first().map(|sae| &sae.eval_cfg);
        let mut facts = Vec::new();
        if let Some(cfg) = first {
            let data = cfg.dataset.as_ref().or(cfg.tokens.as_ref());
            facts.extend(data.map(|data| ("Text", data.clone())));
            if let Some(outcome) = &cfg.outcome {
                let rows = format!("{} of {} tokens", outcome.n_sequences, cfg.context_size);
                facts.extend([("Rows", rows), ("Convention", cfg.convention.clone())]);
                let losses = cfg.reconstruction_sequences;
                facts.extend(losses.map(|n| ("Losses", format!("on the first {n} rows"))));
            }
        }
        page(&Content {
            rows: self.rows(),
            warnings: &self.warnings,
            model: first.map_or("", |cfg| &cfg.model.name),
            facts,
            together: self.together.as_ref().map(sentence),
            brand: ("SAE evaluation", "Evaluation"),
        })
    }
}

pub(super) fn page(content: &Content) -> String {
    let (rows, model) = (&content.rows, content.model);
    let columns = columns(rows);
    let main = html! {
        main.sheet {
            (warnings(content.warnings))
            dl.pairs {
                dt { "Model" } dd { (visible(model)) }
                dt { "SAEs" } dd { (rows.len()) }
                @for (name, value) in &content.facts { dt { (name) } dd { (visible(value)) } }
            }
            section {
                h2 { "Figures" small { "a row for each SAE, in the order of their hooks; losses and KL in nats" } }
                div.scroll {
                    table.ranked {
                        thead { tr { @for column in &columns { th scope="col" { (column.0) } } } }
                        tbody {
                            @for row in rows {
                                tr {
                                    @for (at, column) in columns.iter().enumerate() {
                                        td {
                                            @match row.link.as_ref().filter(|_| at == 0) {
                                                Some(link) => a href=(link) { (visible(&column.cell(row))) },
                                                None => (visible(&column.cell(row))),
                                            }
                                        }
                                    }
                                }
                            }
                        }
                    }
                }
                @if let Some(together) = &content.together { p { (together) } }
            }
            div.over-layers {
                @for (name, figure) in FIGURES {
                    section {
                        h2 { (name) small { "over the layers" } }
                        figure { (PreEscaped(plot(name, rows, figure))) }
                    }
                }
            }
            section {
                h2 { "How to read this" }
                p.note { "Each SAE was measured by itself: its reconstruction took the activation's place, or zeros did, and the rest of the model ran on. "
                    "Recovered is (zeroed − with SAE) / (zeroed − original): 1 is no loss at all, 0 is as bad as zeros." }
                @if content.together.is_some() {
                    p.note { "Together, all reconstructions were in place at once, each of what those below had left, without error terms." }
                }
            }
        }
    };
    let (brand, title) = content.brand;
    let shell = Shell {
        title: &format!("{title} of {} SAEs · {model}", rows.len()),
        brand,
        about: model,
        style: &[plots::STYLE, SHEET, OWN_STYLE],
        ..Shell::default()
    };
    shell.around(&main)
}

fn plot(name: &'static str, rows: &[Row], figure: fn(&Row) -> f64) -> String {
    let points = rows.iter().enumerate().filter_map(|(at, row)| {
        let value = figure(row);
        // Hooks of no layer lie where they come in the order.
        let layer = row.layer.unwrap_or(at) as f64;
        value
            .is_finite()
            .then(|| (layer, value, format!("{} {}", row.sae, row.hook)))
    });
    over_layers(name, &points.collect::<Vec<_>>()).inline()
}
