//! Which positions are steered.

use super::SteeringError;
use llama_hooked::{Positions, RowPlace};

/// The positions that are steered: those that pass every condition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// Absolute positions, counted from 0 at the beginning of each row's text. Never from the end: it is not known while text is generated.
    pub positions: Positions,
    /// The prompt, what comes after it, or both.
    pub part: Part,
    /// Whether special tokens (BOS, marks of a chat template) are steered like others.
    pub special_tokens: bool,
}

/// A part of the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// The prompt.
    Prompt,
    /// What is generated after it.
    Generated,
}

impl Window {
    /// # Errors
    /// If positions count from the end.
    pub(super) fn checked(self) -> Result<Self, SteeringError> {
        let Positions { start, end } = self.positions;
        if [start, end].into_iter().flatten().any(isize::is_negative) {
            return Err(SteeringError::FromTheEnd(self.positions));
        }
        Ok(self)
    }

    /// Whether every position passes, whatever its token.
    pub(super) fn is_everywhere(self) -> bool {
        self.positions == Positions::ALL && self.part == Part::All
    }

    /// Whether a position passes, its token left aside.
    fn has(self, position: usize, in_prompt: bool) -> bool {
        let Positions { start, end } = self.positions;
        let position = position.cast_signed();
        let in_part = match self.part {
            Part::All => true,
            Part::Prompt => in_prompt,
            Part::Generated => !in_prompt,
        };
        in_part
            && start.is_none_or(|start| position >= start)
            && end.is_none_or(|end| position < end)
    }
}

/// What the columns of a pass are: where each row is, and its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Columns {
    /// Each row, or one for all.
    pub(super) rows: Vec<RowPlace>,
    /// Row after row; empty where they are not known.
    pub(super) ids: Vec<u32>,
}

impl Columns {
    /// A row of the batch.
    pub(super) fn row(&self, row: usize) -> RowPlace {
        if let Some(&place) = self.rows.get(row) {
            return place;
        }
        let mut place = self.rows[0];
        (place.id, place.began) = (row, row);
        place
    }

    /// The rows of `[b, p]` that are steered; `None` for all of them. `prompts` are the lengths of prompts, one for all rows or one for each;
    /// where there are none, the prompt is what a row begins with.
    pub(super) fn chosen(
        &self,
        [b, p]: [usize; 2],
        window: Window,
        special: &[u32],
        prompts: &[usize],
    ) -> Option<Vec<usize>> {
        let is_chosen = |at: &usize| {
            let row = self.row(at / p);
            let Some(position) = row.position(at % p) else {
                return false;
            };
            let in_prompt = match prompts {
                [] => row.before == 0,
                [all] => position < *all,
                each => each.get(row.began).is_some_and(|n| position < *n),
            };
            let id = self.ids.get(*at);
            let is_special = id.is_some_and(|id| special.binary_search(id).is_ok());
            (window.special_tokens || !is_special) && window.has(position, in_prompt)
        };
        let chosen: Vec<usize> = (0..b * p).filter(is_chosen).collect();
        (chosen.len() < b * p).then_some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use super::{Columns, Part, RowPlace, Window};

    fn row(began: usize, before: usize, padding: usize) -> RowPlace {
        let mut row = RowPlace::default();
        (row.id, row.began, row.before, row.padding) = (began, began, before, padding);
        row
    }

    #[test]
    fn positions_are_absolute_padding_and_special_tokens_are_left_out() {
        // Two rows of three columns, the first padded by one on the left.
        let columns = Columns {
            rows: vec![row(0, 0, 1), row(1, 0, 0)],
            ids: vec![0, 1, 7, 1, 8, 9],
        };
        let chosen = |window: Window| columns.chosen([2, 3], window, &[1, 5], &[1, 2]);
        assert_eq!(chosen(Window::default()), Some(vec![2, 4, 5]));
        let mut window = Window {
            special_tokens: true,
            ..Window::default()
        };
        assert_eq!(chosen(window), Some(vec![1, 2, 3, 4, 5]));
        window.part = Part::Generated;
        assert_eq!(chosen(window), Some(vec![2, 5]));
        window.part = Part::Prompt;
        window.positions = "0:1".parse().unwrap();
        assert_eq!(chosen(window), Some(vec![1, 3]));
        let all = Columns {
            rows: vec![row(0, 4, 0)],
            ids: vec![7, 8],
        };
        assert_eq!(all.chosen([1, 2], Window::default(), &[1], &[]), None);
    }

    /// Padding behind a prefix that all rows share is at no negative position; and of three rows the middle one has ended.
    #[test]
    fn rows_are_known_by_what_they_began_as() {
        let columns = Columns {
            rows: vec![row(0, 4, 2), row(2, 4, 0)],
            ids: vec![7; 6],
        };
        let of = |part, prompts: &[usize]| {
            let window = Window {
                part,
                ..Window::default()
            };
            columns.chosen([2, 3], window, &[], prompts)
        };
        assert_eq!(of(Part::All, &[]), Some(vec![2, 3, 4, 5]));
        assert_eq!(of(Part::Prompt, &[5, 100, 6]), Some(vec![2, 3, 4]));
        assert_eq!(of(Part::Generated, &[5, 100, 6]), Some(vec![5]));
        // They go on, and so are no prompts where nobody says otherwise.
        assert_eq!(of(Part::Prompt, &[]), Some(vec![]));
    }
}
