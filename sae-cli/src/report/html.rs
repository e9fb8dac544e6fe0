//! The report as one page that opens from disk: no network, no library.

mod chart;
mod escape;
mod prompt;

use super::Report;
use anyhow::{Context, Result};
use escape::{escape, json_for_script};
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The page.
pub(crate) fn html(report: &Report) -> Result<String> {
    let mut page = String::new();
    write(&mut page, report).context("the page cannot be composed")?;
    Ok(page)
}

fn write(page: &mut String, report: &Report) -> Result<()> {
    let hook = text(&report.sae["hook_name"]);
    let title = format!("SAE at {hook}");
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n<p>{subtitle}</p>\n</header>\n<main>\n",
        title = escape(&title),
        subtitle = escape(&subtitle(report)),
    )?;
    for warning in &report.warnings {
        writeln!(
            page,
            "<p class=\"warning\" role=\"alert\"><strong>Look out.</strong> {}</p>",
            escape(warning)
        )?;
    }
    headline(page, report)?;
    losses(page, report)?;
    sparsity(page, report)?;
    prompt::section(page, &report.prompt)?;
    details(page, report)?;
    let data = json_for_script(&serde_json::to_string(report)?);
    write!(
        page,
        "</main>\n<script type=\"application/json\" id=\"report\">{data}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )?;
    Ok(())
}

fn subtitle(report: &Report) -> String {
    let (sae, data) = (&report.sae, &report.data);
    format!(
        "{} SAE, {} features on {} dimensions, of {}. Measured on {} rows of {} tokens of {}.",
        text(&sae["architecture"]),
        text(&sae["d_sae"]),
        text(&sae["d_in"]),
        text(&report.model["name"]),
        text(&data["sequences"]),
        text(&data["context_size"]),
        text(&data["dataset"]),
    )
}

/// The four numbers one looks for first.
fn headline(page: &mut String, report: &Report) -> Result<()> {
    let quality = report.reconstruction_quality.as_ref();
    let tiles = [
        (
            format!("{:.1} %", 100.0 * report.loss.recovered),
            "loss recovered",
            "100 % is the original model, 0 % the hook zeroed",
        ),
        (
            format!("{:.1}", report.l0.mean),
            "features per token (L0)",
            "fewer is sparser",
        ),
        (
            quality.map_or_else(
                || "-".to_owned(),
                |q| format!("{:.3}", q.explained_variance),
            ),
            "explained variance",
            "centred, over the tokens that L0 counts",
        ),
        (
            report.sae["dead_fraction"]
                .as_f64()
                .map_or_else(|| "-".to_owned(), |dead| format!("{:.1} %", 100.0 * dead)),
            "dead features",
            "never active while the run recorded its sparsity",
        ),
    ];
    page.push_str("<section class=\"tiles\">\n");
    for (value, name, hint) in tiles {
        writeln!(
            page,
            "<div class=\"tile\"><b>{value}</b><span>{name}</span><small>{hint}</small></div>"
        )?;
    }
    page.push_str("</section>\n");
    Ok(())
}

fn losses(page: &mut String, report: &Report) -> Result<()> {
    let loss = &report.loss;
    page.push_str("<section>\n<h2>Loss</h2>\n<p>Cross-entropy of the next token, in nats: the model as it is, with the SAE's output in place of the activation, and with the activation zeroed.</p>\n");
    page.push_str(&chart::loss_bars(&[
        ("original", loss.original),
        ("reconstruction", loss.reconstruction),
        ("zero ablation", loss.zero_ablation),
    ]));
    writeln!(
        page,
        "<p>{}</p>\n</section>",
        escape(&format!(
            "The SAE costs {:+.4} nats per token, a perplexity of {:.2} instead of {:.2}. Of what zeroing the hook destroys, it keeps {:.2} % (averages over {} predictions).",
            loss.reconstruction - loss.original,
            loss.reconstruction.exp(),
            loss.original.exp(),
            100.0 * loss.recovered,
            loss.tokens
        ))
    )?;
    Ok(())
}

fn sparsity(page: &mut String, report: &Report) -> Result<()> {
    let l0 = &report.l0;
    let extreme = |value: Option<usize>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    writeln!(
        page,
        "<section>\n<h2>Active features per token</h2>\n<p>Mean L0: {:.2} ± {:.2}, from {} to {}, over {} tokens.</p>\n{}</section>",
        l0.mean,
        l0.std,
        extreme(l0.min),
        extreme(l0.max),
        l0.tokens,
        chart::histogram(&l0.histogram, l0.mean)
    )?;
    Ok(())
}

fn details(page: &mut String, report: &Report) -> Result<()> {
    let conventions = &report.conventions;
    page.push_str("<section>\n<h2>How this was measured</h2>\n<dl>\n");
    let mut rows = vec![
        ("positions", conventions.masking.clone()),
        ("reconstruction", conventions.reconstruction.to_owned()),
        (
            "explained variance",
            conventions.explained_variance.to_owned(),
        ),
    ];
    if let Some(q) = &report.reconstruction_quality {
        let also = format!(
            "{:.4} uncentred (1 - E|x - x̂|² / E|x|²), {:.4} legacy (mean over tokens), FVU {:.4}, cosine {:.4}",
            q.explained_variance_uncentered, q.explained_variance_legacy, q.fvu, q.cossim
        );
        rows.push(("other variances", also));
    }
    let device = format!(
        "{}, {}",
        text(&report.model["device"]),
        text(&report.model["dtype"])
    );
    rows.push(("computed on", device));
    let t = &report.timings;
    rows.push((
        "seconds",
        format!(
            "{:.2} loading the model, {:.2} the SAE, {:.2} tokenising, {:.2} measuring, {:.2} the prompt",
            t.load_model_s, t.load_sae_s, t.tokenize_s, t.evaluate_s, t.prompt_s
        ),
    ));
    rows.push((
        "versions",
        format!("sae {}, burn {}", report.versions.sae, report.versions.burn),
    ));
    for (name, value) in rows {
        writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&value))?;
    }
    page.push_str("</dl>\n<details>\n<summary>The SAE's configuration</summary>\n<dl>\n");
    for (key, value) in report.sae.as_object().into_iter().flatten() {
        writeln!(
            page,
            "<dt>{}</dt><dd>{}</dd>",
            escape(key),
            escape(&text(value))
        )?;
    }
    page.push_str("</dl>\n</details>\n</section>\n");
    Ok(())
}

/// A JSON value as one would write it by hand.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "not recorded".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
