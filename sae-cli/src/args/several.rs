//! Several SAEs in one run of the model.

use super::layers::Layers;

/// Which, and how they share it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct SeveralArgs {
    /// Layers that {layer} in the name of a run stands for: A..B without B, or a list
    #[arg(long, value_name = "A..B|LIST")]
    pub(crate) layers: Option<Layers>,
    /// Of several SAEs, how many are in memory at a time; by default as many as fit. The model runs once for each group
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) sae_at_once: Option<u32>,
    /// Also put all SAEs in place at once, each on what those below have left
    #[arg(long, conflicts_with = "sae_at_once")]
    pub(crate) together: bool,
}

impl SeveralArgs {
    /// How many are in memory at a time, if that is set, and whether all are put in place at once.
    pub(crate) fn how(&self) -> (Option<usize>, bool) {
        (self.sae_at_once.map(|n| n as usize), self.together)
    }
}
