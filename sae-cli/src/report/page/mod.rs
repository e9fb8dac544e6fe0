//! The report as one page that opens from disk: no network, no library.

mod details;
mod features;
mod links;
mod prompt;

pub(crate) use links::Links;

use super::checks::Verdict;
use super::escape::{escape, json_for_script};
use super::plots::{Plot, STYLE as PLOTS, count, number, percent};
use super::{Report, palette};
use anyhow::{Context, Result};
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub(crate) fn page(report: &Report, plots: &[Plot; 4], links: &Links) -> Result<String> {
    let mut page = String::new();
    write(&mut page, report, plots, links).context("the page cannot be composed")?;
    Ok(page)
}

fn write(page: &mut String, report: &Report, plots: &[Plot; 4], links: &Links) -> Result<()> {
    let hook = text(&report.sae["hook_name"]);
    let model = text(&report.model["name"]);
    write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>SAE at {hook}</title>\n\n\
         <style>\n{colours}{STYLE}{PLOTS}</style>\n</head>\n<body>\n\
         <header class=\"bar\"><b class=\"brand\">SAE report</b><small class=\"mono\">{hook}</small><span class=\"grow\"></span>\
         <button type=\"button\" class=\"quiet\" id=\"theme\">Dark</button></header>\n<main>\n",
        hook = escape(&hook),
        colours = palette::definitions(),
    )?;
    writeln!(
        page,
        "<header><h1>{}</h1>",
        escape(&format!(
            "{} SAE of {model}",
            text(&report.sae["architecture"])
        ))
    )?;
    facts(page, report)?;
    page.push_str("</header>\n");
    for warning in &report.warnings {
        writeln!(
            page,
            "<p class=\"warning\" role=\"alert\"><strong>Look out.</strong> {}</p>",
            escape(warning)
        )?;
    }
    headline(page, report)?;
    figures(page, report, plots)?;
    checks(page, report)?;
    prompt::section(page, &report.prompt)?;
    features::section(page, &report.features, links)?;
    details::section(page, report)?;
    let data = json_for_script(&serde_json::to_string(report)?);
    write!(
        page,
        "</main>\n<div id=\"tooltip\" role=\"tooltip\" hidden></div>\n<div id=\"announce\" class=\"unseen\" aria-live=\"polite\"></div>\n\
         <script type=\"application/json\" id=\"report\">{data}</script>\n<script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )?;
    Ok(())
}

fn facts(page: &mut String, report: &Report) -> Result<()> {
    let (sae, data) = (&report.sae, &report.data);
    let integer = |value: &Value| value.as_u64().map_or_else(|| text(value), count);
    let rows = [
        ("Run", text(&sae["path"])),
        ("Reads", text(&sae["hook_name"])),
        (
            "Dictionary",
            format!(
                "{} features on {} dimensions",
                integer(&sae["d_sae"]),
                integer(&sae["d_in"])
            ),
        ),
        (
            "Text",
            format!(
                "{} rows of {} tokens of {}",
                text(&data["sequences"]),
                text(&data["context_size"]),
                text(&data["dataset"])
            ),
        ),
        ("Counted", report.conventions.masking.clone()),
    ];
    page.push_str("<dl class=\"pairs facts\">");
    for (name, value) in rows {
        write!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&value))?;
    }
    page.push_str("</dl>");
    Ok(())
}

