//! Texts as a probe sees them: means over their tokens.

use crate::BenchError;

/// Texts of one class and one split. Of each text: the mean of the activation over the tokens that count, the mean of each feature over them, and
/// how many positions did not count for each that did.
#[derive(Debug, Clone, PartialEq)]
pub struct Texts {
    d_model: usize,
    d_sae: usize,
    activations: Vec<f32>,
    starts: Vec<usize>,
    features: Vec<(u32, f32)>,
    left_out: Vec<f32>,
}

impl Texts {
    /// None yet, with activations of this width and this many features.
    pub fn new(d_model: usize, d_sae: usize) -> Self {
        Self {
            d_model,
            d_sae,
            activations: Vec::new(),
            starts: vec![0],
            features: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// Takes in a text. `features` are those that are not zero, each once, in ascending order. `left_out`: positions that did not count, padding up to
    /// the context among them, divided by the tokens that did.
    ///
    /// # Errors
    /// If the activation has another width, a feature is not below `d_sae` or out of order, or a value is not finite.
    pub fn push(
        &mut self,
        activation: &[f32],
        features: impl IntoIterator<Item = (u32, f32)>,
        left_out: f32,
    ) -> Result<(), BenchError> {
        let text = self.len();
        if activation.len() != self.d_model {
            return Err(BenchError::Width {
                text,
                width: activation.len(),
                expected: self.d_model,
            });
        }
        if let Some(&value) = activation.iter().find(|value| !value.is_finite()) {
            return Err(BenchError::NotFinite { text, value });
        }
        let start = self.features.len();
        for (feature, value) in features {
            let before = self.features[start..].last();
            let in_order = before.is_none_or(|(before, _)| *before < feature);
            let error = if !in_order || feature as usize >= self.d_sae {
                Some(BenchError::Feature {
                    text,
                    feature,
                    d_sae: self.d_sae,
                })
            } else if value.is_finite() {
                None
            } else {
                Some(BenchError::NotFinite { text, value })
            };
            if let Some(error) = error {
                self.features.truncate(start);
                return Err(error);
            }
            self.features.push((feature, value));
        }
        self.activations.extend_from_slice(activation);
        self.starts.push(self.features.len());
        self.left_out.push(left_out);
        Ok(())
    }

    /// How many texts.
    pub fn len(&self) -> usize {
        self.left_out.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.left_out.is_empty()
    }

    /// Width of the activations.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// How many features there are.
    pub fn d_sae(&self) -> usize {
        self.d_sae
    }

    /// A text's mean activation, `[d_model]`.
    ///
    /// # Panics
    /// If there is no such text.
    pub fn activation(&self, text: usize) -> &[f32] {
        &self.activations[text * self.d_model..][..self.d_model]
    }

    /// A text's features that are not zero.
    ///
    /// # Panics
    /// If there is no such text.
    pub fn features(&self, text: usize) -> &[(u32, f32)] {
        &self.features[self.starts[text]..self.starts[text + 1]]
    }

    /// Positions that did not count for each that did.
    ///
    /// # Panics
    /// If there is no such text.
    pub fn left_out(&self, text: usize) -> f32 {
        self.left_out[text]
    }
}
