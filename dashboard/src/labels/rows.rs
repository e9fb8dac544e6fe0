//! The lines of a file of labels.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::{Label, LabelSubject};

/// The first line of a file that was written here.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    pub(super) labels_of: LabelSubject,
}

/// Of a row of Neuronpedia's `explanations/batch-N.jsonl.gz`, the part that is used.
#[derive(Debug, Deserialize)]
pub(super) struct ExplanationRow<'a> {
    #[serde(borrow)]
    index: Number<'a>,
    #[serde(borrow)]
    pub(super) description: Option<Cow<'a, str>>,
}

/// A number, which Neuronpedia writes as text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number<'a> {
    Number(u32),
    Text(#[serde(borrow)] Cow<'a, str>),
}

impl ExplanationRow<'_> {
    pub(super) fn feature(&self) -> Option<u32> {
        match &self.index {
            Number::Number(index) => Some(*index),
            Number::Text(text) => text.parse().ok(),
        }
    }
}

/// A line, by its keys.
#[derive(Debug)]
pub(super) enum Row {
    Head(LabelSubject),
    Label(Label),
    /// A feature and words about it.
    Explanation(u32, String),
}

impl Row {
    /// What a line says, or what is wrong with it.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        /// Which keys there are.
        #[derive(Deserialize)]
        struct Keys {
            labels_of: Option<serde::de::IgnoredAny>,
            feature: Option<serde::de::IgnoredAny>,
            index: Option<serde::de::IgnoredAny>,
        }
        let wrong = |error: serde_json::Error| format!("is not a label: {error}");
        let keys: Keys = serde_json::from_str(line).map_err(wrong)?;
        if keys.labels_of.is_some() {
            let head: Head = serde_json::from_str(line).map_err(wrong)?;
            return Ok(Self::Head(head.labels_of));
        }
        if keys.feature.is_some() || keys.index.is_none() {
            return serde_json::from_str(line).map(Self::Label).map_err(wrong);
        }
        let row: ExplanationRow<'_> = serde_json::from_str(line).map_err(wrong)?;
        let feature = row
            .feature()
            .ok_or("is not an explanation: its index is not the number of a feature")?;
        let text = row.description.unwrap_or_default().trim().to_owned();
        Ok(Self::Explanation(feature, text))
    }
}
