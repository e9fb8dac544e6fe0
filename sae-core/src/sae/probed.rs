//! What probes of an activation need to know of its SAE.

use super::Sae;
use super::topk::to_f32;
use crate::config::NormalizeActivations;
use burn::tensor::{DType, Tensor, TensorData};

impl Sae {
    /// The product of a direction with what each feature writes, `w·W_dec_i`, `[d_sae]`.
    ///
    /// # Panics
    /// If `direction` is not `d_out` numbers.
    pub fn decoder_products(&self, direction: &[f32]) -> Vec<f32> {
        let [_, d_out] = self.w_dec.dims();
        assert_eq!(direction.len(), d_out, "a direction of the decoder's width");
        let data = TensorData::new(direction.to_vec(), [d_out, 1]);
        let column = Tensor::<2>::from_data(data, (&self.device(), DType::F32));
        to_f32(fused_ops::matmul(self.w_dec().cast(DType::F32), column))
    }

    /// The features of an activation of zeros, `[d_sae]`.
    pub fn features_of_zeros(&self) -> Vec<f32> {
        let zeros = Tensor::<3>::zeros([1, 1, self.cfg.d_in], (&self.device(), self.w_dec.dtype()));
        self.encode_sparse(zeros).features.to_dense()
    }

    /// Whether taking a feature out of the activation that was read is taking its decoder's direction away, whatever the token: the SAE writes where it reads, and does
    /// not scale each token by itself.
    pub fn writes_where_it_reads(&self) -> bool {
        let scales = matches!(
            self.cfg.normalize_activations,
            NormalizeActivations::ConstantNormRescale | NormalizeActivations::LayerNorm
        );
        !scales && !self.cfg.architecture.is_transcoder() && self.cfg.d_in == self.cfg.d_out
    }
}