/// The numbers one looks for first.
fn headline(page: &mut String, report: &Report) -> Result<()> {
    let (l0, features) = (&report.l0, &report.features);
    let quality = report.reconstruction_quality.as_ref();
    let share = |n: u64| percent(n as f64 / (report.sae["d_sae"].as_f64().unwrap_or(1.0)), 3);
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
    let figures = [
        (
            "Loss recovered",
            percent(report.loss.recovered, 3),
            "of what zero ablation costs".to_owned(),
        ),
        ("Mean L0", number(l0.mean, 3), nominal),
        (
            "Explained variance",
            quality.map_or_else(|| "—".to_owned(), |q| number(q.explained_variance, 3)),
            "centred".to_owned(),
        ),
        (
            "Dead",
            count(features.n_dead),
            format!("{} never fire here", share(features.n_dead)),
        ),
        (
            "Ultra-dense",
            count(features.n_ultra_dense),
            "fire on over 10 % of tokens".to_owned(),
        ),
    ];
    page.push_str("<dl class=\"figures\">\n");
    for (name, value, note) in figures {
        writeln!(
            page,
            "<div class=\"figure\"><dt>{name}</dt><dd>{value}<small>{}</small></dd></div>",
            escape(&note)
        )?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn figures(
    page: &mut String,
    report: &Report,
    [l0, density, losses, variances]: &[Plot; 4],
) -> Result<()> {
    page.push_str("<div class=\"plots\">\n");
    panel(
        page,
        "Active features per token",
        "L0",
        l0,
        &l0_note(report),
    )?;
    panel(
        page,
        "Feature density",
        "how often each feature fires",
        density,
        &density_note(report),
    )?;
    panel(
        page,
        "Loss",
        "cross-entropy of the next token",
        losses,
        &loss_note(report),
    )?;
    panel(
        page,
        "Explained variance",
        "three definitions in use",
        variances,
        &variance_note(report),
    )?;
    page.push_str("</div>\n");
    Ok(())
}

fn panel(page: &mut String, title: &str, small: &str, plot: &Plot, note: &str) -> Result<()> {
    writeln!(
        page,
        "<section class=\"panel\" id=\"plot-{}\"><h2>{title}<small>{small}</small></h2>\n<figure>{}</figure>\n{note}</section>",
        plot.name,
        plot.inline()
    )?;
    Ok(())
}

fn l0_note(report: &Report) -> String {
    let l0 = &report.l0;
    let extreme = |value: Option<usize>| value.map_or_else(|| "—".to_owned(), |v| count(v as u64));
    let text = format!(
        "{} ± {} (standard deviation), from {} to {}, over {} tokens.",
        number(l0.mean, 4),
        number(l0.std, 3),
        extreme(l0.min),
        extreme(l0.max),
        count(l0.tokens)
    );
    format!("<p>{}</p>", escape(&text))
}

fn density_note(report: &Report) -> String {
    let features = &report.features;
    let median = |value: Option<f64>| value.map_or_else(|| "—".to_owned(), |d| percent(d, 3));
    let mut text = format!(
        "Of the features that fire, half fire on less than {} of the tokens. One rarer than 1 in {} tokens cannot be told from a dead one here.",
        median(features.median_density),
        count(features.tokens)
    );
    if let Some(recorded) = &features.recorded {
        let _ = write!(
            text,
            " The run recorded, over its training data: median {}, {} dead, densities that add up to an L0 of {} (here {}).",
            median(recorded.median_density),
            count(recorded.n_dead),
            number(recorded.l0, 4),
            number(report.l0.mean, 4)
        );
    } else {
        text.push_str(" The run recorded no sparsity of its own.");
    }
    format!("<p>{}</p>", escape(&text))
}

fn loss_note(report: &Report) -> String {
    let loss = &report.loss;
    let text = format!(
        "Original: the model as it is. Reconstruction: the SAE's output in place of the activation, which costs {} nats per token (a perplexity of {} \
         instead of {}). Zero ablation: the activation set to zero, the worst that an SAE should do. Averages over {} predictions.",
        number(loss.reconstruction - loss.original, 3),
        number(loss.reconstruction.exp(), 4),
        number(loss.original.exp(), 4),
        count(loss.tokens)
    );
    let formula = format!(
        "Loss recovered = (zero ablation − reconstruction) / (zero ablation − original) = {}; SAELens calls it ce_loss_score. 100 % is the original \
         model, 0 % the zeroed one.",
        percent(loss.recovered, 4)
    );
    format!("<p>{}</p><p>{}</p>", escape(&text), escape(&formula))
}

fn variance_note(report: &Report) -> String {
    let Some(q) = &report.reconstruction_quality else {
        return String::new();
    };
    let rows = [
        (
            "explained_variance",
            "1 − E‖x−x̂‖² / (E‖x‖² − ‖E x‖²): errors against the spread around the mean, over all tokens at once. SAELens since 6.",
        ),
        (
            "explained_variance_legacy",
            "E[1 − ‖x−x̂‖² / ‖x−E x‖²]: the same token by token, then averaged, so that short activations count as much as long ones. SAELens before.",
        ),
        (
            "explained_variance_uncentered",
            "1 − E‖x−x̂‖² / E‖x‖²: against zero instead of the mean, flattering where the mean is large. Llama Scope.",
        ),
    ];
    let mut html = "<dl class=\"pairs\">".to_owned();
    for (name, what) in rows {
        let _ = write!(
            html,
            "<dt class=\"mono\">{}</dt><dd>{}</dd>",
            name.replace('_', "_<wbr>"),
            escape(what)
        );
    }
    let _ = write!(
        html,
        "<dt class=\"mono\">fvu</dt><dd>{} = 1 − explained_variance</dd><dt class=\"mono\">cossim</dt><dd>{}, the mean cosine of x and x̂</dd></dl>",
        number(q.fvu, 4),
        number(q.cossim, 4)
    );
    html
}

fn checks(page: &mut String, report: &Report) -> Result<()> {
    page.push_str(
        "<section id=\"checks\"><h2>Conventions<small>what the run says, and what was found</small></h2>\n<div class=\"scroll\"><table class=\"checks\">\
         <thead><tr><th></th><th>checked</th><th>the run says</th><th>found</th><th>which means</th></tr></thead><tbody>\n",
    );
    for check in &report.checks {
        let (class, word) = match check.verdict {
            Verdict::Ok => ("ok", "agrees"),
            Verdict::Look => ("look", "look out"),
            Verdict::Unknown => ("unknown", "not recorded"),
        };
        writeln!(
            page,
            "<tr><td class=\"verdict {class}\">{word}</td><th scope=\"row\">{}</th><td>{}</td><td>{}</td><td>{}</td></tr>",
            check.name,
            escape(&check.expected),
            escape(&check.found),
            escape(&check.note)
        )?;
    }
    page.push_str("</tbody></table></div></section>\n");
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
