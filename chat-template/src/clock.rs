//! The time that `strftime_now` tells.

use std::fmt::Write;
use std::str::FromStr;

use chrono::{Local, NaiveDate, NaiveDateTime, NaiveTime};

/// A date and a time of day, as `strftime_now` of a template tells them: the clock's, or one that is chosen so that a prompt is the same
/// tomorrow.
///
/// It is read from `2024-07-26` or `2024-07-26T12:30:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(NaiveDateTime);

/// A text that is not a [`Moment`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a date: expected one like 2024-07-26, or 2024-07-26T12:30:00")]
pub struct NoMoment(String);

impl Moment {
    /// What the clock says, in local time, as Python's `datetime.now()`.
    pub fn now() -> Self {
        Self(Local::now().naive_local())
    }

    /// The moment in a format of C's `strftime`, or `None` where the format has a specifier that does not exist.
    pub(crate) fn format(self, format: &str) -> Option<String> {
        let mut text = String::new();
        write!(text, "{}", self.0.format(format)).ok()?;
        Some(text)
    }
}

impl FromStr for Moment {
    type Err = NoMoment;

    fn from_str(text: &str) -> Result<Self, NoMoment> {
        let date = |text: &str| {
            NaiveDate::from_str(text)
                .ok()
                .map(|date| date.and_time(NaiveTime::MIN))
        };
        date(text)
            .or_else(|| NaiveDateTime::from_str(text).ok())
            .map(Self)
            .ok_or_else(|| NoMoment(text.to_owned()))
    }
}
