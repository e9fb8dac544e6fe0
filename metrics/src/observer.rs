//! How far an evaluation has come.

/// How far a protocol has come, after each batch. An observer that stops the work gets what was measured until then, which is valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvaluationProgress {
    /// Sequences measured so far.
    pub sequences: u64,
    /// Their tokens, masked ones included.
    pub tokens: u64,
}
