//! Signs that an SAE was put in the wrong place, or in the wrong way.

use crate::nominal::{Nominal, NominalSource};
use sae_core::SaeConfig;
use sae_metrics::Evaluation;

/// The figures that the signs are read from.
#[derive(Debug, Clone)]
pub struct Signs {
    /// Mean losses: the model as it is, with the reconstruction, with zeros.
    original: f64,
    reconstruction: f64,
    zero_ablation: f64,
    /// How many losses were averaged.
    losses: u64,
    fvu: f64,
    l0: f64,
    /// How many tokens L0 and FVU are over.
    tokens: u64,
    d_sae: usize,
    /// The L0 to expect.
    nominal: Option<Nominal>,
    /// Whether rows of text begin with BOS, where they were made here.
    prepend_bos: Option<bool>,
}

impl Signs {
    /// From what was measured, what L0 should be, and whether rows begin with BOS where they were made here.
    pub fn new(
        evaluation: &Evaluation,
        d_sae: usize,
        nominal: Option<Nominal>,
        prepend_bos: Option<bool>,
    ) -> Self {
        let losses = &evaluation.reconstruction.cross_entropy;
        let sparsity = &evaluation.sparsity;
        Self {
            original: losses.original.mean(),
            reconstruction: losses.reconstructed.mean(),
            zero_ablation: losses.ablated.mean(),
            losses: losses.original.n(),
            fvu: sparsity.quality.fvu(),
            l0: sparsity.l0.mean(),
            tokens: sparsity.l0.n(),
            d_sae,
            nominal,
            prepend_bos,
        }
    }

    /// What looks wrong, as a sentence.
    pub fn warnings(&self) -> Vec<String> {
        let mut found = Vec::new();
        if self.losses > 0 && !self.original.is_finite() {
            // All else follows from this.
            found.push(
                "The model's own loss is not a finite number: its weights, or what they make of this text, hold NaN or infinities, and \
                 no figure that depends on them means anything. Was the model saved and copied whole?"
                    .to_owned(),
            );
            return found;
        }
        if self.losses > 0 && !self.reconstruction.is_finite() {
            found.push(
                "The loss with the reconstruction is not a finite number, though the model's own is: the SAE makes NaN or infinities of \
                 these activations. Check the hook, normalize_activations and --dtype."
                    .to_owned(),
            );
        }
        if self.reconstruction > self.zero_ablation {
            found.push(
                "The loss with the reconstruction is worse than with the activation zeroed. The SAE is likely at the wrong hook or of \
                 another model, or its inputs were scaled in training and that factor is not in the file (normalize_activations)."
                    .to_owned(),
            );
        }
        // A single token has no variance to explain.
        if self.tokens > 1 && self.fvu > 1.0 {
            found.push(format!(
                "The reconstruction is further from the activation than a constant would be (FVU {:.2} > 1). Check the hook, the model, \
                 normalize_activations, apply_b_dec_to_input and the activation function in cfg.json.",
                self.fvu
            ));
        }
        if self.l0 > 0.25 * self.d_sae as f64 {
            found.push(format!(
                "{:.0} of {} features are active on an average token. A sparse SAE has far fewer: is the activation function in \
                 cfg.json the one it was trained with?",
                self.l0, self.d_sae
            ));
        }
        if self.l0 == 0.0 {
            found.push("No feature is active on any token. Check the hook, the model and the scaling of the inputs.".to_owned());
        }
        let far = |nominal: &Nominal| self.l0 > 0.0 && nominal.is_far_from(self.l0);
        if let Some(nominal) = self.nominal.filter(far) {
            found.push(far_from(self.l0, nominal));
        }
        if self.prepend_bos == Some(false) {
            found.push(
                "Rows have no BOS, as cfg.json says. Most Llamas predict worse without one."
                    .to_owned(),
            );
        }
        found
    }
}

