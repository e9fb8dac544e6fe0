//! The SAE itself.

mod contributions;
mod decode;
mod encode;
mod finish;
mod fold;
mod gated;
mod init;
mod linear;
mod load;
mod matching_pursuit;
mod norm;
mod probed;
mod save;
mod similarity;
mod some;
mod sparse;
mod stats;
mod temporal;
mod topk;

pub use contributions::Active;
pub use decode::flatten_heads;
pub use decode::unflatten_heads;
pub use encode::{Encoded, EncodedSparse};
pub use finish::Finish;
pub use fold::FoldError;
pub(crate) use linear::{Activation, Linear};
pub use load::SaeLoadOptions;
pub use norm::DecodeState;
pub use save::SaveError;
pub use similarity::MaxCosines;
pub use some::EncodedSome;
pub use stats::FeatureWeights;
pub(crate) use topk::to_f32;

use crate::config::SaeConfig;
use burn::tensor::{Device, FloatDType, Tensor};

/// A sparse autoencoder (or transcoder) on a device, ready to encode and decode.
///
/// One type for every architecture: they differ in how pre-activations come about and which of them stay.
///
/// With `P(x)` the input after scaling and, where `apply_b_dec_to_input`, less `b_dec`:
/// `features = act(P(x) @ W_enc + b_enc)`, `output = features @ W_dec + b_dec`, scaled back. Formulas and names are those of
/// SAELens 6.54.
#[derive(Debug, Clone)]
pub struct Sae {
    cfg: SaeConfig,
    dtype: FloatDType,
    encoder: Encoder,
    /// `[d_sae, d_out]`
    w_dec: Tensor<2>,
    /// `[d_out]`
    b_dec: Tensor<1>,
    /// `[d_out, d_in]`, of skip transcoders.
    w_skip: Option<Tensor<2>>,
}

/// How features come about.
#[derive(Debug, Clone)]
enum Encoder {
    /// One matrix, one bias, one activation.
    Linear(linear::Linear),
    /// A gate path and a magnitude path over one matrix.
    Gated(gated::Gated),
    /// Greedy selection over the decoder.
    MatchingPursuit,
    /// Attention over earlier positions, then features of what it does not predict.
    Temporal(temporal::Temporal),
}

impl Sae {
    /// The configuration.
    pub fn cfg(&self) -> &SaeConfig {
        &self.cfg
    }

    /// Where the weights are.
    pub fn device(&self) -> Device {
        self.w_dec.device()
    }

    /// The dtype of the weights, in which everything is computed.
    pub fn dtype(&self) -> FloatDType {
        self.dtype
    }

    /// The decoder, `[d_sae, d_out]`: row `i` is the direction of feature `i`.
    pub fn w_dec(&self) -> Tensor<2> {
        self.w_dec.clone()
    }

    /// The decoder's bias, `[d_out]`.
    pub fn b_dec(&self) -> Tensor<1> {
        self.b_dec.clone()
    }

    /// The skip connection, `[d_out, d_in]`, of transcoders that have one: the output is `decode(encode(x)) + W_skip·x`.
    pub fn w_skip(&self) -> Option<Tensor<2>> {
        self.w_skip.clone()
    }

    /// The encoder's bias, `[d_sae]`, of architectures that have one matrix and one bias.
    pub fn b_enc(&self) -> Option<Tensor<1>> {
        match &self.encoder {
            Encoder::Linear(linear) => Some(linear.b_enc.clone()),
            _ => None,
        }
    }

    /// The encoder, `[d_in, d_sae]`: column `i` is what feature `i` looks for. The decoder's transpose where they are tied.
    pub fn w_enc(&self) -> Tensor<2> {
        match &self.encoder {
            Encoder::Linear(linear) => linear.w_enc.clone(),
            Encoder::Gated(gated) => gated.w_enc.clone(),
            Encoder::MatchingPursuit => self.w_dec.clone().transpose(),
            Encoder::Temporal(temporal) => temporal.w_enc(&self.w_dec),
        }
    }
}

/// Ranges of latents such that `n` tokens' values of one range are some 32 MiB of f32, and wide enough for a fast product.
fn tiles(n: usize, d_sae: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let width = ((8 << 20) / n.max(1)).max(512);
    (0..d_sae)
        .step_by(width)
        .map(move |start| start..(start + width).min(d_sae))
}

/// `x @ w` for `x` of `[b, p, n]` and `w` of `[n, m]`: as one product, which backends do faster than a batch of them.
fn matmul(x: Tensor<3>, w: Tensor<2>) -> Tensor<3> {
    let [b, p, n] = x.dims();
    let [_, m] = w.dims();
    fused_ops::linear(x.reshape([b * p, n]), w.transpose()).reshape([b, p, m])
}

#[cfg(test)]
mod tests;
