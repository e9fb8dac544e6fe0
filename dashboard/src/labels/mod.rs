//! Labels, notes and stars that people give to features, and the file they are kept in.
//!
//! `docs/formats.md` describes `labels.jsonl`. Files come from anywhere: sizes are bounded before anything is kept, and lines that are no
//! labels are errors with their numbers.

mod error;
mod file;
mod read;
mod rows;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use error::LabelError;
pub use file::LabelFile;

/// Bytes of a label at most: a line of a list shows no more.
pub const LABEL_BYTES: usize = 500;
/// Bytes of a note at most.
pub const NOTE_BYTES: usize = 20_000;

/// What someone has said of a feature. Empty, it takes back what was said before.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// The feature's number.
    pub feature: u32,
    /// What it stands for, in a few words, on one line.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub label: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Whether it is one to come back to.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub star: bool,
}

impl Label {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.label.is_empty() && self.note.is_empty() && !self.star
    }

    /// What is wrong with it, if anything is.
    pub(crate) fn fault(&self, d_sae: u32) -> Option<String> {
        let (label, note) = (self.label.len(), self.note.len());
        if self.feature >= d_sae {
            Some(format!(
                "there is no feature {}: the dictionary has {d_sae}, counted from 0",
                self.feature
            ))
        } else if label > LABEL_BYTES {
            Some(format!(
                "the label has {label} bytes, and {LABEL_BYTES} is the most; put the rest into the note"
            ))
        } else if note > NOTE_BYTES {
            Some(format!(
                "the note has {note} bytes, and {NOTE_BYTES} is the most"
            ))
        } else if self.label.chars().any(char::is_control) {
            Some("a label is one line of text; put more into the note".to_owned())
        } else {
            None
        }
    }
}

/// The SAE that labels are of: numbers of features mean nothing without it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelSubject {
    /// The model's name.
    pub model: String,
    /// The SAE's name or folder.
    pub sae: String,
    /// Where it reads.
    pub hook_name: String,
    /// Width of the dictionary.
    pub d_sae: u32,
}

impl LabelSubject {
    /// The SAE of a dashboard.
    pub fn of(source: &crate::Source, d_sae: u32) -> Self {
        Self {
            model: source.model.clone(),
            sae: source.sae.clone(),
            hook_name: source.hook_name.clone(),
            d_sae,
        }
    }
}

/// Labels by their features; none of them is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(BTreeMap<u32, Label>);

impl Labels {
    /// Of a feature.
    pub fn get(&self, feature: u32) -> Option<&Label> {
        self.0.get(&feature)
    }

    /// Puts a label in place of what was there; an empty one removes it.
    pub fn set(&mut self, label: Label) {
        if label.is_empty() {
            self.0.remove(&label.feature);
        } else {
            self.0.insert(label.feature, label);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, by ascending feature.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.values()
    }

    /// All of them as a list, by ascending feature.
    pub fn into_vec(self) -> Vec<Label> {
        self.0.into_values().collect()
    }
}

#[cfg(test)]
mod tests;
