//! The jumprelu architecture.

use super::sums::{Sums, count_on, ones, total};
use super::unit::{Back, Unit};
use super::weights::add;
use crate::options::SparsityLoss;
use burn::tensor::{Bool, Tensor};

/// h·1[h > θ], through the straight-through estimator.
///
/// All tensors are `[1, d_sae]`.
#[derive(Debug)]
pub(super) struct JumpRelu {
    pub(super) thresholds: Tensor<2>,
    pub(super) norms: Tensor<2>,
    /// 1 for dead features, where a loss pulls them: the weight of that loss comes with them.
    pub(super) pulled: Option<(Tensor<2>, f64)>,
    pub(super) bandwidth: f64,
    pub(super) to_input: bool,
    pub(super) mode: SparsityLoss,
    pub(super) tanh_scale: f64,
    pub(super) target_l0: f64,
    pub(super) coefficient: f64,
    pub(super) tokens: f64,
}

impl JumpRelu {
    fn is_off(&self, h: &Tensor<2>) -> Tensor<2, Bool> {
        h.clone().lower_equal(self.thresholds.clone())
    }

    /// tanh(scale·f·n)
    fn tanh(&self, f: &Tensor<2>) -> Tensor<2> {
        let scaled = f.clone().mul_scalar(self.tanh_scale) * self.norms.clone();
        scaled.tanh()
    }

    /// Where the estimator does not see it: not |h − θ| < ε/2.
    fn is_outside(&self, h: &Tensor<2>) -> Tensor<2, Bool> {
        let at = (h.clone() - self.thresholds.clone()).div_scalar(self.bandwidth);
        at.abs().lower_scalar(0.5).bool_not()
    }

    /// The loss that pulls dead features towards their threshold. Returns what it takes from the gradient of h.
    fn pull(&self, h: &Tensor<2>, sums: &mut Sums) -> Option<Tensor<2>> {
        let (dead, weight) = self.pulled.as_ref()?;
        let below = self.thresholds.clone() - h.clone();
        let short = ones(below.clone().greater_scalar(0.0)) * dead.clone();
        let gap = below * short.clone();
        let each = weight / self.tokens;
        add(&mut sums.norm, gap.clone().sum_dim(0).mul_scalar(each));
        let loss = total(gap * self.norms.clone());
        add(&mut sums.extra_loss, loss.mul_scalar(*weight));
        let taken = (short * self.norms.clone()).mul_scalar(each);
        add(&mut sums.threshold, taken.clone().sum_dim(0));
        Some(taken)
    }
}

impl Unit<1> for JumpRelu {
    fn values(&self, h: &Tensor<2>) -> [Tensor<2>; 1] {
        [h.clone().mask_fill(self.is_off(h), 0.0)]
    }

    fn sparsity(&self, h: &Tensor<2>, [f]: &[Tensor<2>; 1]) -> (Tensor<2>, Tensor<2>) {
        let each = self.coefficient / self.tokens;
        if self.mode == SparsityLoss::Tanh {
            let loss = total(self.tanh(f)).mul_scalar(self.coefficient);
            return (loss.clone(), loss.full_like(each));
        }
        let active = ones(self.is_off(h).bool_not()).sum_dim(1);
        if self.mode == SparsityLoss::Step {
            let loss = total(active).mul_scalar(self.coefficient);
            return (loss.clone(), loss.full_like(each));
        }
        let (off, target) = (active.sub_scalar(self.target_l0), self.target_l0);
        let loss = total(off.clone().square()).mul_scalar(self.coefficient * 2.0 / target);
        (loss, off.mul_scalar(each * 4.0 / target))
    }

    fn back(&self, h: Tensor<2>, back: Back<1>, sums: &mut Sums) -> Tensor<2> {
        let Back {
            values: [f],
            df: [mut g],
            up,
        } = back;
        let (off, outside) = (self.is_off(&h), self.is_outside(&h));
        add(&mut sums.fired, count_on(off.clone()));
        let is_tanh = self.mode == SparsityLoss::Tanh;
        if is_tanh {
            let rest = self.tanh(&f).square().neg().add_scalar(1.0);
            let slope = up.clone() * rest.mul_scalar(self.tanh_scale);
            add(&mut sums.norm, (slope.clone() * f).sum_dim(0));
            g = g + slope * self.norms.clone();
        }
        let mut estimate = g.clone() * self.thresholds.clone().div_scalar(self.bandwidth);
        if !is_tanh {
            estimate = estimate + up.div_scalar(self.bandwidth);
        }
        let estimate = estimate.mask_fill(outside, 0.0);
        add(&mut sums.threshold, estimate.clone().sum_dim(0).neg());
        let mut dh = g.mask_fill(off, 0.0);
        if self.to_input {
            dh = dh + estimate;
        }
        match self.pull(&h, sums) {
            Some(taken) => dh - taken,
            None => dh,
        }
    }
}
