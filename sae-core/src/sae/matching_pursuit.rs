//! Greedy encoding over the decoder.

use super::Sae;
use crate::architecture::{Architecture, MatchingPursuit};
use burn::tensor::{Bool, DType, IndexingUpdateOp, Tensor, activation::relu};

impl Sae {
    /// `[n, d_in]` to `[n, d_sae]`.
    ///
    /// Step after step each token takes the decoder direction that its residual has most of, notes how much, and subtracts it.
    /// A token is done when a step has not changed its set of directions, or its residual is small.
    pub(super) fn encode_matching_pursuit(&self, x: Tensor<2>) -> Tensor<2> {
        let Architecture::MatchingPursuit(settings) = self.cfg.architecture else {
            unreachable!("the encoder is matching pursuit only where the architecture is");
        };
        let MatchingPursuit {
            residual_threshold,
            max_iterations,
            stop_on_duplicate_support,
        } = settings;
        let [n, d_in] = x.dims();
        let device = x.device();
        let w_enc = self.w_dec.clone().transpose();
        let mut residual = x;
        let mut acts = Tensor::<2>::zeros([n, self.cfg.d_sae], (&device, DType::from(self.dtype)));
        let mut done = Tensor::<2, Bool>::full([n, 1], false, &device);
        let mut support = acts.clone().not_equal_scalar(0.0);
        for _ in 0..max_iterations.unwrap_or(d_in) {
            let best = relu(fused_ops::matmul(residual.clone(), w_enc.clone())).argmax(1);
            let direction = self.w_dec.clone().select(0, best.clone().reshape([n]));
            let amount = relu((residual.clone() * direction.clone()).sum_dim(1))
                .mask_fill(done.clone(), 0.0);
            acts = acts.scatter(1, best, amount.clone(), IndexingUpdateOp::Add);
            residual = residual - direction * amount;
            if stop_on_duplicate_support {
                let now = acts.clone().not_equal_scalar(0.0);
                done = done.bool_or(now.clone().equal(support).all_dim(1));
                support = now;
            }
            if residual_threshold > 0.0 {
                let norm = residual.clone().square().sum_dim(1).sqrt();
                done = done.bool_or(norm.lower_scalar(residual_threshold));
            }
            // One bit from the device per step, against steps that nobody needs.
            if done.clone().all().into_scalar::<bool>() {
                break;
            }
        }
        acts
    }
}
