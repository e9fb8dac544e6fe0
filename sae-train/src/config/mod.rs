//! Configuration files: SAELens' `runner_cfg.json`, the same keys in TOML, and single settings from the command line.

mod entries;
mod error;
mod keys;
mod legacy;
mod put;
mod rules;
mod slice;
mod source;
mod tokens;
mod value;
mod words;
mod write;

pub use error::{ConfigError, ConfigProblem};
pub use keys::RunConfig;
pub use slice::SeqposSlice;
pub use tokens::{ExcludeSpecialTokens, SequenceSeparator};

use entries::Entries;
use serde_json::{Map, Value};
use std::path::Path;
use value::shown;

impl RunConfig {
    /// Reads a file: TOML if its name ends in `.toml`, else JSON. Keys are SAELens' and those of
    /// [`TrainOptions`](crate::TrainOptions), at the top or under `sae` and `logger`; files of SAELens 3 to 5 are read as well.
    /// With the settings come warnings, a line each, of what has no effect here.
    ///
    /// # Errors
    /// If the file cannot be read, has a key that nobody knows, a value of the wrong type, or one that we cannot honour.
    pub fn read(path: impl AsRef<Path>) -> Result<(Self, Vec<String>), ConfigError> {
        let path = path.as_ref();
        let read = source::read(path).and_then(Self::from_object);
        let (config, warnings) = read.map_err(|problem| ConfigError::new(Some(path), problem))?;
        let warnings = warnings.into_iter();
        let warnings = warnings.map(|warning| format!("{}: {warning}", path.display()));
        Ok((config, warnings.collect()))
    }

    fn from_object(object: Map<String, Value>) -> Result<(Self, Vec<String>), ConfigProblem> {
        let (mut config, mut warnings) = (Self::default(), Vec::new());
        let mut entries = Entries::flatten(object, &mut warnings)?;
        not_of_a_finished_sae(&entries)?;
        warnings.extend(legacy::changed_defaults(&entries));
        legacy::translate(&mut entries)?;
        config.put_all(&entries, &mut warnings)?;
        // SAELens writes its default down; as ours it follows lr, which may be changed.
        if config.options.lr_end == Some(config.options.lr / 10.0) {
            config.options.lr_end = None;
            config.given.remove("lr_end");
        }
        Ok((config, warnings))
    }

    /// Sets one key from text, such as `l1_coefficient` from `2.5`: JSON if it is that, else a word. Where
    /// a list is expected, its brackets may be left out: `64,256`. Hyphens stand for underscores, and `none` for no value.
    ///
    /// # Errors
    /// As [`read`](Self::read), and for a key that has no effect here. Nothing is changed then.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), ConfigError> {
        let name = key.trim().replace('-', "_");
        let set = |value: Value| {
            let mut next = self.clone();
            next.set_value(&name, value).map(|()| next)
        };
        let mut next = match serde_json::from_str(value) {
            // A name may look like a number.
            Ok(json) => set(json).or_else(|problem| set(value.into()).map_err(|_| problem)),
            Err(_) => set(value.into()),
        };
        if next.is_err()
            && let Ok(list) = serde_json::from_str(&format!("[{value}]"))
            && let Ok(with_list) = set(list)
        {
            next = Ok(with_list);
        }
        *self = next.map_err(|problem| ConfigError::new(None, problem))?;
        Ok(())
    }

    fn set_value(&mut self, name: &str, value: Value) -> Result<(), ConfigProblem> {
        let key = name
            .strip_prefix("sae.")
            .or_else(|| name.strip_prefix("logger."))
            .unwrap_or(name);
        let mut entries = Entries::default();
        if key == "expansion_factor" {
            if let Some(d_in) = self.d_in {
                entries.insert("d_in", "d_in", d_in.into())?;
            }
        } else if legacy::COMBINED.contains(&key) {
            let text = format!("{name} is read from files of SAELens 5 and older only");
            return Err(ConfigProblem::NoEffect(text));
        }
        entries.insert(key, name, value)?;
        legacy::translate(&mut entries)?;
        let mut warnings = Vec::new();
        self.put_all(&entries, &mut warnings)?;
        let warning = warnings.into_iter().next();
        warning.map_or(Ok(()), |text| Err(ConfigProblem::NoEffect(text)))
    }
}

/// The `cfg.json` of a finished SAE names what it runs as, which may be another architecture than it was trained as.
fn not_of_a_finished_sae(entries: &Entries) -> Result<(), ConfigProblem> {
    let trained = entries
        .get("metadata")
        .and_then(|metadata| metadata.get("training_architecture"));
    match (entries.0.get("architecture"), trained) {
        (Some(entry), Some(trained)) if entry.value != *trained && trained.is_string() => {
            let trained = shown(trained);
            Err(rules::unsupported(
                entry,
                format!(
                    "this is the configuration of a finished SAE, trained as {trained}; give the runner_cfg.json beside it"
                ),
            ))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
