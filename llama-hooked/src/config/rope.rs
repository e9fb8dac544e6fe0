//! Rotary position embedding: its constants and its frequencies.

use super::error::{Problem, invalid};

/// The constants of rotary position embedding (RoPE).
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// The base of the geometric series of wavelengths (`rope_theta`).
    pub theta: f64,
    /// How frequencies are changed for contexts longer than those first trained on.
    pub scaling: RopeScaling,
}

/// How RoPE frequencies are stretched.
#[derive(Debug, Clone, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    Default,
    /// Llama 3.1's rule: long wavelengths are stretched by `factor`, short ones kept, those between interpolated.
    Llama3 {
        /// The stretch of long wavelengths.
        factor: f64,
        /// Wavelengths above `original_max_position_embeddings / low_freq_factor` are stretched in full.
        low_freq_factor: f64,
        /// Wavelengths below `original_max_position_embeddings / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// The context length before stretching, in tokens.
        original_max_position_embeddings: usize,
    },
}

impl Rope {
    /// The angular frequency of each pair of a head, in radians per position: `d_head / 2` numbers.
    ///
    /// invᵢ = θ^(−2i/d). With [`RopeScaling::Llama3`], for λ = 2π/inv, L the original context: inv/factor where λ > L/low, inv where
    /// λ < L/high, else (1−s)·inv/factor + s·inv with s = (L/λ − low)/(high − low) (Llama 3.1's reference code, as in transformers'
    /// `modeling_rope_utils`).
    ///
    /// Computed in f64 and rounded once to f32, the precision in which the models were trained.
    pub fn inverse_frequencies(&self, d_head: usize) -> Vec<f32> {
        (0..d_head / 2)
            .map(|i| self.theta.powf(-2.0 * i as f64 / d_head as f64))
            .map(|inv| self.scaling.apply(inv) as f32)
            .collect()
    }

    pub(crate) fn check(&self) -> Result<(), Problem> {
        if !(self.theta.is_finite() && self.theta > 1.0) {
            return Err(invalid("rope_theta", self.theta, "a number above 1"));
        }
        let RopeScaling::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } = self.scaling
        else {
            return Ok(());
        };
        if !(factor.is_finite() && factor >= 1.0) {
            return Err(invalid(
                "factor",
                factor,
                "a number of at least 1, for llama3 RoPE",
            ));
        }
        if !(low_freq_factor > 0.0
            && high_freq_factor > low_freq_factor
            && high_freq_factor.is_finite())
        {
            let expected = format!(
                "a number above low_freq_factor, which is {low_freq_factor} and itself above 0"
            );
            return Err(invalid("high_freq_factor", high_freq_factor, expected));
        }
        if original_max_position_embeddings == 0 {
            return Err(invalid(
                "original_max_position_embeddings",
                0,
                "a context length in tokens",
            ));
        }
        Ok(())
    }
}

impl RopeScaling {
    fn apply(&self, inv: f64) -> f64 {
        let Self::Llama3 {
            factor,
            low_freq_factor,
            high_freq_factor,
            original_max_position_embeddings,
        } = *self
        else {
            return inv;
        };
        let wavelength = 2.0 * std::f64::consts::PI / inv;
        let context = original_max_position_embeddings as f64;
        if wavelength > context / low_freq_factor {
            inv / factor
        } else if wavelength < context / high_freq_factor {
            inv
        } else {
            let smooth =
                (context / wavelength - low_freq_factor) / (high_freq_factor - low_freq_factor);
            (1.0 - smooth) * inv / factor + smooth * inv
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rope, RopeScaling};

    const LLAMA_3_2: Rope = Rope {
        theta: 500_000.0,
        scaling: RopeScaling::Llama3 {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_position_embeddings: 8192,
        },
    };

    #[test]
    fn default_frequencies_are_a_geometric_series() {
        let rope = Rope {
            theta: 10_000.0,
            scaling: RopeScaling::Default,
        };
        assert_eq!(rope.inverse_frequencies(8), [1.0, 0.1, 0.01, 0.001]);
    }

    /// What transformers 5.23 computes for Llama 3.2 1B (`tests/goldens/llama.py` prints it): kept, interpolated and stretched pairs.
    #[test]
    fn llama3_frequencies_match_the_reference() {
        let inv = LLAMA_3_2.inverse_frequencies(64);
        let expected = [
            (0, 1.0),
            (12, 0.007_292_665),
            (14, 0.003_211_446),
            (15, 0.001_290_548),
            (16, 0.000_429_556_7),
            (17, 9.708_286e-5),
            (31, 9.418_306e-8),
        ];
        for (pair, value) in expected {
            assert!(
                (inv[pair] - value).abs() <= 1e-6 * value,
                "pair {pair}: {} against {value}",
                inv[pair]
            );
        }
    }
}
