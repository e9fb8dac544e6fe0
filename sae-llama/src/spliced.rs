//! An SAE in the place of an activation.

use burn::tensor::Tensor;
use sae_core::{Sae, SaeConfig};
use sae_traits::{Autoencoder, Features, Reconstruction};

/// Which reconstruction replaces the activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReconstructionPath {
    /// `decode(encode(x))`, as SAELens evaluates: without a skip connection or temporal prediction.
    DecodeEncode,
    /// The full forward pass, as the notebook splices it in.
    Forward,
}

impl ReconstructionPath {
    /// What an evaluation puts in place of the activation: `decode(encode(x))`, as SAELens does, but of a transcoder with a skip connection the
    /// full forward pass. Without the connection it is not the transcoder's output.
    pub fn evaluated(cfg: &SaeConfig) -> Self {
        if cfg.architecture.skips() {
            Self::Forward
        } else {
            Self::DecodeEncode
        }
    }

    /// The formula, as JSON and tables have it.
    pub fn formula(self) -> &'static str {
        match self {
            Self::DecodeEncode => "decode(encode(x))",
            Self::Forward => "forward(x)",
        }
    }
}

/// An SAE, by one of its two reconstructions. It shares the weights of the SAE it was made from.
#[derive(Debug, Clone)]
pub struct Spliced {
    sae: Sae,
    path: ReconstructionPath,
}

impl Spliced {
    /// Chooses the reconstruction.
    pub fn new(sae: &Sae, path: ReconstructionPath) -> Self {
        Self {
            sae: sae.clone(),
            path,
        }
    }
}

impl Autoencoder for Spliced {
    fn d_in(&self) -> usize {
        self.sae.cfg().d_in
    }

    fn d_sae(&self) -> usize {
        self.sae.cfg().d_sae
    }

    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction {
        let sae = &self.sae;
        // On the host, features are at hand without a transfer.
        if sae_backend::is_host(&sae.device()) {
            let [_, p, _] = x.dims();
            let encoded = sae.encode_sparse(x);
            let decoded = match self.path {
                ReconstructionPath::DecodeEncode => sae.decode_sparse(&encoded, p),
                ReconstructionPath::Forward => sae.forward_sparse(&encoded, p),
            };
            return Reconstruction::new(Features::Sparse(encoded.features), decoded);
        }
        let encoded = sae.encode(x);
        let decoded = match self.path {
            ReconstructionPath::DecodeEncode => sae.decode(&encoded),
            ReconstructionPath::Forward => sae.forward_encoded(&encoded),
        };
        Reconstruction::new(Features::Dense(encoded.features), decoded)
    }
}
