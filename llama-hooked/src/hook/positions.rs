//! A slice of positions, with Python's meaning.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

/// Positions `start..end` of a sequence as Python slices: negative numbers count from the end, positions outside are cut off.
///
/// As text, `A:B` with either side optional, or a single position `A`: `0:4`, `:-1`, `-1`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Positions {
    /// The first position; from the beginning if `None`.
    pub start: Option<isize>,
    /// One past the last position; to the end if `None`.
    pub end: Option<isize>,
}

impl Positions {
    /// Every position.
    pub const ALL: Self = Self {
        start: None,
        end: None,
    };

    /// The positions meant in a sequence of `n`; empty if there are none.
    pub fn resolve(self, n: usize) -> Range<usize> {
        let absolute = |position: isize| {
            let magnitude = position.unsigned_abs();
            if position < 0 {
                n.saturating_sub(magnitude)
            } else {
                magnitude.min(n)
            }
        };
        let start = self.start.map_or(0, absolute);
        start..self.end.map_or(n, absolute).max(start)
    }

    /// One position; −1 is the last.
    pub fn one(position: isize) -> Self {
        // The position after the last is the end, not 0.
        Self {
            start: Some(position),
            end: position.checked_add(1).filter(|&end| end != 0),
        }
    }
}

impl fmt::Display for Positions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = |side: Option<isize>| side.map_or_else(String::new, |side| side.to_string());
        write!(f, "{}:{}", side(self.start), side(self.end))
    }
}

/// Text that is not a slice of positions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a range of positions; write A:B, A:, :B or A, where negative numbers count from the end"
)]
#[non_exhaustive]
pub struct ParsePositionsError {
    text: String,
}

impl FromStr for Positions {
    type Err = ParsePositionsError;

    fn from_str(text: &str) -> Result<Self, ParsePositionsError> {
        let fail = || ParsePositionsError {
            text: text.to_owned(),
        };
        let number = |side: &str| side.parse::<isize>().map_err(|_| fail());
        let side = |side: &str| {
            if side.is_empty() {
                Ok(None)
            } else {
                number(side).map(Some)
            }
        };
        match text.trim().split_once(':') {
            Some((start, end)) => Ok(Self {
                start: side(start)?,
                end: side(end)?,
            }),
            None => number(text.trim()).map(Self::one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Positions;

    #[test]
    fn slices_as_python_does() {
        // text, n, what `list(range(n))[A:B]` spans
        let cases = [
            (":", 5, 0..5),
            ("1:3", 5, 1..3),
            ("-2:", 5, 3..5),
            (":-1", 5, 0..4),
            ("-100:2", 5, 0..2),
            ("3:100", 5, 3..5),
            ("4:2", 5, 4..4),
            ("0", 5, 0..1),
            ("-1", 5, 4..5),
            ("7", 5, 5..5),
        ];
        for (text, n, expected) in cases {
            assert_eq!(
                text.parse::<Positions>().unwrap().resolve(n),
                expected,
                "{text} of {n}"
            );
        }
    }

    #[test]
    fn other_text_is_refused() {
        let message = "1-3".parse::<Positions>().unwrap_err().to_string();
        assert_eq!(
            message,
            r#""1-3" is not a range of positions; write A:B, A:, :B or A, where negative numbers count from the end"#
        );
        assert!("a:b".parse::<Positions>().is_err());
        assert!("".parse::<Positions>().is_err());
    }
}
