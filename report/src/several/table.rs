//! The figures as a table and as CSV.

use super::{EvaluatedSeveral, Forward, Row, Together};
use crate::figures;
use crate::sheet::csv_table;
use sae_metrics::Metrics;

/// A column's name, and its cell of an SAE.
pub(super) struct Column(pub(super) &'static str, fn(&Row) -> String);

impl Column {
    pub(super) fn cell(&self, row: &Row) -> String {
        (self.1)(row)
    }
}

/// The columns; those of published figures only where there are some to compare with.
pub(super) fn columns(rows: &[Row]) -> Vec<Column> {
    let mut columns = vec![
        Column("SAE", |row| row.sae.clone()),
        Column("hook", |row| row.hook.clone()),
        Column("d_sae", |row| row.d_sae.to_string()),
        Column("L0", |row| number(row.l0, 2)),
    ];
    if rows.iter().any(|row| row.published_l0.is_some()) {
        columns.push(Column("published", |row| known(row.published_l0, 1)));
    }
    columns.push(Column("EV", |row| number(row.explained_variance, 4)));
    if rows.iter().any(|row| row.published_variance.is_some()) {
        columns.push(Column("published", |row| known(row.published_variance, 3)));
    }
    columns.extend([
        Column("CE original", |row| number(row.original, 4)),
        Column("with SAE", |row| number(row.reconstructed, 4)),
        Column("zeroed", |row| number(row.zeroed, 4)),
        Column("recovered", |row| number(row.recovered, 4)),
    ]);
    if rows.iter().any(|row| row.kl.is_some()) {
        columns.push(Column("KL", |row| known(row.kl, 4)));
    }
    columns.push(Column("dead", |row| number(row.dead, 0)));
    columns
}

fn number(x: f64, digits: usize) -> String {
    if x.is_nan() {
        "undefined".to_owned()
    } else {
        format!("{x:.digits$}")
    }
}

/// As published; a dash where it was not.
fn known(x: Option<f64>, digits: usize) -> String {
    x.map_or("–".to_owned(), |x| number(x, digits))
}

/// A line for each SAE.
pub(super) fn lines(saes: &[Row]) -> String {
    let columns = columns(saes);
    let heads = columns.iter().map(|column| column.0.to_owned());
    let mut rows: Vec<Vec<String>> = vec![heads.collect()];
    rows.extend(
        saes.iter()
            .map(|row| columns.iter().map(|column| column.cell(row)).collect()),
    );
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns.len()).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(|(column, (cell, &width))| match column {
            // Names from the left, numbers from the right.
            0 | 1 => format!("{cell:<width$}"),
            _ => format!("{cell:>width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// How much was run, if anything was counted.
pub(super) fn counted(forward: Forward) -> String {
    if forward.block_tokens == 0 {
        return String::new();
    }
    format!(
        "tokens through a block of the model: {}; one SAE at a time: {} ({:.1} times as many)\n",
        forward.block_tokens,
        forward.block_tokens_alone,
        forward.block_tokens_alone as f64 / forward.block_tokens as f64
    )
}

impl<P> EvaluatedSeveral<P> {
    /// For a terminal: a row for each SAE, in the order of their hooks.
    pub fn text(&self) -> String {
        let mut text = lines(&self.rows());
        if let Some(together) = &self.together {
            text.push_str(&format!("\n{}\n", sentence(together)));
        }
        if let Some(first) = self.saes.first() {
            text.push_str(&format!(
                "\nconvention: {}\nreconstruction: {}\n",
                first.eval_cfg.convention, first.eval_cfg.reconstruction
            ));
            if let Some(rows) = first.eval_cfg.reconstruction_sequences {
                text.push_str(&format!("losses: on the first {rows} rows\n"));
            }
        }
        text.push_str(&counted(self.forward));
        text
    }

    /// As CSV: the SAE, its hook, and then as of one SAE.
    pub fn csv(&self) -> String {
        let mut rows = Vec::new();
        for &at in &self.order {
            let Some(of) = self.saes.get(at) else {
                continue;
            };
            let sae = of.eval_cfg.sae.clone().unwrap_or_default();
            for [group, metric, value] in figures::rows(&of.figures.metrics) {
                let hook = of.eval_cfg.read_hook.clone();
                rows.push(vec![sae.clone(), hook, group, metric, value]);
            }
            let known = of.published.map(|known| known.sae);
            let l0 = known.and_then(|known| known.l0);
            let explained = known.and_then(|known| known.explained_variance);
            for (metric, value) in [("l0", l0), ("explained_variance", explained)] {
                let Some(value) = value else { continue };
                let row = ["published", metric, &value.to_string()].map(str::to_owned);
                let hook = of.eval_cfg.read_hook.clone();
                rows.push([sae.clone(), hook].into_iter().chain(row).collect());
            }
        }
        if let Some(together) = &self.together {
            for [group, metric, value] in figures::rows(&together.metrics) {
                let row = ["together".to_owned(), String::new(), group, metric, value];
                rows.push(row.to_vec());
            }
        }
        csv_table(&["sae", "hook", "group", "metric", "value"], &rows)
    }
}

/// What all SAEs together do to the loss.
pub(super) fn sentence(together: &Together) -> String {
    of_all(together.order.len(), &together.metrics)
}

/// The same, of so many SAEs.
pub(super) fn of_all(n: usize, metrics: &Metrics) -> String {
    let losses = metrics.model_performance_preservation.as_ref();
    let (original, with, zeroed, score) = losses.map_or([f64::NAN; 4].into(), |losses| {
        (
            losses.ce_loss_without_sae,
            losses.ce_loss_with_sae,
            losses.ce_loss_with_ablation,
            losses.ce_loss_score,
        )
    });
    let kl = metrics.model_behavior_preservation.as_ref();
    let kl = kl.map_or(f64::NAN, |kl| kl.kl_div_with_sae);
    format!(
        "All {n} together: CE {with:.4} (original {original:.4}, zeroed {zeroed:.4}), recovered {score:.4}, KL {kl:.4}"
    )
}
