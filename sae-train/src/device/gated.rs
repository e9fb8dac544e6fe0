//! The gated architecture.

use super::sums::{Sums, count_on, total};
use super::unit::{Back, Unit};
use super::weights::add;
use burn::tensor::{Bool, Tensor};

/// `1[π > 0]·relu((π − b_gate)·e^r + b_mag)`, and relu(π), which reconstructs too and carries the penalty.
///
/// All tensors are `[1, d_sae]`.
#[derive(Debug)]
pub(super) struct Gated {
    pub(super) norms: Tensor<2>,
    pub(super) b_gate: Tensor<2>,
    pub(super) b_mag: Tensor<2>,
    /// e^r
    pub(super) scale: Tensor<2>,
    pub(super) coefficient: f64,
    pub(super) tokens: f64,
}

impl Gated {
    fn magnitude(&self, pi: &Tensor<2>) -> Tensor<2> {
        (pi.clone() - self.b_gate.clone()) * self.scale.clone() + self.b_mag.clone()
    }
}

fn is_off(x: &Tensor<2>) -> Tensor<2, Bool> {
    x.clone().lower_equal_scalar(0.0)
}

impl Unit<2> for Gated {
    fn values(&self, pi: &Tensor<2>) -> [Tensor<2>; 2] {
        let (magnitude, closed) = (self.magnitude(pi), is_off(pi));
        let off = is_off(&magnitude).bool_or(closed.clone());
        [
            magnitude.mask_fill(off, 0.0),
            pi.clone().mask_fill(closed, 0.0),
        ]
    }

    fn sparsity(&self, _: &Tensor<2>, [_, gates]: &[Tensor<2>; 2]) -> (Tensor<2>, Tensor<2>) {
        let sum = total(gates.clone().sum_dim(0) * self.norms.clone());
        let up = sum.full_like(self.coefficient / self.tokens);
        (sum.mul_scalar(self.coefficient), up)
    }

    fn back(&self, pi: Tensor<2>, back: Back<2>, sums: &mut Sums) -> Tensor<2> {
        let Back {
            values: [f, gates],
            df: [df, of_gates],
            up,
        } = back;
        let off = is_off(&f);
        add(&mut sums.fired, count_on(off.clone()));
        add(&mut sums.norm, gates.sum_dim(0) * up.clone());
        let gate = (of_gates + up * self.norms.clone()).mask_fill(is_off(&pi), 0.0);
        add(&mut sums.bias, gate.clone().sum_dim(0));
        let df = df.mask_fill(off, 0.0);
        add(&mut sums.b_mag, df.clone().sum_dim(0));
        let scaled = df * self.scale.clone();
        let by_r = scaled.clone() * (pi - self.b_gate.clone());
        add(&mut sums.r_mag, by_r.sum_dim(0));
        gate + scaled
    }
}
