//! What goes into a step and what comes out.

/// A batch and what a step must know of the ones before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepInput<'a> {
    /// `[rows, d_in]`, scaled.
    pub(crate) x: &'a [f32],
    /// `[rows, d_out]` for a transcoder.
    pub(crate) y: Option<&'a [f32]>,
    pub(crate) rows: usize,
    /// Which features are dead.
    pub(crate) dead: &'a [bool],
    /// Weight of the sparsity loss at this step.
    pub(crate) coefficient: f64,
}

impl StepInput<'_> {
    /// What the reconstruction is compared with.
    pub(crate) fn target(&self) -> &[f32] {
        self.y.unwrap_or(self.x)
    }
}

/// Losses of a step and what was active.
#[derive(Debug, Clone, Default)]
pub(crate) struct StepOutput {
    /// Each loss, by SAELens' name; their sum is the whole.
    pub(crate) losses: Vec<(String, f64)>,
    /// Tokens on which each feature was active.
    pub(crate) fired: Vec<u32>,
    /// The least activation of a batch, for batchtopk's threshold.
    pub(crate) least_active: Option<f32>,
    /// Other figures, by SAELens' name.
    pub(crate) metrics: Vec<(String, f64)>,
}

impl StepOutput {
    pub(crate) fn new(losses: Vec<(String, f64)>, fired: Vec<u32>) -> Self {
        Self {
            losses,
            fired,
            ..Self::default()
        }
    }

    /// The sum of all losses.
    pub(crate) fn loss(&self) -> f64 {
        self.losses.iter().map(|(_, loss)| loss).sum()
    }
}
