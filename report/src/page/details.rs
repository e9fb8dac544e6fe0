//! How it was measured.

use crate::escape::visible;
use crate::report::Report;
use maud::{Markup, html};
use serde_json::Value;

pub(super) fn section(report: &Report) -> Markup {
    let (conventions, t) = (&report.conventions, &report.timings);
    let seconds = format!(
        "{:.2} loading the model, {:.2} the SAE, {:.2} tokenising, {:.2} measuring, {:.2} the prompt",
        t.load_model_s, t.load_sae_s, t.tokenize_s, t.evaluate_s, t.prompt_s
    );
    html! {
        section {
            h2 { "How this was measured" }
            dl.pairs {
                dt { "positions" } dd { (conventions.masking) }
                dt { "reconstruction" } dd { (conventions.reconstruction) }
                dt { "explained variance" } dd { (conventions.explained_variance) }
                dt { "computed on" } dd { (report.model.device) ", " (report.model.dtype) }
                dt { "seconds" } dd { (seconds) }
                dt { "versions" } dd { "sae " (report.versions.sae) ", burn " (report.versions.burn) }
            }
            details {
                summary { "The SAE's configuration" }
                dl.pairs {
                    @for (key, value) in report.sae.entries() {
                        dt.mono { (key) } dd { (visible(&text(&value))) }
                    }
                }
            }
        }
    }
}

/// A JSON value as one would write it by hand.
fn text(value: &Value) -> String {
    match value {
        Value::Null => "not recorded".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
