//! The summary on the terminal.

use super::document::ContrastReport;
use crate::scale::number;
use sae_contrast::RankBy;
use std::path::Path;

/// Features listed.
const LISTED: usize = 10;

/// The strongest features, a line each, and where the page is.
pub fn contrast_terminal(report: &ContrastReport, page: &Path) -> String {
    let mut text = format!(
        "{} prompts of {} against {} of {}\n",
        report.a.n_prompts, report.a.source, report.b.n_prompts, report.b.source
    );
    for sae in &report.saes {
        text.push_str(&format!(
            "{} at {}: {} features fire, {} tested, {} differ (q ≤ {})\n",
            sae.sae,
            sae.hook_name,
            sae.n_features,
            sae.n_tested,
            sae.n_significant,
            report.settings.alpha
        ));
        for probe in &sae.probes {
            text.push_str(&format!(
                "  probe on {} feature{}: {:.1} % of {} prompts right (the larger set: {:.1} %)\n",
                probe.k,
                if probe.k == 1 { "" } else { "s" },
                100.0 * probe.test_accuracy,
                probe.n_test,
                100.0 * probe.majority_accuracy
            ));
        }
    }
    let several = report.saes.len() > 1;
    let shown = report.strongest(LISTED);
    // Cohen's d, or whatever else gives the order; the AUROC has its column.
    let (by, column) = match report.settings.rank_by {
        RankBy::CohensD | RankBy::Auroc => (RankBy::CohensD, "d"),
        by => (by, by.name()),
    };
    if !shown.is_empty() {
        let layer = if several { "layer  " } else { "" };
        text.push_str(&format!(
            "{layer}{:>8}  {:>9}  {:>6}  {:>6}  {:>6}  {:>9}  top in a / b\n",
            "feature", column, "AUROC", "in a", "in b", "q"
        ));
    }
    for (sae, row) in shown {
        let sae = &report.saes[sae];
        let (row, of) = (&sae.rows[row], &sae.rows[row].stats);
        let optional = |x: Option<f64>| x.map_or_else(|| "-".to_owned(), |x| number(x, 3));
        if several {
            let layer = sae.layer.map_or_else(|| "-".to_owned(), |n| n.to_string());
            text.push_str(&format!("{layer:>5}  "));
        }
        let token = |token: &Option<String>| format!("{:?}", token.as_deref().unwrap_or_default());
        text.push_str(&format!(
            "{:>8}  {:>9}  {:>6.3}  {:>5.0}%  {:>5.0}%  {:>9}  {} / {}\n",
            of.feature,
            row.effect(by),
            of.auroc,
            100.0 * of.freq_a,
            100.0 * of.freq_b,
            optional(of.q),
            token(&row.top_token_a),
            token(&row.top_token_b)
        ));
    }
    text.push_str(&format!("open {}\n", page.display()));
    text
}
