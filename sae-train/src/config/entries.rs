//! What a file says, key by key, wherever in it the key stands.

use super::error::ConfigProblem;
use super::value::{shown, whole};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry::{Occupied, Vacant};

/// Objects whose keys are settings too.
pub(super) const NESTED: [&str; 2] = ["sae", "logger"];

/// Of the SAE and of the run both, with what SAELens fills in for the SAE: the run's is what counts.
const OF_BOTH: [(&str, &str); 2] = [("device", "cpu"), ("dtype", "float32")];

/// A value, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The key as a path, for messages.
    pub(super) name: String,
    pub(super) value: Value,
}

/// By key.
#[derive(Debug, Default)]
pub(super) struct Entries(pub(super) BTreeMap<String, Entry>);

impl Entries {
    /// The keys of a file, those under `sae` and `logger` beside the others. A key may stand in any of them.
    pub(super) fn flatten(
        object: Map<String, Value>,
        warnings: &mut Vec<String>,
    ) -> Result<Self, ConfigProblem> {
        let mut all = Self::default();
        let (nested, flat): (Vec<_>, Vec<_>) = object
            .into_iter()
            .partition(|(key, _)| NESTED.contains(&key.as_str()));
        for (key, value) in flat {
            all.insert(&key, &key, value)?;
        }
        for (group, value) in nested {
            let Value::Object(group_of) = value else {
                return Err(ConfigProblem::Value {
                    key: group,
                    found: shown(&value),
                    expected: "an object with settings".to_owned(),
                });
            };
            for (key, value) in group_of {
                let name = format!("{group}.{key}");
                if let Some(of_run) = all.get(&key)
                    && let Some((_, usual)) = OF_BOTH.iter().find(|(both, _)| *both == key)
                {
                    if value != *of_run && value != *usual {
                        let (found, of_run) = (shown(&value), shown(of_run));
                        warnings.push(format!(
                            "{name} is {found}, which has no effect here: {key} is {of_run}, for the SAE as well"
                        ));
                    }
                } else {
                    all.insert(&key, &name, value)?;
                }
            }
        }
        Ok(all)
    }

    /// Adds a value. `name` is where it stands.
    pub(super) fn insert(
        &mut self,
        key: &str,
        name: &str,
        value: Value,
    ) -> Result<(), ConfigProblem> {
        let (name, value) = (name.to_owned(), whole(value));
        match self.0.entry(key.to_owned()) {
            // Each group has its own notes on what wrote it.
            Occupied(there) if there.get().value == value || key == "metadata" => Ok(()),
            Occupied(there) => Err(ConfigProblem::Twice {
                first: there.get().name.clone(),
                second: name,
            }),
            Vacant(free) => {
                free.insert(Entry { name, value });
                Ok(())
            }
        }
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key).map(|entry| &entry.value)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.0.contains_key(key)
    }

    pub(super) fn take(&mut self, key: &str) -> Option<Entry> {
        self.0.remove(key)
    }

    /// Moves a value to another key, where it keeps the name it had.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> Result<(), ConfigProblem> {
        match self.take(from) {
            Some(entry) => self.insert(to, &entry.name, entry.value),
            None => Ok(()),
        }
    }

    /// Sets a key if it is not there.
    pub(super) fn or_insert(&mut self, key: &str, name: &str, value: impl Into<Value>) {
        if !self.has(key) {
            let (name, value) = (name.to_owned(), value.into());
            self.0.insert(key.to_owned(), Entry { name, value });
        }
    }
}
