//! The columns of the files with every feature.

use super::document::{ContrastReport, ContrastRow, SaeContrast};
use sae_contrast::{FeatureContrast, Top};

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(Option<String>),
    Int(Option<i64>),
    Float(Option<f64>),
}

/// A column: its name, and its value for a feature of an SAE.
pub(super) type Column = (&'static str, fn(&SaeContrast, &ContrastRow) -> Value);

fn text(value: &str) -> Value {
    Value::Text(Some(value.to_owned()))
}

fn int(value: usize) -> Value {
    Value::Int(Some(value as i64))
}

fn float(value: f64) -> Value {
    Value::Float(Some(value))
}

fn of_top(top: Option<Top>, value: fn(Top) -> usize) -> Value {
    Value::Int(top.map(|top| value(top) as i64))
}

fn top_value(top: Option<Top>) -> Value {
    Value::Float(top.map(|top| f64::from(top.value)))
}

/// All of them, in their order.
pub(super) const COLUMNS: [Column; 32] = [
    ("sae", |sae, _| text(&sae.sae)),
    ("layer", |sae, _| Value::Int(sae.layer.map(|n| n as i64))),
    ("feature", |_, row| int(row.stats.feature as usize)),
    ("mean_a", |_, row| float(row.stats.mean_a)),
    ("mean_b", |_, row| float(row.stats.mean_b)),
    ("sd_a", |_, row| Value::Float(row.stats.sd_a)),
    ("sd_b", |_, row| Value::Float(row.stats.sd_b)),
    ("n_fired_a", |_, row| int(row.stats.n_fired_a)),
    ("n_fired_b", |_, row| int(row.stats.n_fired_b)),
    ("freq_a", |_, row| float(row.stats.freq_a)),
    ("freq_b", |_, row| float(row.stats.freq_b)),
    ("freq_difference", |_, row| {
        float(FeatureContrast::freq_difference(&row.stats))
    }),
    ("cohens_d", |_, row| Value::Float(row.stats.cohens_d)),
    ("hedges_g", |_, row| Value::Float(row.stats.hedges_g)),
    ("d_z", |_, row| Value::Float(row.stats.d_z)),
    ("auroc", |_, row| float(row.stats.auroc)),
    ("t", |_, row| Value::Float(row.stats.t)),
    ("df", |_, row| Value::Float(row.stats.df)),
    ("p", |_, row| Value::Float(row.stats.p)),
    ("p_permutation", |_, row| {
        Value::Float(row.stats.p_permutation)
    }),
    ("q", |_, row| Value::Float(row.stats.q)),
    ("q_permutation", |_, row| {
        Value::Float(row.stats.q_permutation)
    }),
    ("top_token_a", |_, row| Value::Text(row.top_token_a.clone())),
    ("top_token_b", |_, row| Value::Text(row.top_token_b.clone())),
    ("top_value_a", |_, row| top_value(row.stats.top_a)),
    ("top_value_b", |_, row| top_value(row.stats.top_b)),
    ("top_prompt_a", |_, row| {
        of_top(row.stats.top_a, |top| top.prompt)
    }),
    ("top_prompt_b", |_, row| {
        of_top(row.stats.top_b, |top| top.prompt)
    }),
    ("top_position_a", |_, row| {
        of_top(row.stats.top_a, |top| top.position as usize)
    }),
    ("top_position_b", |_, row| {
        of_top(row.stats.top_b, |top| top.position as usize)
    }),
    ("hook_name", |sae, _| text(&sae.hook_name)),
    ("d_sae", |sae, _| int(sae.d_sae)),
];

/// Every feature of every SAE.
pub(super) fn rows(report: &ContrastReport) -> impl Iterator<Item = (&SaeContrast, &ContrastRow)> {
    let saes = report.saes.iter();
    saes.flat_map(|sae| sae.rows.iter().map(move |row| (sae, row)))
}
