//! Texts as means over their tokens, of the activation and of its features: what probes are fitted on.

use super::pass::Rows;
use super::reduce::Reducer;
use super::{ContrastError, Contrasting, PromptProgress, PromptTokens, Reduce};
use sae_contrast::Active;
use sae_progress::Observer;

/// A text's means over the tokens that count.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Pooled {
    /// Of the activation at the hook, `[d_in]`.
    pub activation: Vec<f32>,
    /// Of the features that are not zero, in ascending order.
    pub features: Vec<Active>,
}

impl Contrasting<'_> {
    /// The means of each text, for the first SAE.
    ///
    /// # Errors
    /// If the observer stops the work.
    ///
    /// # Panics
    /// If there is no SAE.
    pub fn pooled(
        &self,
        texts: &[PromptTokens],
        observer: &mut impl Observer<PromptProgress>,
    ) -> Result<Vec<Pooled>, ContrastError> {
        let mut job = *self;
        job.keep_means = true;
        let all: Vec<_> = texts.iter().enumerate().collect();
        let mut reducer = Reducer::new(job.d_sae(0));
        let mut pooled = vec![Pooled::default(); texts.len()];
        let mut sink = |rows: Rows<'_>| {
            if rows.sae == 0 {
                pooled[rows.prompt] = Pooled {
                    activation: rows.mean.to_vec(),
                    features: reducer.reduce(
                        Reduce::Mean,
                        rows.features,
                        rows.range,
                        rows.positions,
                    ),
                };
            }
        };
        job.run(&all, &mut sink, observer)?;
        Ok(pooled)
    }
}
