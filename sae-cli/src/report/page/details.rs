//! How it was measured.

use super::text;
use crate::report::Report;
use crate::report::escape::escape;
use anyhow::Result;
use std::fmt::Write;

pub(super) fn section(page: &mut String, report: &Report) -> Result<()> {
    let conventions = &report.conventions;
    let t = &report.timings;
    let rows = [
        ("positions", conventions.masking.clone()),
        ("reconstruction", conventions.reconstruction.to_owned()),
        (
            "explained variance",
            conventions.explained_variance.to_owned(),
        ),
        (
            "computed on",
            format!(
                "{}, {}",
                text(&report.model["device"]),
                text(&report.model["dtype"])
            ),
        ),
        (
            "seconds",
            format!(
                "{:.2} loading the model, {:.2} the SAE, {:.2} tokenising, {:.2} measuring, {:.2} the prompt",
                t.load_model_s, t.load_sae_s, t.tokenize_s, t.evaluate_s, t.prompt_s
            ),
        ),
        (
            "versions",
            format!("sae {}, burn {}", report.versions.sae, report.versions.burn),
        ),
    ];
    page.push_str("<section><h2>How this was measured</h2>\n<dl class=\"pairs\">\n");
    for (name, value) in rows {
        writeln!(page, "<dt>{name}</dt><dd>{}</dd>", escape(&value))?;
    }
    page.push_str(
        "</dl>\n<details>\n<summary>The SAE's configuration</summary>\n<dl class=\"pairs\">\n",
    );
    for (key, value) in report.sae.as_object().into_iter().flatten() {
        writeln!(
            page,
            "<dt class=\"mono\">{}</dt><dd>{}</dd>",
            escape(key),
            escape(&text(value))
        )?;
    }
    page.push_str("</dl>\n</details>\n</section>\n");
    Ok(())
}
