//! The report for a terminal.

use crate::report::Report;
use sae_metrics::Bins;
use std::path::Path;

/// Columns of the histogram's longest bar.
const WIDTH: f64 = 48.0;
/// Lines of the histogram.
const LINES: usize = 12;

/// A summary of the report in the folder `out`, with the notebook's lines in the notebook's order.
pub fn terminal(report: &Report, out: &Path) -> String {
    let (sae, data, l0, loss) = (&report.sae, &report.data, &report.l0, &report.loss);
    let mut text = format!(
        "Loaded SAE with d_in={}, d_sae={}, hook={}\n",
        sae.d_in,
        sae.d_sae,
        sae.hook_name.as_deref().unwrap_or("?")
    );
    if let Some(mean) = sae.mean_log_sparsity {
        text.push_str(&format!("Mean log sparsity: {mean:.3}\n"));
    }
    text.push_str(&format!(
        "Tokenized dataset ready: [{}, {}]\n\n",
        data.sequences, data.context_size
    ));
    text.push_str(&format!(
        "Mean L0: {:.2} +/- {:.2}   (min {}, max {})\n",
        l0.mean,
        l0.std,
        show(l0.min),
        show(l0.max)
    ));
    text.push_str(&histogram(&l0.histogram));
    text.push_str(&format!("\nOriginal loss:       {:.4}\n", loss.original));
    text.push_str(&format!(
        "Reconstruction loss: {:.4}   ({:.1} % of the loss recovered)\n",
        loss.reconstruction,
        100.0 * loss.recovered
    ));
    text.push_str(&format!("Zero ablation loss:  {:.4}\n", loss.zero_ablation));
    if let Some(quality) = &report.reconstruction_quality {
        text.push_str(&format!(
            "Explained variance:  {:.4}\n",
            quality.explained_variance
        ));
    }
    text.push_str(&format!("\n{}\n", report.prompt.text()));
    for warning in &report.warnings {
        text.push_str(&format!("Look out: {warning}\n"));
    }
    text.push_str(&format!("Conventions: {}.\n", report.conventions.masking));
    text.push_str(&format!(
        "{:.1} s, {:.0} tokens/s measured. Report: {}\n",
        report.timings.total_s,
        data.tokens as f64 / report.timings.evaluate_s,
        out.join("report.html").display()
    ));
    text
}

fn show(value: Option<usize>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

/// Bars, neighbouring bins joined until they fit.
fn histogram(bins: &Bins) -> String {
    let join = bins.counts.len().div_ceil(LINES).max(1);
    let counts: Vec<u64> = bins.counts.chunks(join).map(|c| c.iter().sum()).collect();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let mut text = String::new();
    for (i, count) in counts.iter().enumerate() {
        let from = bins.edges[i * join];
        let to = bins.edges[((i + 1) * join).min(bins.counts.len())];
        let length = (*count as f64 / most as f64 * WIDTH).ceil() as usize;
        text.push_str(&format!(
            "{from:>7.0} to {to:<7.0} {:<48} {count}\n",
            "█".repeat(length)
        ));
    }
    text
}
