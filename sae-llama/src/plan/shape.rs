//! What an SAE needs memory for.

use sae_core::{LogSparsity, RunDir, SaeConfig, SaeLoadError};

/// The size of an SAE.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SaeShape {
    /// Its weights, all together.
    pub n_params: u64,
    /// Width of the activations it reads.
    pub d_in: usize,
    /// The number of features.
    pub d_sae: usize,
    /// Features active on a token, as the configuration or the recorded frequencies have it; `None` where neither says.
    pub active: Option<usize>,
}

impl SaeShape {
    /// An SAE of this configuration with this many weights.
    pub fn new(cfg: &SaeConfig, n_params: u64) -> Self {
        Self {
            n_params,
            d_in: cfg.d_in,
            d_sae: cfg.d_sae,
            active: None,
        }
    }

    /// The SAE of a run, with the L0 that it recorded.
    ///
    /// # Errors
    /// If the header of its weights cannot be read.
    pub fn of(run: &RunDir) -> Result<Self, SaeLoadError> {
        let mut sae = Self::new(&run.cfg, run.n_params()?);
        let recorded = run.log_sparsity.as_ref().and_then(LogSparsity::mean_l0);
        sae.active = recorded.map(|l0| l0.ceil() as usize);
        Ok(sae)
    }
}
