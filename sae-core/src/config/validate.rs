//! Whether the values of a configuration go together.

use super::{NormalizeActivations, Problem, SaeConfig, invalid};
use crate::architecture::Architecture;

/// Larger than any dictionary, small enough that products of two dimensions stay far from overflow.
pub(super) const MAX_DIM: usize = 1 << 28;

/// Tokens in a row of training data: more than any model reads.
const MAX_CONTEXT: usize = 1 << 24;

impl SaeConfig {
    /// Whether sizes and settings go together, of a configuration that a format's reader has made.
    pub(crate) fn checked(self) -> Result<Self, Problem> {
        self.validated()
    }

    pub(super) fn validated(self) -> Result<Self, Problem> {
        for (key, value) in [
            ("d_in", self.d_in),
            ("d_sae", self.d_sae),
            ("d_out", self.d_out),
        ] {
            if value == 0 || value > MAX_DIM {
                return Err(invalid(key, value, format!("1 to {MAX_DIM}")));
            }
        }
        if let Some(n) = self.metadata.context_size
            && (n == 0 || n > MAX_CONTEXT)
        {
            return Err(invalid(
                "context_size",
                n,
                format!("1 to {MAX_CONTEXT} tokens"),
            ));
        }
        if self.architecture.is_transcoder() && self.apply_b_dec_to_input {
            return Err(invalid(
                "apply_b_dec_to_input",
                true,
                "false, as b_dec of a transcoder belongs to its output",
            ));
        }
        let temporal = matches!(self.architecture, Architecture::Temporal(_));
        if self.normalize_activations == NormalizeActivations::ConstantScalarRescale && !temporal {
            return Err(invalid(
                "normalize_activations",
                "constant_scalar_rescale",
                "another scaling: this one is for temporal SAEs",
            ));
        }
        match &self.architecture {
            Architecture::TopK(topk) | Architecture::AbsTopK(topk)
                if topk.k == 0 || topk.k > self.d_sae =>
            {
                Err(invalid("k", topk.k, format!("1 to d_sae ({})", self.d_sae)))
            }
            Architecture::TopKTranscoder(t) if t.k == 0 || t.k > self.d_sae => {
                Err(invalid("k", t.k, format!("1 to d_sae ({})", self.d_sae)))
            }
            Architecture::TopKTranscoder(t) if t.grouped => self.validate_groups(t.k),
            Architecture::GroupMax(g) => self.validate_groups(g.k),
            Architecture::Temporal(t) => self.validate_temporal(*t),
            _ => Ok(()),
        }?;
        Ok(self)
    }

    fn validate_groups(&self, k: usize) -> Result<(), Problem> {
        if k == 0 || !self.d_sae.is_multiple_of(k) {
            return Err(invalid(
                "k",
                k,
                format!("a divisor of d_sae ({})", self.d_sae),
            ));
        }
        Ok(())
    }

    fn validate_temporal(&self, t: crate::Temporal) -> Result<(), Problem> {
        let unit = t.n_heads.saturating_mul(t.bottleneck_factor);
        if unit == 0 || !self.d_sae.is_multiple_of(unit) {
            let expected = "n_heads · bottleneck_factor to divide d_sae";
            let found = format!(
                "{} with bottleneck_factor {} and d_sae {}",
                t.n_heads, t.bottleneck_factor, self.d_sae
            );
            return Err(invalid("n_heads", found, expected));
        }
        if t.n_attn_layers > 1024 {
            return Err(invalid("n_attn_layers", t.n_attn_layers, "at most 1024"));
        }
        if let Some(k) = t.k
            && k > self.d_sae
        {
            return Err(invalid(
                "kval_topk",
                k,
                format!("at most d_sae ({})", self.d_sae),
            ));
        }
        if !(t.activation_normalization_factor.is_finite()
            && t.activation_normalization_factor > 0.0)
        {
            let found = t.activation_normalization_factor;
            return Err(invalid(
                "activation_normalization_factor",
                found,
                "a positive number",
            ));
        }
        Ok(())
    }
}
