//! The figures as a table and as CSV.

use super::{EvaluatedSeveral, Row, Together};
use crate::figures;
use crate::sheet::csv_table;

/// Names of the table's columns.
pub(super) const COLUMNS: [&str; 11] = [
    "SAE",
    "hook",
    "d_sae",
    "L0",
    "EV",
    "CE original",
    "with SAE",
    "zeroed",
    "recovered",
    "KL",
    "dead",
];

impl Row {
    /// The table's cells.
    pub(super) fn cells(&self) -> Vec<String> {
        let number = |x: f64, digits: usize| {
            if x.is_nan() {
                "undefined".to_owned()
            } else {
                format!("{x:.digits$}")
            }
        };
        vec![
            self.sae.clone(),
            self.hook.clone(),
            self.d_sae.to_string(),
            number(self.l0, 2),
            number(self.explained_variance, 4),
            number(self.original, 4),
            number(self.reconstructed, 4),
            number(self.zeroed, 4),
            number(self.recovered, 4),
            number(self.kl, 4),
            number(self.dead, 0),
        ]
    }
}

impl<P> EvaluatedSeveral<P> {
    /// For a terminal: a row for each SAE, in the order of their hooks.
    pub fn text(&self) -> String {
        let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
        rows.extend(self.rows().iter().map(Row::cells));
        let width = |column: usize| {
            let widths = rows.iter().map(|row| row[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
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
        if let Some(together) = &self.together {
            text.push_str(&format!("\n{}\n", sentence(together)));
        }
        if let Some(first) = self.saes.first() {
            text.push_str(&format!(
                "\nconvention: {}\nreconstruction: {}\n",
                first.eval_cfg.convention, first.eval_cfg.reconstruction
            ));
        }
        let forward = self.forward;
        if forward.block_tokens > 0 {
            text.push_str(&format!(
                "tokens through a block of the model: {}; one SAE at a time: {} ({:.1} times as many)\n",
                forward.block_tokens,
                forward.block_tokens_alone,
                forward.block_tokens_alone as f64 / forward.block_tokens as f64
            ));
        }
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
    let losses = together.metrics.model_performance_preservation.as_ref();
    let (original, with, zeroed, score) = losses.map_or([f64::NAN; 4].into(), |losses| {
        (
            losses.ce_loss_without_sae,
            losses.ce_loss_with_sae,
            losses.ce_loss_with_ablation,
            losses.ce_loss_score,
        )
    });
    let kl = together.metrics.model_behavior_preservation.as_ref();
    let kl = kl.map_or(f64::NAN, |kl| kl.kl_div_with_sae);
    format!(
        "All {} together: CE {with:.4} (original {original:.4}, zeroed {zeroed:.4}), recovered {score:.4}, KL {kl:.4}",
        together.order.len()
    )
}
