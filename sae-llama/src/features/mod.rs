//! Features of one text: which ones fire on each token, and the effect of each on the next one.

mod difference;
mod effects;

use crate::SplitLlama;
use burn::tensor::{FloatDType, Int, Tensor, TensorData};
pub use difference::{FeatureDifference, Peak, most_different};
use effects::Effects;
use llama_hooked::NoHooks;
use llama_hooked::generate::likeliest;
use sae_core::{Active, EncodedSparse, Sae};
use sae_traits::{SparseRows, SplitModel};

/// Features that are listed of a token unless told otherwise.
const STRONGEST: usize = 20;

/// A model with an SAE in place, to be asked of texts.
#[derive(Debug, Clone)]
pub struct TextFeatures {
    split: SplitLlama,
    sae: Sae,
}

/// What to find out about a text.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FeatureOptions {
    /// Features listed of each token at most, the strongest.
    pub strongest: usize,
    /// Whether to measure direct effects.
    pub direct: bool,
    /// The token whose features' exact effects are measured, by its place.
    pub exact: Option<usize>,
    /// Tokens that may come next, the likeliest, listed at most.
    pub next: usize,
}

impl Default for FeatureOptions {
    /// The 20 strongest features of each token, without effects.
    fn default() -> Self {
        Self {
            strongest: STRONGEST,
            direct: false,
            exact: None,
            next: 0,
        }
    }
}

/// A text that cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// There is nothing to run.
    #[error("the text has no tokens")]
    Empty,
    /// A token beyond the vocabulary.
    #[error(
        "token {id} is outside the model's vocabulary ({vocab_size}): the tokenizer is another model's"
    )]
    UnknownToken {
        /// Its id.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
    /// The token whose effects are asked for does not exist.
    #[error("exact must be the place of a token, 0 to {last}, and is {place}")]
    NoSuchToken {
        /// The place asked for.
        place: usize,
        /// The last there is.
        last: usize,
    },
}

/// A feature of a token.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FeatureOfToken {
    /// Its index.
    pub feature: u32,
    /// Its activation.
    pub value: f32,
    /// The change in the loss of the next token, in nats, when only the feature's own write is taken away from the final residual.
    pub direct: Option<f32>,
    /// The change when the layers above the SAE run without the feature.
    pub exact: Option<f32>,
}

/// The features of a text.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FeaturesOfText {
    /// Of each token, the strongest first.
    pub tokens: Vec<Vec<FeatureOfToken>>,
    /// The likeliest token after the text; `None` if no logit is a number.
    pub next_token: Option<u32>,
    /// The likeliest tokens after the text, likeliest first, with ln p of each; as many as were asked for, or none if a logit is no number.
    pub next: Vec<(u32, f32)>,
    /// Every feature on every token.
    pub all: TextActivations,
}

/// Which features fire on a text, and how strongly.
#[derive(Debug, Clone, PartialEq)]
pub struct TextActivations(SparseRows);

impl TextActivations {
    /// The activation of a feature on each token: 0 where it does not fire.
    pub fn of(&self, feature: u32) -> Vec<f32> {
        let value = |token| {
            let (features, values) = self.0.row(token);
            let mut pairs = features.iter().zip(values);
            pairs.find(|(f, _)| **f == feature).map_or(0.0, |(_, v)| *v)
        };
        (0..self.0.n_rows()).map(value).collect()
    }

    /// How many features fire on a token.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn n_active(&self, token: usize) -> usize {
        let (_, values) = self.0.row(token);
        values.iter().filter(|v| **v > 0.0).count()
    }

    /// How many activations there are in all: each takes eight bytes.
    pub fn n_entries(&self) -> usize {
        self.0.n_active()
    }
}

impl TextFeatures {
    /// A model cut where the SAE sits, and the SAE. Both share their weights with what is given.
    pub fn new(split: &SplitLlama, sae: &Sae) -> Self {
        Self {
            split: split.clone(),
            sae: sae.clone(),
        }
    }

