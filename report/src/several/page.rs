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

impl<P> EvaluatedSeveral<P> {
    /// One page that opens from disk: no network, no library, no script needed to read it.
    pub fn page(&self) -> String {
        let rows = self.rows();
        let columns = columns(&rows);
        let first = self.saes.first().map(|sae| &sae.eval_cfg);
        let model = first.map_or("", |cfg| &cfg.model.name);
        let data = first.and_then(|cfg| cfg.dataset.as_deref().or(cfg.tokens.as_deref()));
        let outcome = first.and_then(|cfg| cfg.outcome.as_ref());
        let main = html! {
            main.sheet {
                (warnings(&self.warnings))
                dl.pairs {
                    dt { "Model" } dd { (visible(model)) }
                    dt { "SAEs" } dd { (rows.len()) }
                    @if let Some(data) = data { dt { "Text" } dd { (visible(data)) } }
                    @if let (Some(cfg), Some(outcome)) = (first, outcome) {
                        dt { "Rows" } dd { (outcome.n_sequences) " of " (cfg.context_size) " tokens" }
                        dt { "Convention" } dd { (visible(&cfg.convention)) }
                        @if let Some(rows) = cfg.reconstruction_sequences { dt { "Losses" } dd { "on the first " (rows) " rows" } }
                    }
                }
                section {
                    h2 { "Figures" small { "a row for each SAE, in the order of their hooks; losses and KL in nats" } }
                    div.scroll {
                        table.ranked {
                            thead { tr { @for column in &columns { th scope="col" { (column.0) } } } }
                            tbody { @for row in &rows { tr { @for column in &columns { td { (visible(&column.cell(row))) } } } } }
                        }
                    }
                    @if let Some(together) = &self.together { p { (sentence(together)) } }
                }
                div.over-layers {
                    @for (name, figure) in FIGURES {
                        section {
                            h2 { (name) small { "over the layers" } }
                            figure { (PreEscaped(plot(name, &rows, figure))) }
                        }
                    }
                }
                section {
                    h2 { "How to read this" }
                    p.note { "Each SAE was measured by itself: its reconstruction took the activation's place, or zeros did, and the rest of the model ran on. "
                        "Recovered is (zeroed − with SAE) / (zeroed − original): 1 is no loss at all, 0 is as bad as zeros." }
                    @if self.together.is_some() {
                        p.note { "Together, all reconstructions were in place at once, each of what those below had left, without error terms." }
                    }
                }
            }
        };
        let shell = Shell {
            title: &format!("Evaluation of {} SAEs · {model}", rows.len()),
            brand: "SAE evaluation",
            about: model,
            style: &[plots::STYLE, SHEET, OWN_STYLE],
            ..Shell::default()
        };
        shell.around(&main)
    }
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
