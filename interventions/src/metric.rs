//! What a prompt's run is judged by.

use burn::tensor::activation::log_softmax;
use burn::tensor::{DType, FloatDType, Int, Tensor, TensorData};
use llama_hooked::Llama;

/// A figure of what the model says after a prompt.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Metric {
    /// logit(answer).
    Logit {
        /// The token.
        answer: u32,
    },
    /// logit(answer) − logit(against).
    LogitDiff {
        /// The token that should come.
        answer: u32,
        /// The token that should not.
        against: u32,
    },
    /// ln p(answer), in nats.
    LogProb {
        /// The token.
        answer: u32,
    },
    /// KL(target ‖ model), in nats: how far the model is from a given distribution of the next token.
    Kl {
        /// `[1, vocab]`, ln p of the distribution, f32.
        target: Tensor<2>,
    },
}

impl Metric {
    /// KL from the distribution that the model has after this output of its final norm.
    ///
    /// # Shapes
    /// `normed`: `[1, d_model]`.
    pub fn kl_from(model: &Llama, normed: Tensor<2>) -> Self {
        let target = log_softmax(model.unembed(normed).cast(FloatDType::F32), 1);
        Self::Kl { target }
    }

    /// The metric's name in outputs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Logit { .. } => "logit",
            Self::LogitDiff { .. } => "logit_diff",
            Self::LogProb { .. } => "log_prob",
            Self::Kl { .. } => "kl",
        }
    }

    /// The metric of each row, f32. Where gradients are recorded for the rows, they are recorded here.
    ///
    /// # Shapes
    /// `normed`: `[n, d_model]`, outputs of the final norm at the last position → `[n]`.
    ///
    /// # Panics
    /// If a token is not in the model's vocabulary.
    pub fn of(&self, model: &Llama, normed: Tensor<2>) -> Tensor<1> {
        let [n, _] = normed.dims();
        let logit = |normed: Tensor<2>, id: u32| {
            let entries = id as usize..id as usize + 1;
            let logits = model.unembed_entries(normed, entries);
            logits.cast(FloatDType::F32).reshape([n])
        };
        match self {
            Self::Logit { answer } => logit(normed, *answer),
            Self::LogitDiff { answer, against } => {
                logit(normed.clone(), *answer) - logit(normed, *against)
            }
            Self::LogProb { answer } => {
                let targets = TensorData::new(vec![answer.cast_signed(); n], [n]);
                let device = model.device();
                let targets = Tensor::<1, Int>::from_data(targets, (&device, DType::I32));
                model.losses(&normed, targets).neg()
            }
            Self::Kl { target } => {
                let found = log_softmax(model.unembed(normed).cast(FloatDType::F32), 1);
                let each = target.clone().exp() * (target.clone() - found);
                each.sum_dim(1).reshape([n])
            }
        }
    }
}