    /// Of each token the strongest features, with the effects that the options ask for. `None` when `stop` says so.
    ///
    /// # Errors
    /// If the tokens are none, or not the model's.
    pub fn of(
        &self,
        ids: &[u32],
        options: &FeatureOptions,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<FeaturesOfText>, TextError> {
        self.check(ids, options)?;
        let model = self.split.model();
        let tokens = self.tokens(ids);
        let prefix = self.split.prefix(tokens.clone());
        let EncodedSparse { features, state } = self.sae.encode_sparse(prefix.input.clone());
        if stop() {
            return Ok(None);
        }
        let strongest: Vec<Vec<Active>> = (0..ids.len())
            .map(|position| strongest(&features, position, options.strongest))
            .collect();
        let layers = 0..model.config().n_layers;
        let resid = model.blocks(model.embed(tokens, &mut NoHooks), layers, &mut NoHooks);
        let effects = Effects {
            split: &self.split,
            sae: &self.sae,
            ids,
            state: &state,
        };
        let mut direct = Vec::new();
        if options.direct {
            let Some(found) = effects.direct(&resid, &strongest.concat(), stop) else {
                return Ok(None);
            };
            direct = found;
        }
        let mut exact = Vec::new();
        if let Some(place) = options.exact {
            let Some(found) = effects.exact(&prefix, place, &strongest[place], stop) else {
                return Ok(None);
            };
            exact = found;
        }
        let (mut direct, mut exact) = (direct.into_iter(), exact.into_iter());
        let logits = self.next_logits(&resid);
        let tokens = strongest.iter().enumerate().map(|(place, of_token)| {
            let feature = |active: &Active| FeatureOfToken {
                feature: active.feature,
                value: active.value,
                direct: direct.next().flatten(),
                exact: (options.exact == Some(place))
                    .then(|| exact.next().flatten())
                    .flatten(),
            };
            of_token.iter().map(feature).collect()
        });
        Ok(Some(FeaturesOfText {
            tokens: tokens.collect(),
            next_token: best(&logits),
            next: if logits.iter().all(|x| x.is_finite()) {
                likeliest(&logits, options.next)
            } else {
                Vec::new()
            },
            all: TextActivations(features),
        }))
    }

    /// Which features fire on each token: no more of the model runs than the layers below the SAE.
    ///
    /// # Errors
    /// If the tokens are none, or not the model's.
    pub fn activations(&self, ids: &[u32]) -> Result<TextActivations, TextError> {
        self.check(ids, &FeatureOptions::default())?;
        let prefix = self.split.prefix(self.tokens(ids));
        Ok(TextActivations(
            self.sae.encode_sparse(prefix.input).features,
        ))
    }

    /// `[1, p]`.
    fn tokens(&self, ids: &[u32]) -> Tensor<2, Int> {
        let numbers: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
        let tokens = TensorData::new(numbers, [1, ids.len()]);
        Tensor::from_data(tokens, &self.split.model().device())
    }

    fn check(&self, ids: &[u32], options: &FeatureOptions) -> Result<(), TextError> {
        let last = ids.len().checked_sub(1).ok_or(TextError::Empty)?;
        if let Some(place) = options.exact.filter(|&place| place > last) {
            return Err(TextError::NoSuchToken { place, last });
        }
        let vocab_size = self.split.vocab_size();
        match ids.iter().find(|&&id| id as usize >= vocab_size) {
            Some(&id) => Err(TextError::UnknownToken { id, vocab_size }),
            None => Ok(()),
        }
    }

    /// The logits after the text.
    fn next_logits(&self, resid: &Tensor<3>) -> Vec<f32> {
        let model = self.split.model();
        let [_, p, d] = resid.dims();
        let last = resid.clone().narrow(1, p - 1, 1);
        let normed = model.ln_final(last, &mut NoHooks).reshape([1, d]);
        let logits = model.unembed(normed).cast(FloatDType::F32).into_data();
        logits.try_into_vec().expect("the logits are f32")
    }
}

/// The likeliest token, if any logit is a number.
fn best(logits: &[f32]) -> Option<u32> {
    let numbers = logits.iter().enumerate().filter(|(_, x)| !x.is_nan());
    let best = numbers.max_by(|a, b| a.1.total_cmp(b.1));
    best.map(|(id, _)| id as u32)
}

/// The strongest features of a token, the strongest first.
fn strongest(features: &SparseRows, row: usize, most: usize) -> Vec<Active> {
    let (indices, values) = features.row(row);
    let active = indices.iter().zip(values);
    let active = active.map(|(&feature, &value)| Active {
        row,
        feature,
        value,
    });
    let mut active: Vec<Active> = active
        .filter(|a| a.value > 0.0 && a.value.is_finite())
        .collect();
    active.sort_by(|a, b| b.value.total_cmp(&a.value).then(a.feature.cmp(&b.feature)));
    active.truncate(most);
    active
}

#[cfg(test)]
mod tests {
    use super::strongest;
    use sae_traits::SparseRows;

    #[test]
    fn the_strongest_come_first_and_values_that_are_no_activations_are_left_out() {
        let values = vec![1.0, 3.0, -2.0, 3.0, f32::NAN];
        let features = SparseRows::new(9, vec![0, 5], vec![1, 2, 4, 7, 8], values);
        let found = |most| -> Vec<_> {
            let found = strongest(&features, 0, most);
            found.iter().map(|a| (a.feature, a.value)).collect()
        };
        assert_eq!(found(20), [(2, 3.0), (7, 3.0), (1, 1.0)]);
        assert_eq!(found(2), [(2, 3.0), (7, 3.0)]);
    }
}
