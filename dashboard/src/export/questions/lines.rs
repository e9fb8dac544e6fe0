//! Windows as lines of JSON.

use super::draw::{Drawn, Window, Windows};
use super::{ExportError, Logged};
use crate::export::text::{joined, text};
use crate::page::Vocabulary;
use serde::Serialize;

/// The share of a window's largest activation from which a token is marked.
const MARKED_FROM: f32 = 0.3;

pub(super) struct Lines<'a, V: ?Sized> {
    pub(super) logged: &'a Logged<'a>,
    pub(super) vocabulary: &'a V,
    pub(super) windows: &'a Windows<'a>,
}

/// A line of `examples.jsonl`.
#[derive(Serialize)]
struct ExampleLine<'a> {
    feature: u32,
    text: String,
    quantile: Option<usize>,
    row: u64,
    position: usize,
    max: f32,
    tokens: Vec<std::borrow::Cow<'a, str>>,
    activations: Vec<f32>,
}

/// A line of `questions.jsonl`.
#[derive(Serialize)]
struct QuestionLine<'a> {
    feature: u32,
    kind: &'static str,
    text: String,
    label: bool,
    quantile: Option<usize>,
    row: u64,
    position: usize,
    marked: &'a [u32],
}

impl<V: Vocabulary + ?Sized> Lines<'_, V> {
    pub(super) fn examples(&self, drawn: &Drawn) -> Result<String, ExportError> {
        let mut lines = String::new();
        for window in &drawn.examples {
            let (row, position, ids) = self.tokens(window)?;
            let mut activations = vec![0.0; ids.len()];
            for &(at, value) in &window.fired {
                activations[at as usize] = value;
            }
            push(
                &mut lines,
                &ExampleLine {
                    feature: drawn.feature,
                    text: joined(self.vocabulary, &ids, &strong(window)),
                    quantile: window.quantile,
                    row,
                    position,
                    max: window.max,
                    tokens: ids.iter().map(|&id| text(self.vocabulary, id)).collect(),
                    activations,
                },
            );
        }
        Ok(lines)
    }

    pub(super) fn questions(&self, drawn: &Drawn) -> Result<String, ExportError> {
        let mut lines = String::new();
        for (kind, is_marked) in [("detection", false), ("fuzzing", true)] {
            for window in &drawn.asked {
                let (row, position, ids) = self.tokens(window)?;
                let label = !window.fired.is_empty();
                let marked = match (is_marked, label) {
                    (false, _) => Vec::new(),
                    (true, true) => strong(window),
                    (true, false) => {
                        let windows = self.windows;
                        windows.marks(drawn.feature, window.number, drawn.n_marks)
                    }
                };
                push(
                    &mut lines,
                    &QuestionLine {
                        feature: drawn.feature,
                        kind,
                        text: joined(self.vocabulary, &ids, &marked),
                        label,
                        quantile: window.quantile,
                        row,
                        position,
                        marked: &marked,
                    },
                );
            }
        }
        Ok(lines)
    }

    /// The number of a window's context, the position of its first token, and its tokens.
    fn tokens(&self, window: &Window) -> Result<(u64, usize, Vec<u32>), ExportError> {
        let (place, position) = self.windows.start(window.number);
        let ids = self.logged.tokens(place)?;
        let ids = ids[position..][..self.windows.size()].to_vec();
        Ok((self.logged.log.context(place), position, ids))
    }
}

/// The positions on which the feature fires strongly.
fn strong(window: &Window) -> Vec<u32> {
    let least = MARKED_FROM * window.max;
    let fired = window.fired.iter();
    let strong = fired.filter(|&&(_, value)| value >= least);
    strong.map(|&(at, _)| at).collect()
}

fn push(lines: &mut String, line: &impl Serialize) {
    // Numbers and text: this cannot fail.
    lines.push_str(&serde_json::to_string(line).unwrap_or_default());
    lines.push('\n');
}
