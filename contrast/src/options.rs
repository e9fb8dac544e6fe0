//! How sets are contrasted.

/// Settings of a contrast.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContrastOptions {
    /// Permutations of the labels, or flips of the signs of pairs, for `p_permutation`; 0 for none. 1000 by default: the least p is then 1/1001.
    pub permutations: usize,
    /// What the permutations are drawn from.
    pub seed: u64,
    /// Features that are not zero in fewer prompts are described and not tested, so that they do not weaken the correction for many tests. 5 by default.
    pub min_fired: usize,
}

impl Default for ContrastOptions {
    fn default() -> Self {
        Self {
            permutations: 1000,
            seed: 0,
            min_fired: 5,
        }
    }
}