fn far_from(l0: f64, Nominal { value, source }: Nominal) -> String {
    match source {
        NominalSource::K => format!(
            "L0 is {l0:.1}, but cfg.json says k = {value}: more than half of the k chosen pre-activations are not above zero, which a trained \
             top-k SAE does not do. Check the hook, the model, normalize_activations and apply_b_dec_to_input."
        ),
        NominalSource::Published => format!(
            "L0 is {l0:.1}, but {value} was published for this SAE. Either the text is unlike that of its training (another language, code, \
             no BOS), or the SAE does not see what it was trained on: check the hook, the model and the scaling of the inputs."
        ),
        NominalSource::Recorded => format!(
            "L0 is {l0:.1}, but the run recorded densities (sparsity.safetensors) that add up to {value:.1}. Either the text is unlike that \
             of training (another language, code, no BOS: try some of the training data), or the SAE does not see what it was trained on: \
             check the hook, the model and normalize_activations."
        ),
    }
}

/// Warnings about the place that the configuration gives the SAE.
pub fn of_place(cfg: &SaeConfig) -> Option<String> {
    let read = cfg.metadata.hook_name.as_deref()?;
    let unplaced = cfg.architecture.is_transcoder() && cfg.metadata.hook_name_out.is_none();
    unplaced.then(|| {
        format!(
            "This is a transcoder, and cfg.json names no hook_name_out: its output replaces {read}, which it reads. A transcoder writes \
             elsewhere, one of an MLP at blocks.N.hook_mlp_out: put that into metadata.hook_name_out."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{Nominal, NominalSource, Signs};

    const SOUND: Signs = Signs {
        original: 3.0,
        reconstruction: 3.2,
        zero_ablation: 9.0,
        losses: 10,
        fvu: 0.2,
        l0: 20.0,
        tokens: 10,
        d_sae: 1000,
        nominal: None,
        prepend_bos: Some(true),
    };

    #[test]
    fn l0_is_held_against_what_it_should_be() {
        let nominal = |value, source| Signs {
            nominal: Some(Nominal { value, source }),
            ..SOUND
        };
        for (value, source, said) in [
            (41.0, NominalSource::K, "cfg.json says k = 41"),
            (41.0, NominalSource::Recorded, "add up to 41.0"),
            (9.0, NominalSource::Recorded, "add up to 9.0"),
        ] {
            let found = nominal(value, source).warnings();
            assert_eq!(found.len(), 1);
            assert!(found[0].contains(said), "{found:?}");
        }
        for value in [20.0, 40.0, 10.0, 0.0] {
            let signs = nominal(value, NominalSource::Recorded);
            assert!(signs.warnings().is_empty(), "{value}");
        }
        // That nothing fires is said once.
        let dead = Signs {
            l0: 0.0,
            ..nominal(20.0, NominalSource::K)
        };
        assert_eq!(dead.warnings().len(), 1);
    }

    #[test]
    fn each_sign_is_read() {
        let first = |signs: Signs| signs.warnings().first().cloned().unwrap_or_default();
        assert!(SOUND.warnings().is_empty());
        let nan = f64::NAN;
        let cases = [
            (
                Signs {
                    original: nan,
                    reconstruction: nan,
                    l0: 0.0,
                    ..SOUND
                },
                "The model's own loss is not a finite",
            ),
            (
                Signs {
                    reconstruction: nan,
                    ..SOUND
                },
                "The loss with the reconstruction is not a finite",
            ),
            (
                Signs {
                    reconstruction: 10.0,
                    ..SOUND
                },
                "worse than with the activation zeroed",
            ),
            (Signs { fvu: 1.5, ..SOUND }, "FVU 1.50 > 1"),
            (
                Signs { l0: 300.0, ..SOUND },
                "300 of 1000 features are active",
            ),
            (Signs { l0: 0.0, ..SOUND }, "No feature is active"),
            (
                Signs {
                    prepend_bos: Some(false),
                    ..SOUND
                },
                "Rows have no BOS",
            ),
        ];
        for (signs, said) in cases {
            assert!(first(signs.clone()).contains(said), "{signs:?}");
            assert_eq!(signs.warnings().len(), 1, "{signs:?}");
        }
        // A figure that was not measured is not wrong.
        let unmeasured = Signs {
            original: nan,
            reconstruction: nan,
            zero_ablation: nan,
            losses: 0,
            fvu: 9.0,
            tokens: 1,
            ..SOUND
        };
        assert!(unmeasured.warnings().is_empty());
    }
}
