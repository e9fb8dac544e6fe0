//! Which features to look at: how often each fires, and how evenly.

use sae_core::LogSparsity;
use sae_metrics::{DensityHistogram, FeatureDensity, FeatureStrength};
use serde::Serialize;

/// Features that fire on a larger share of the tokens say little about any of them.
pub(crate) const ULTRA_DENSE: f64 = 0.1;
/// Features of moderate density fire on no larger share of the tokens …
pub(crate) const MODERATE: f64 = 0.01;
/// … and on no fewer tokens than this, below which the mean of the activations is a matter of luck.
pub(crate) const FEWEST: u64 = 10;
/// Features in a list.
const LISTED: usize = 5;

/// The dictionary's features, as the text finds them.
#[derive(Debug, Serialize)]
pub struct Features {
    /// Tokens they were seen on.
    pub tokens: u64,
    /// Features that never fire.
    pub n_dead: u64,
    /// Features that fire on more than a tenth of the tokens.
    pub n_ultra_dense: u64,
    /// Of the features that fire.
    pub median_density: Option<f64>,
    /// Features by the decimal logarithm of their density.
    pub log10_density_histogram: DensityHistogram,
    /// What the run says about its training data.
    pub recorded: Option<Recorded>,
    /// Numbers and ranges, as `sae dashboard --features` takes them.
    pub dead: String,
    /// As `dead`.
    pub ultra_dense: String,
    /// Of moderate density, the greatest max / mean first.
    pub peaked: Vec<Named>,
    /// Of moderate density, the smallest max / mean first.
    pub flat: Vec<Named>,
    /// The densest first.
    pub densest: Vec<Named>,
}

/// One feature.
#[derive(Debug, Clone, Serialize)]
pub struct Named {
    /// Its index.
    pub feature: usize,
    /// Share of the tokens on which it fires.
    pub density: f64,
    /// Its largest activation, by magnitude.
    pub max: f64,
    /// Its mean activation where it fires.
    pub mean: f64,
}

/// `sparsity.safetensors`.
#[derive(Debug, Serialize)]
pub struct Recorded {
    /// The sum of the densities, which is the mean L0.
    pub l0: f64,
    /// Features that never fired.
    pub n_dead: u64,
    /// Of the features that fired.
    pub median_density: Option<f64>,
    /// Features by the decimal logarithm of their density.
    pub log10_density_histogram: DensityHistogram,
}

impl Named {
    fn peak(&self) -> f64 {
        self.max / self.mean
    }
}

impl Features {
    /// From the measurements and the run's record.
    pub fn new(
        density: &FeatureDensity,
        strength: &FeatureStrength,
        recorded: Option<Recorded>,
    ) -> Self {
        let (tokens, active) = (density.tokens(), density.active_tokens());
        let densities = density.density();
        let named = |feature: usize| Named {
            feature,
            density: densities[feature],
            max: f64::from(strength.max()[feature]),
            mean: strength.sum()[feature] / active[feature] as f64,
        };
        let those = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
            (0..active.len()).filter(|&f| wanted(f)).collect()
        };
        let dead = those(&|f| active[f] == 0);
        let ultra_dense = those(&|f| densities[f] > ULTRA_DENSE);
        let moderate = those(&|f| active[f] >= FEWEST && densities[f] <= MODERATE);
        let mut moderate: Vec<Named> = moderate
            .into_iter()
            .map(named)
            .filter(|f| f.peak().is_finite())
            .collect();
        moderate.sort_by(|a, b| {
            b.peak()
                .total_cmp(&a.peak())
                .then(a.feature.cmp(&b.feature))
        });
        let peaked: Vec<Named> = moderate.iter().take(LISTED).cloned().collect();
        // With few of them, none is called both.
        let rest = moderate.split_off(peaked.len());
        let flat = rest.into_iter().rev().take(LISTED).collect();
        let mut densest: Vec<Named> = ultra_dense.iter().map(|&f| named(f)).collect();
        densest.sort_by(|a, b| {
            b.density
                .total_cmp(&a.density)
                .then(a.feature.cmp(&b.feature))
        });
        densest.truncate(LISTED);
        Self {
            tokens,
            n_dead: dead.len() as u64,
            n_ultra_dense: ultra_dense.len() as u64,
            median_density: median(densities.iter().copied()),
            log10_density_histogram: density.log10_histogram(),
            recorded,
            dead: ranges(&dead),
            ultra_dense: ranges(&ultra_dense),
            peaked,
            flat,
            densest,
        }
    }
}

