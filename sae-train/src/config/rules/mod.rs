//! SAELens' keys that are no settings of ours: what of them is without consequence, what is said, and what is refused.

mod table;

use super::entries::{Entries, Entry};
use super::error::ConfigProblem;
use super::value::shown;
use serde_json::{Deserializer, Value};
use table::{Otherwise, PROCESSING, RULES, SCALINGS, SILENT};

/// All keys that [`apply`] knows.
pub(super) fn keys() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|(key, ..)| *key).chain(SILENT)
}

/// Deals with a key that is no setting of ours: says whether it is one of SAELens', and what to tell. `all` is what stands beside it.
pub(super) fn apply(
    key: &str,
    entry: &Entry,
    all: &Entries,
    warnings: &mut Vec<String>,
) -> Result<bool, ConfigProblem> {
    if SILENT.contains(&key) {
        return Ok(true);
    }
    let Some((_, silent, otherwise, why)) = RULES.iter().find(|(k, ..)| *k == key) else {
        return Ok(false);
    };
    let values = Deserializer::from_str(silent).into_iter::<Value>();
    if values.flatten().any(|value| value == entry.value) || follows(key, &entry.value, all) {
        return Ok(true);
    }
    if key == "model_from_pretrained_kwargs" {
        processing(entry)?;
    }
    if *otherwise == Otherwise::Refuse {
        return Err(unsupported(entry, *why));
    }
    let (name, found) = (&entry.name, shown(&entry.value));
    warnings.push(format!(
        "{name} is {found}, which has no effect here: {why}"
    ));
    Ok(true)
}

/// Refuses values of our own settings that SAELens knows and we do not.
pub(super) fn supported(key: &str, entry: &Entry) -> Result<(), ConfigProblem> {
    let word = entry.value.as_str().unwrap_or_default();
    if key == "normalize_activations" && SCALINGS.contains(&word) {
        let instead = "use expected_average_only_in, or none";
        return Err(unsupported(entry, instead));
    }
    Ok(())
}

pub(super) fn unsupported(entry: &Entry, instead: impl Into<String>) -> ConfigProblem {
    ConfigProblem::Unsupported {
        key: entry.name.clone(),
        found: shown(&entry.value),
        instead: instead.into(),
    }
}

/// Whether SAELens itself filled the value in, or has no use for it, given what stands beside it.
fn follows(key: &str, value: &Value, all: &Entries) -> bool {
    let of_wandb = key == "run_name" || key.contains("wandb");
    if of_wandb && all.get("log_to_wandb") == Some(&Value::Bool(false)) {
        return true;
    }
    match key {
        "llm_device" | "act_store_device" => all.get("device") == Some(value),
        "run_name" => value
            .as_str()
            .is_some_and(|name| name.contains("-LR-") && name.contains("-Tokens-")),
        "llm_compilation_mode" => all.get("compile_llm") == Some(&Value::Bool(false)),
        "sae_compilation_mode" => all.get("compile_sae") == Some(&Value::Bool(false)),
        "model_from_pretrained_kwargs" => {
            let kwargs = value.as_object().into_iter().flatten();
            let off = |v: &Value| matches!(v, Value::Null | Value::Bool(false));
            value.is_object() && kwargs.into_iter().all(|(_, v)| off(v))
        }
        _ => false,
    }
}

fn processing(entry: &Entry) -> Result<(), ConfigProblem> {
    let kwargs = entry.value.as_object().into_iter().flatten();
    for (key, value) in kwargs {
        let off = matches!(value, Value::Null | Value::Bool(false));
        if PROCESSING.contains(&key.as_str()) && !off {
            let entry = Entry {
                name: format!("{}.{key}", entry.name),
                value: value.clone(),
            };
            let instead =
                "leave it out; weights are used as they are published, as SAELens does by default";
            return Err(unsupported(&entry, instead));
        }
    }
    Ok(())
}
