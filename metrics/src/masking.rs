//! Which positions count.

use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;

/// The convention by which positions are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masking {
    /// SAELens' `evals.py`. A position whose token is in the set counts in nothing, and the SAE leaves the activation there as
    /// it was. A loss at position t counts iff the *source* token, the one at t, is kept. The ablated run zeroes every position,
    /// masked or not. An empty set keeps everything.
    ExcludeTokens(BTreeSet<u32>),
    /// The notebook's. The SAE replaces every position and every loss counts; with a BOS at the head of each row, position 0
    /// is left out of L0 and of the other statistics of the activations.
    Notebook {
        /// Whether rows begin with a BOS token.
        prepend_bos: bool,
    },
}

impl Masking {
    /// Nothing is left out.
    pub fn none() -> Self {
        Self::ExcludeTokens(BTreeSet::new())
    }

    /// Leaves out the positions of these token ids, as SAELens does with the special tokens.
    pub fn exclude(ids: impl IntoIterator<Item = u32>) -> Self {
        Self::ExcludeTokens(ids.into_iter().collect())
    }

    /// Whether the position counts in the statistics of activations and features.
    pub fn in_statistics(&self, position: usize, token: u32) -> bool {
        match self {
            Self::ExcludeTokens(excluded) => !excluded.contains(&token),
            Self::Notebook { prepend_bos } => !(*prepend_bos && position == 0),
        }
    }

    /// Whether the SAE's output replaces the activation here, and the losses here count.
    pub(crate) fn in_losses(&self, token: u32) -> bool {
        match self {
            Self::ExcludeTokens(excluded) => !excluded.contains(&token),
            Self::Notebook { .. } => true,
        }
    }
}

/// One line for a report.
impl fmt::Display for Masking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExcludeTokens(excluded) if excluded.is_empty() => {
                write!(f, "SAELens, no token excluded: every position counts")
            }
            Self::ExcludeTokens(excluded) => {
                let ids = excluded
                    .iter()
                    .map(u32::to_string)
                    .collect::<Vec<_>>()
                    .join(", ");
                write!(
                    f,
                    "SAELens: positions of tokens {ids} are left out and keep their activation; zero ablation sets the activation at the hook to zero at every position"
                )
            }
            Self::Notebook { prepend_bos: true } => {
                write!(
                    f,
                    "notebook: nothing masked in the losses, position 0 (BOS) left out of L0 and the other statistics"
                )
            }
            Self::Notebook { prepend_bos: false } => {
                write!(f, "notebook: nothing masked")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Masking;

    #[test]
    fn the_conventions_differ_at_the_first_position_and_in_the_losses() {
        let saelens = Masking::exclude([128_000, 5]);
        assert!(!saelens.in_statistics(0, 128_000) && !saelens.in_losses(128_000));
        assert!(
            !saelens.in_statistics(9, 5) && saelens.in_statistics(0, 6) && saelens.in_losses(6)
        );
        let notebook = Masking::Notebook { prepend_bos: true };
        assert!(
            !notebook.in_statistics(0, 6)
                && notebook.in_statistics(1, 128_000)
                && notebook.in_losses(128_000)
        );
        assert!(Masking::Notebook { prepend_bos: false }.in_statistics(0, 6));
    }

    #[test]
    fn each_says_what_it_is() {
        let lines = [
            Masking::none(),
            Masking::exclude([9, 2]),
            Masking::Notebook { prepend_bos: true },
        ]
        .map(|m| m.to_string());
        assert_eq!(
            lines,
            [
                "SAELens, no token excluded: every position counts",
                "SAELens: positions of tokens 2, 9 are left out and keep their activation; zero ablation sets the activation at the hook to zero at every position",
                "notebook: nothing masked in the losses, position 0 (BOS) left out of L0 and the other statistics",
            ]
        );
        let json = serde_json::to_string(&Masking::exclude([9, 2])).unwrap();
        assert_eq!(json, r#"{"exclude_tokens":[2,9]}"#);
    }
}
