//! Which features tell the sets apart most.

use crate::feature::FeatureContrast;
use serde::Serialize;
use std::fmt;

/// What features are ranked by, by its size and whatever its sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RankBy {
    /// Cohen's d.
    #[default]
    CohensD,
    /// `d_z` of pairs.
    DZ,
    /// Welch's t, or the paired one.
    T,
    /// How far the AUROC is from 0.5.
    Auroc,
    /// The difference of the frequencies.
    Frequency,
    /// The difference of the means.
    Mean,
}

impl RankBy {
    /// The figure itself, above zero where there is more in a. None where it is not defined.
    pub fn value(self, of: &FeatureContrast) -> Option<f64> {
        match self {
            Self::CohensD => of.cohens_d,
            Self::DZ => of.d_z,
            Self::T => of.t,
            Self::Auroc => Some(of.auroc - 0.5),
            Self::Frequency => Some(of.freq_difference()),
            Self::Mean => Some(of.difference()),
        }
    }

    /// How strongly a feature tells the sets apart. Infinite where the means differ and nothing varies.
    pub fn strength(self, of: &FeatureContrast) -> f64 {
        match self.value(of) {
            Some(value) => value.abs(),
            None if of.is_constant() => f64::INFINITY,
            None => 0.0,
        }
    }

    /// The name for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::CohensD => "Cohen's d",
            Self::DZ => "d_z of the pairs",
            Self::T => "t",
            Self::Auroc => "AUROC − 0.5",
            Self::Frequency => "Difference of the frequencies",
            Self::Mean => "Difference of the means",
        }
    }

    /// The name in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::CohensD => "cohens_d",
            Self::DZ => "d_z",
            Self::T => "t",
            Self::Auroc => "auroc",
            Self::Frequency => "frequency",
            Self::Mean => "mean",
        }
    }
}

impl fmt::Display for RankBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The features that fire in at least `min_fired` prompts, the strongest first, then the others. Equals, such as all that are infinitely strong, by
/// the difference of their means, then by number. Indices into `features`.
pub fn ranked(features: &[FeatureContrast], by: RankBy, min_fired: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..features.len()).collect();
    let rare = |at: usize| features[at].n_fired() < min_fired;
    order.sort_by(|&x, &y| {
        let strength = |at: usize| by.strength(&features[at]);
        let by_strength = strength(y).total_cmp(&strength(x));
        let difference = |at: usize| features[at].difference().abs();
        let by_difference = difference(y).total_cmp(&difference(x));
        let by_number = features[x].feature.cmp(&features[y].feature);
        rare(x)
            .cmp(&rare(y))
            .then(by_strength)
            .then(by_difference)
            .then(by_number)
    });
    order
}
