//! The figures of an evaluation, as a table and as CSV.

use sae_metrics::Metrics;
use serde_json::Value;

/// The plain figures of each group.
fn figures(metrics: &Metrics) -> Vec<(String, Vec<(String, Value)>)> {
    let metrics = serde_json::to_value(metrics).unwrap_or_default();
    let groups = metrics.as_object().into_iter().flatten();
    groups
        .map(|(group, figures)| {
            let plain = figures
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| value.is_number() || value.is_null());
            (
                group.clone(),
                plain
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect(),
            )
        })
        .collect()
}

/// The figures as a table, group by group.
pub fn table(metrics: &Metrics) -> String {
    let mut text = String::new();
    for (group, figures) in figures(metrics) {
        text.push_str(&format!("{group}\n"));
        for (name, value) in figures {
            let value = match value.as_f64() {
                Some(x) if value.is_f64() => format!("{x:.6}"),
                Some(_) => value.to_string(),
                None => "undefined".to_owned(),
            };
            text.push_str(&format!("  {name:38} {value:>16}\n"));
        }
    }
    text
}

/// Group, metric and value of each figure; empty where it is undefined.
pub(crate) fn rows(metrics: &Metrics) -> Vec<[String; 3]> {
    let mut rows = Vec::new();
    for (group, figures) in figures(metrics) {
        for (name, value) in figures {
            let value = if value.is_null() {
                String::new()
            } else {
                value.to_string()
            };
            rows.push([group.clone(), name, value]);
        }
    }
    rows
}

/// The figures as CSV: group, metric, value; empty where a figure is undefined.
pub fn csv(metrics: &Metrics) -> String {
    let mut text = "group,metric,value\n".to_owned();
    for row in rows(metrics) {
        text.push_str(&row.join(","));
        text.push('\n');
    }
    text
}
