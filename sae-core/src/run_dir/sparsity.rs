//! How often each feature fired in training, as a run records it.

/// Features that never fired have `log10(0 + 1e-10)`, which is −10; one that fires once in ten billion tokens is told apart. Some files
/// hold −∞ instead.
const DEAD: f32 = -9.99;

/// `log10(firing frequency + 1e-10)` of every feature over the training data, `[d_sae]`, as `sparsity.safetensors` holds it.
///
/// The one place that says what a recorded value means: a feature is dead below −9.99 (−∞ included); a NaN is no measurement, and with one
/// there are no figures, since counting around it would pass for one.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSparsity {
    values: Vec<f32>,
}

impl LogSparsity {
    /// The recorded values.
    pub fn new(values: Vec<f32>) -> Self {
        Self { values }
    }

    /// The recorded values, as they are.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Whether every value is a number: finite, or −∞ for a feature that never fired.
    pub fn is_numeric(&self) -> bool {
        let is_number = |x: &f32| !x.is_nan() && *x != f32::INFINITY;
        !self.values.is_empty() && self.values.iter().all(is_number)
    }

    /// Whether a recorded value says that the feature never fired.
    pub fn is_dead(value: f32) -> bool {
        value < DEAD
    }

    /// The mean, as the notebook prints it; `None` where a value is not finite.
    pub fn mean(&self) -> Option<f64> {
        let values = self.numbers()?;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / values.len() as f64;
        mean.is_finite().then_some(mean)
    }

    /// The share of features that never fired; `None` where a value is not a number.
    pub fn dead_fraction(&self) -> Option<f64> {
        let values = self.numbers()?;
        let dead = values.iter().filter(|&&x| Self::is_dead(x)).count();
        Some(dead as f64 / values.len() as f64)
    }

    /// Features active on a token on average, from the recorded frequencies; `None` where a value is not a number.
    pub fn mean_l0(&self) -> Option<f64> {
        let fires = |&x: &f32| {
            if Self::is_dead(x) {
                0.0
            } else {
                10_f64.powf(f64::from(x))
            }
        };
        Some(self.numbers()?.iter().map(fires).sum())
    }

    fn numbers(&self) -> Option<&[f32]> {
        self.is_numeric().then_some(self.values.as_slice())
    }
}

#[cfg(test)]
mod tests {
    use super::LogSparsity;

    #[test]
    fn features_that_never_fired_are_dead_whatever_the_file_holds_for_them() {
        let recorded = LogSparsity::new(vec![-10.0, f32::NEG_INFINITY, -9.98, -1.0]);
        assert_eq!(recorded.dead_fraction(), Some(0.5));
        assert_eq!(
            recorded.mean(),
            None,
            "JSON has no infinity, and a mean of −∞ says nothing"
        );
        let l0 = recorded.mean_l0().unwrap();
        assert!((l0 - 0.1 - 10_f64.powf(-9.98)).abs() < 1e-12, "{l0}");
        assert_eq!(LogSparsity::new(vec![-1.0, -3.0]).mean(), Some(-2.0));
    }

    #[test]
    fn with_a_nan_there_are_no_figures() {
        for wrong in [f32::NAN, f32::INFINITY] {
            let recorded = LogSparsity::new(vec![-1.0, wrong]);
            assert!(!recorded.is_numeric());
            assert_eq!(recorded.mean(), None);
            assert_eq!(recorded.dead_fraction(), None);
            assert_eq!(recorded.mean_l0(), None);
        }
        assert!(!LogSparsity::new(vec![]).is_numeric());
    }
}
