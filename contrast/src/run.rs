//! All features at once.

use crate::correction::benjamini_hochberg;
use crate::error::GroupsError;
use crate::feature::FeatureContrast;
use crate::groups::Groups;
use crate::observations::Observations;
use crate::options::ContrastOptions;
use crate::permutation;
use rayon::prelude::*;

/// What tells two sets apart.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Contrast {
    /// A row for each feature that is not zero in some prompt, in ascending order.
    pub features: Vec<FeatureContrast>,
    /// Features that were tested: the M of Benjamini and Hochberg.
    pub n_tested: usize,
}

impl Contrast {
    /// Features with a q of at most `alpha`.
    pub fn n_significant(&self, alpha: f64) -> usize {
        let significant = |f: &&FeatureContrast| f.q.is_some_and(|q| q <= alpha);
        self.features.iter().filter(significant).count()
    }
}

/// Contrasts two sets in every feature, on threads.
///
/// # Errors
/// If there are not as many prompts as the sets have.
pub fn contrast(
    observed: &Observations,
    groups: &Groups,
    options: &ContrastOptions,
) -> Result<Contrast, GroupsError> {
    if observed.n_prompts() != groups.n() {
        return Err(GroupsError::Number {
            found: observed.n_prompts(),
            expected: groups.n(),
        });
    }
    let mut features: Vec<FeatureContrast> = (0..observed.d_sae() as u32)
        .into_par_iter()
        .filter(|&feature| !observed.feature(feature).is_empty())
        .map(|feature| FeatureContrast::new(feature, observed.feature(feature), groups))
        .collect();
    if options.permutations > 0 {
        let p = permutation::p_values(observed, groups, options.permutations, options.seed);
        for of in &mut features {
            of.p_permutation = p[of.feature as usize];
        }
    }
    let tested: Vec<usize> = (0..features.len())
        .filter(|&at| features[at].n_fired() >= options.min_fired && features[at].p.is_some())
        .collect();
    let corrected = |p: &dyn Fn(&FeatureContrast) -> Option<f64>| {
        let p: Option<Vec<f64>> = tested.iter().map(|&at| p(&features[at])).collect();
        p.map(|p| benjamini_hochberg(&p))
    };
    let (q, q_permutation) = (corrected(&|f| f.p), corrected(&|f| f.p_permutation));
    for (of, &at) in tested.iter().enumerate() {
        features[at].q = q.as_ref().map(|q| q[of]);
        features[at].q_permutation = q_permutation.as_ref().map(|q| q[of]);
    }
    Ok(Contrast {
        n_tested: tested.len(),
        features,
    })
}
