//! Steering as text.

use super::{FeatureEdit, ParseEditError};
use std::fmt;
use std::str::FromStr;

/// Which feature of which SAE is edited, and how: `RUN:FEATURE=EDIT`, or `FEATURE=EDIT` where there is one SAE.
///
/// `RUN` is whatever the caller knows SAEs by: a number, a name, a path. It may hold colons and equals signs itself.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SteerSpec {
    /// The SAE; `None` for the only one.
    pub run: Option<String>,
    /// The feature.
    pub feature: u32,
    /// What is done to it.
    pub edit: FeatureEdit,
}

impl SteerSpec {
    /// From its parts.
    pub fn new(run: Option<String>, feature: u32, edit: FeatureEdit) -> Self {
        Self { run, feature, edit }
    }
}

/// Text that does not say how to steer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseSpecError {
    /// Nothing is set equal to anything.
    #[error(
        "{0:?} is not of the form FEATURE=EDIT or RUN:FEATURE=EDIT, as in 123=add:40 or runs/a:123=ablate"
    )]
    NoEdit(String),
    /// The feature is not a number.
    #[error("{found:?} in {text:?} is not a feature: a whole number from 0")]
    Feature {
        /// The whole.
        text: String,
        /// In the feature's place.
        found: String,
    },
    /// There is a colon and no name before it.
    #[error("{0:?} names no run before the colon; write RUN:FEATURE=EDIT, or FEATURE=EDIT")]
    NoRun(String),
    /// The edit is none.
    #[error("{text:?}: {source}")]
    Edit {
        /// The whole.
        text: String,
        /// What is wrong with it.
        source: ParseEditError,
    },
}

impl FromStr for SteerSpec {
    type Err = ParseSpecError;

    fn from_str(text: &str) -> Result<Self, ParseSpecError> {
        let no_edit = || ParseSpecError::NoEdit(text.to_owned());
        let (place, edit) = text.rsplit_once('=').ok_or_else(no_edit)?;
        let (run, feature) = match place.rsplit_once(':') {
            Some(("", _)) => return Err(ParseSpecError::NoRun(text.to_owned())),
            Some((run, feature)) => (Some(run.to_owned()), feature),
            None => (None, place),
        };
        let feature = feature.parse().map_err(|_| ParseSpecError::Feature {
            text: text.to_owned(),
            found: feature.to_owned(),
        })?;
        let edit = edit.parse().map_err(|source| ParseSpecError::Edit {
            text: text.to_owned(),
            source,
        })?;
        Ok(Self { run, feature, edit })
    }
}

impl fmt::Display for SteerSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(run) = &self.run {
            write!(f, "{run}:")?;
        }
        write!(f, "{}={}", self.feature, self.edit)
    }
}

#[cfg(test)]
mod tests {
    use super::SteerSpec;
    use proptest::prelude::*;

    fn error(text: &str) -> String {
        text.parse::<SteerSpec>().unwrap_err().to_string()
    }

    #[test]
    fn other_text_is_refused() {
        assert_eq!(
            error("12"),
            "\"12\" is not of the form FEATURE=EDIT or RUN:FEATURE=EDIT, as in 123=add:40 or runs/a:123=ablate"
        );
        assert_eq!(
            error("x=add:1"),
            "\"x\" in \"x=add:1\" is not a feature: a whole number from 0"
        );
        assert_eq!(
            error("a:-1=ablate"),
            "\"-1\" in \"a:-1=ablate\" is not a feature: a whole number from 0"
        );
        assert_eq!(
            error(":3=ablate"),
            "\":3=ablate\" names no run before the colon; write RUN:FEATURE=EDIT, or FEATURE=EDIT"
        );
        assert_eq!(error("3=add"), "\"3=add\": add needs a number: add:NUMBER");
    }

    proptest! {
        #[test]
        fn text_and_back(run in proptest::option::of("[a-z0-9@:=/._-]{1,12}"), feature: u32, s in -100.0_f32..100.0) {
            let text = SteerSpec::new(run, feature, super::FeatureEdit::Add(s.into())).to_string();
            let spec: SteerSpec = text.parse().unwrap();
            prop_assert_eq!(spec.to_string(), text);
            prop_assert_eq!(spec.feature, feature);
        }
    }
}
