//! Settings, one by one, into a [`RunConfig`].

use super::entries::{Entries, Entry, NESTED};
use super::error::ConfigProblem;
use super::keys::{RUN_KEYS, RunConfig};
use super::value::{shown, typed};
use super::{legacy, rules};
use crate::options::TrainOptions;
use serde_json::Value;

/// Below this, a key resembles no other.
const SIMILAR: f64 = 0.6;

/// What must be at least 1.
const COUNTS: [&str; 8] = [
    "d_in",
    "d_out",
    "context_size",
    "store_batch_size_prompts",
    "n_batches_in_buffer",
    "wandb_log_frequency",
    "eval_every_n_wandb_logs",
    "eval_batch_size_prompts",
];

impl RunConfig {
    /// Sets every key that is ours, tells of those that have no effect, and refuses what nobody knows.
    pub(super) fn put_all(
        &mut self,
        entries: &Entries,
        warnings: &mut Vec<String>,
    ) -> Result<(), ConfigProblem> {
        for (key, entry) in &entries.0 {
            rules::supported(key, entry)?;
            if !self.put(key, entry)? && !rules::apply(key, entry, entries, warnings)? {
                return Err(unknown(key, &entry.name));
            }
        }
        Ok(())
    }

    /// Sets a key if it is one of ours, which it says.
    fn put(&mut self, key: &str, entry: &Entry) -> Result<bool, ConfigProblem> {
        let set = self.put_value(key, &entry.name, &entry.value);
        let word = entry.value.as_str().unwrap_or_default();
        if set.is_err() && word.eq_ignore_ascii_case("none") {
            // TOML has no null, nor has the command line.
            return self.put_value(key, &entry.name, &Value::Null).or(set);
        }
        set
    }

    fn put_value(&mut self, key: &str, name: &str, value: &Value) -> Result<bool, ConfigProblem> {
        if let Ok(Value::Object(mut options)) = serde_json::to_value(&self.options)
            && options.contains_key(key)
        {
            options.insert(key.to_owned(), value.clone());
            self.options = typed(name, &Value::Object(options))?;
            self.given.insert(key.to_owned());
            return Ok(true);
        }
        if COUNTS.contains(&key) && value.as_u64() == Some(0) {
            return Err(wrong(name, value, "at least 1"));
        }
        let share = key == "activations_mixing_fraction";
        if share && value.as_f64().is_some_and(|x| !(0.0..=1.0).contains(&x)) {
            return Err(wrong(name, value, "a number from 0 to 1"));
        }
        // None is a choice here, not the lack of one.
        let none = Value::from("none");
        let separator = key == "sequence_separator_token" && value.is_null();
        self.put_run(key, name, if separator { &none } else { value })
    }
}

fn wrong(name: &str, value: &Value, expected: &str) -> ConfigProblem {
    ConfigProblem::Value {
        key: name.to_owned(),
        found: shown(value),
        expected: expected.to_owned(),
    }
}

fn unknown(key: &str, name: &str) -> ConfigProblem {
    let options = serde_json::to_value(TrainOptions::default()).unwrap_or_default();
    let options = options.as_object().into_iter().flatten();
    let fixed = RUN_KEYS.iter().chain(&NESTED).copied();
    let near = fixed
        .chain(legacy::keys())
        .chain(rules::keys())
        .map(str::to_owned)
        .chain(options.map(|(known, _)| known.clone()))
        .map(|known| (strsim::normalized_damerau_levenshtein(key, &known), known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(similarity, _)| *similarity >= SIMILAR);
    ConfigProblem::UnknownKey {
        key: name.to_owned(),
        near: near.map(|(_, known)| known),
    }
}
