//! The standard architecture.

use super::sums::{Sums, count_on, ones, total};
use super::unit::{Back, Unit};
use super::weights::add;
use burn::tensor::Tensor;

/// relu(h), with c·‖f⊙n‖ₚ as its penalty.
#[derive(Debug)]
pub(super) struct Relu {
    /// `[1, d_sae]`
    pub(super) norms: Tensor<2>,
    pub(super) p: f64,
    pub(super) coefficient: f64,
    pub(super) tokens: f64,
}

impl Relu {
    fn is_l1(&self) -> bool {
        (self.p - 1.0).abs() < f64::EPSILON
    }

    /// f⊙n divided by the largest of its token, `[tokens, d_sae]`, and that largest, `[tokens, 1]`.
    fn relative(&self, f: &Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let weighted = f.clone() * self.norms.clone();
        let most = weighted.clone().max_dim(1).clamp_min(f32::MIN_POSITIVE);
        (weighted / most.clone(), most)
    }
}

impl Unit<1> for Relu {
    fn values(&self, h: &Tensor<2>) -> [Tensor<2>; 1] {
        // A maximum with 0 would hide a NaN.
        let off = h.clone().lower_equal_scalar(0.0);
        [h.clone().mask_fill(off, 0.0)]
    }

    fn sparsity(&self, _: &Tensor<2>, [f]: &[Tensor<2>; 1]) -> (Tensor<2>, Tensor<2>) {
        let up = self.coefficient / self.tokens;
        if self.is_l1() {
            let sum = total(f.clone().sum_dim(0) * self.norms.clone());
            let ups = sum.full_like(up);
            return (sum.mul_scalar(self.coefficient), ups);
        }
        // ‖w‖ₚ = most·‖w/most‖ₚ, so that no power overflows; most is the same in the derivative's numerator and denominator.
        let (relative, most) = self.relative(f);
        let sum = relative.powf_scalar(self.p).sum_dim(1);
        let norm = most * sum.clone().powf_scalar(1.0 / self.p);
        let any = sum.clone().greater_scalar(0.0);
        let up = sum
            .mask_fill(any.clone().bool_not(), 1.0)
            .powf_scalar(1.0 / self.p - 1.0)
            .mul_scalar(up);
        (total(norm).mul_scalar(self.coefficient), up * ones(any))
    }

    fn back(&self, h: Tensor<2>, back: Back<1>, sums: &mut Sums) -> Tensor<2> {
        let Back {
            values: [f],
            df: [df],
            up,
        } = back;
        let off = h.lower_equal_scalar(0.0);
        add(&mut sums.fired, count_on(off.clone()));
        let slope = if self.is_l1() {
            add(&mut sums.norm, f.sum_dim(0) * up.clone());
            up
        } else {
            // Where it is off, a power below 0 would be infinite.
            let relative = self.relative(&f).0.mask_fill(off.clone(), 1.0);
            let slope = up * relative.powf_scalar(self.p - 1.0);
            add(&mut sums.norm, (f * slope.clone()).sum_dim(0));
            slope
        };
        (df + slope * self.norms.clone()).mask_fill(off, 0.0)
    }
}