impl Recorded {
    /// From what a run recorded; `None` if that is not made of numbers.
    pub fn new(recorded: &LogSparsity) -> Option<Self> {
        if !recorded.is_numeric() {
            return None;
        }
        let density = |&x: &f32| {
            if LogSparsity::is_dead(x) {
                0.0
            } else {
                10_f64.powf(f64::from(x)).min(1.0)
            }
        };
        let densities = || recorded.values().iter().map(density);
        let log10_density_histogram = DensityHistogram::of(densities());
        Some(Self {
            l0: densities().sum(),
            n_dead: log10_density_histogram.dead,
            median_density: median(densities()),
            log10_density_histogram,
        })
    }
}

/// The lower median of those that are not zero.
fn median(densities: impl Iterator<Item = f64>) -> Option<f64> {
    let mut alive: Vec<f64> = densities.filter(|&d| d > 0.0).collect();
    let middle = alive.len().checked_sub(1)? / 2;
    Some(*alive.select_nth_unstable_by(middle, f64::total_cmp).1)
}

/// Ascending numbers as a list with ranges: `0-3,7`.
fn ranges(features: &[usize]) -> String {
    let mut parts: Vec<String> = Vec::new();
    for run in features.chunk_by(|a, b| a + 1 == *b) {
        match run {
            [first, .., last] => parts.push(format!("{first}-{last}")),
            [one] => parts.push(one.to_string()),
            [] => {}
        }
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::{Features, Recorded, ranges};
    use sae_core::LogSparsity;
    use sae_metrics::{FeatureDensity, FeatureStrength};

    #[test]
    fn lists_are_short() {
        assert_eq!(ranges(&[0, 1, 2, 3, 7, 9, 10]), "0-3,7,9-10");
        assert_eq!(ranges(&[]), "");
    }

    #[test]
    fn features_are_told_apart() {
        // 10,000 tokens; feature f of 0..12 fires on 20 of them, with max / mean = f + 1; three others are too rare, too dense, dead.
        let mut density = FeatureDensity::new(15);
        let moderate = (0..12).map(|f| (f, 20));
        density.push_sequence(10_000, moderate.chain([(12, 9), (13, 5000)]));
        let mut strength = FeatureStrength::new(15);
        for feature in 0..12 {
            strength.push(feature, 20.0, feature as f32 + 1.0);
        }
        strength.push(12, 9.0, 900.0);
        strength.push(13, 5000.0, 900.0);
        let features = Features::new(&density, &strength, None);
        let of = |named: &[super::Named]| named.iter().map(|n| n.feature).collect::<Vec<_>>();
        assert_eq!(of(&features.peaked), [11, 10, 9, 8, 7]);
        assert_eq!(of(&features.flat), [0, 1, 2, 3, 4]);
        assert_eq!(of(&features.densest), [13]);
        assert_eq!((&*features.dead, &*features.ultra_dense), ("14", "13"));
        assert_eq!((features.n_dead, features.n_ultra_dense), (1, 1));
        assert_eq!(features.median_density, Some(0.002));
    }

    #[test]
    fn a_record_is_made_of_numbers() {
        let new = |values: &[f32]| Recorded::new(&LogSparsity::new(values.to_vec()));
        let recorded = new(&[-1.0, -2.0, -10.0]).unwrap();
        assert!((recorded.l0 - 0.11).abs() < 1e-9);
        assert_eq!(recorded.n_dead, 1);
        for wrong in [&[f32::NAN, -1.0][..], &[f32::INFINITY], &[]] {
            assert!(new(wrong).is_none());
        }
        let extreme = new(&[5.0, -3e38]).unwrap();
        assert_eq!((extreme.l0, extreme.n_dead), (1.0, 1));
    }
}
