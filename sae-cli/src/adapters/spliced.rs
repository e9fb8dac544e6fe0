//! An SAE in the place of an activation.

use burn::tensor::{Device, Tensor};
use sae_core::Sae;
use sae_metrics::{Autoencoder, Features, Reconstruction, SparseRows};

/// Which reconstruction stands in for the activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Path {
    /// `decode(encode(x))`, as SAELens evaluates: without a skip connection or temporal prediction.
    DecodeEncode,
    /// The full forward pass, as the notebook splices it in.
    Forward,
}

/// An SAE, by one of its two reconstructions.
#[derive(Debug, Clone, Copy)]
pub struct Spliced<'a> {
    sae: &'a Sae,
    path: Path,
}

impl<'a> Spliced<'a> {
    /// Chooses the reconstruction.
    pub fn new(sae: &'a Sae, path: Path) -> Self {
        Self { sae, path }
    }
}

impl Autoencoder for Spliced<'_> {
    fn d_in(&self) -> usize {
        self.sae.cfg().d_in
    }

    fn d_sae(&self) -> usize {
        self.sae.cfg().d_sae
    }

    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction {
        let sae = self.sae;
        if on_host(&sae.device()) {
            let [_, p, _] = x.dims();
            let encoded = sae.encode_sparse(x);
            let decoded = match self.path {
                Path::DecodeEncode => sae.decode_sparse(&encoded, p),
                Path::Forward => sae.forward_sparse(&encoded, p),
            };
            let sparse = encoded.features;
            let features = Features::Sparse(SparseRows {
                indptr: sparse.indptr,
                indices: sparse.indices,
                values: sparse.values,
            });
            return Reconstruction { features, decoded };
        }
        let encoded = sae.encode(x);
        let decoded = match self.path {
            Path::DecodeEncode => sae.decode(&encoded),
            Path::Forward => sae.forward_encoded(&encoded),
        };
        Reconstruction {
            features: Features::Dense(encoded.features),
            decoded,
        }
    }
}

/// Whether features are at hand without a transfer.
fn on_host(device: &Device) -> bool {
    #[cfg(feature = "cpu")]
    {
        *device == Device::flex()
    }
    #[cfg(not(feature = "cpu"))]
    {
        let _ = device;
        false
    }
}
