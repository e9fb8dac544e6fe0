//! Which prompts are in which set.

use crate::error::GroupsError;
use serde::{Deserialize, Serialize};

/// One of the two sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Set {
    /// The first set: the one that positive effects are of.
    A,
    /// The second.
    B,
}

/// Which prompts are in which set: those of `a` come first, then those of `b`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Groups {
    n_a: usize,
    n_b: usize,
    paired: bool,
}

impl Groups {
    /// Two sets that have nothing to do with each other.
    ///
    /// # Errors
    /// If one is empty.
    pub fn independent(n_a: usize, n_b: usize) -> Result<Self, GroupsError> {
        match (n_a, n_b) {
            (0, _) => Err(GroupsError::Empty('a')),
            (_, 0) => Err(GroupsError::Empty('b')),
            _ => Ok(Self {
                n_a,
                n_b,
                paired: false,
            }),
        }
    }

    /// `n` pairs: prompt `i` of `a` belongs to prompt `i` of `b`.
    ///
    /// # Errors
    /// If there are none.
    pub fn pairs(n: usize) -> Result<Self, GroupsError> {
        Ok(Self {
            paired: true,
            ..Self::independent(n, n)?
        })
    }

    /// Prompts in `a`.
    pub fn n_a(&self) -> usize {
        self.n_a
    }

    /// Prompts in `b`.
    pub fn n_b(&self) -> usize {
        self.n_b
    }

    /// Prompts in all.
    pub fn n(&self) -> usize {
        self.n_a + self.n_b
    }

    /// Whether prompts of the two sets belong together.
    pub fn paired(&self) -> bool {
        self.paired
    }

    /// The set of a prompt.
    pub fn set(&self, prompt: usize) -> Set {
        if prompt < self.n_a { Set::A } else { Set::B }
    }
}
