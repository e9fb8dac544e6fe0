//! Activation functions, feature by feature: what they give, what they cost, and what flows back through them.

#![allow(clippy::inline_always)] // the point is to be compiled into vectorised loops
#![allow(clippy::float_cmp)] // a norm is the 1-norm or it is not

use crate::options::SparsityLoss;

/// What flows into the weights of one feature besides the two products, summed over tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    /// Tokens on which it is active.
    pub(super) fired: u32,
    /// Into `x·W_enc`, without the bias.
    pub(super) product: f64,
    /// Into the encoder's bias.
    pub(super) bias: f64,
    /// Into the threshold.
    pub(super) threshold: f64,
    /// Into the norm of the decoder's row.
    pub(super) norm: f64,
    /// Into the bias of the magnitude.
    pub(super) b_mag: f64,
    /// Into the logarithm of the magnitude's scale.
    pub(super) r_mag: f64,
    /// Σ of a second loss, which is not divided by tokens yet.
    pub(super) extra_loss: f64,
}

/// An activation function, applied to each feature by itself.
///
/// Up to two numbers come out of it, each of which reconstructs: the gated architecture's second one is its gate.
pub(super) trait Unit: Sync {
    /// How many numbers come out.
    const CHANNELS: usize;

    /// Whether a pre-activation has a value or a gradient.
    fn is_touched(&self, j: usize, h: f32) -> bool;

    /// What comes out.
    fn values(&self, j: usize, h: f32) -> [f32; 2];

    /// What it adds to its token's sum of sparsity.
    fn penalty(&self, j: usize, h: f32) -> f64;

    /// The sum of sparsity of a whole token.
    #[inline(always)]
    fn row_penalty(&self, h: &[f32]) -> f64 {
        h.iter().enumerate().map(|(j, &h)| self.penalty(j, h)).sum()
    }

    /// From a token's sum: its loss, and the derivative of the batch's loss by the sum.
    fn sparsity(&self, sum: f64) -> (f64, f32);

    /// From the gradients of what came out and of the sum of sparsity: the gradient of `x·W_enc`. The others are added to the sums.
    fn back(&self, j: usize, h: f32, df: [f32; 2], up: f32, sums: &mut Sums) -> f32;
}

/// Selected by number: what is touched is known beforehand, and passes as it is.
#[derive(Debug)]
pub(super) struct Selected {
    /// Whether they count as active.
    pub(super) counts: bool,
}

impl Unit for Selected {
    const CHANNELS: usize = 1;

    fn is_touched(&self, _: usize, _: f32) -> bool {
        true
    }

    #[inline(always)]
    fn values(&self, _: usize, h: f32) -> [f32; 2] {
        [h, 0.0]
    }

    fn penalty(&self, _: usize, _: f32) -> f64 {
        0.0
    }

    fn sparsity(&self, _: f64) -> (f64, f32) {
        (0.0, 0.0)
    }

    #[inline(always)]
    fn back(&self, _: usize, h: f32, df: [f32; 2], _: f32, sums: &mut Sums) -> f32 {
        sums.fired += u32::from(self.counts && h != 0.0);
        sums.product += f64::from(df[0]);
        sums.bias += f64::from(df[0]);
        df[0]
    }
}

/// relu(h), with c·‖f⊙n‖ₚ as its penalty.
#[derive(Debug)]
pub(super) struct Relu<'a> {
    pub(super) norms: &'a [f32],
    pub(super) p: f64,
    pub(super) coefficient: f64,
    pub(super) tokens: f64,
}

impl Unit for Relu<'_> {
    const CHANNELS: usize = 1;

    #[inline(always)]
    fn is_touched(&self, _: usize, h: f32) -> bool {
        // A NaN is touched, and so it is seen.
        h > 0.0 || h.is_nan()
    }

    #[inline(always)]
    fn values(&self, _: usize, h: f32) -> [f32; 2] {
        [if h <= 0.0 { 0.0 } else { h }, 0.0]
    }

    #[inline(always)]
    fn penalty(&self, j: usize, h: f32) -> f64 {
        if h <= 0.0 {
            return 0.0;
        }
        let weighted = f64::from(h * self.norms[j]);
        if self.p == 1.0 {
            weighted
        } else {
            weighted.powf(self.p)
        }
    }

    #[inline(always)]
    fn row_penalty(&self, h: &[f32]) -> f64 {
        if self.p != 1.0 {
            return h.iter().enumerate().map(|(j, &h)| self.penalty(j, h)).sum();
        }
        sum_in_lanes(h, self.norms, |h, norm| h.max(0.0) * norm)
    }

    fn sparsity(&self, sum: f64) -> (f64, f32) {
        let (c, p) = (self.coefficient, self.p);
        if p == 1.0 {
            return (c * sum, (c / self.tokens) as f32);
        }
        if sum == 0.0 {
            return (0.0, 0.0);
        }
        let norm = sum.powf(1.0 / p);
        (c * norm, (c / self.tokens * norm / (p * sum)) as f32)
    }

    #[inline(always)]
    fn back(&self, j: usize, h: f32, df: [f32; 2], up: f32, sums: &mut Sums) -> f32 {
        if h <= 0.0 {
            return 0.0;
        }
        let norm = self.norms[j];
        let slope = if self.p == 1.0 {
            up
        } else {
            up * (self.p * f64::from(h * norm).powf(self.p - 1.0)) as f32
        };
        let dh = df[0] + slope * norm;
        sums.fired += 1;
        sums.norm += f64::from(slope * h);
        sums.product += f64::from(dh);
        sums.bias += f64::from(dh);
        dh
    }
}

/// h·1[h > θ], through the straight-through estimator.
#[derive(Debug)]
pub(super) struct JumpRelu<'a> {
    pub(super) thresholds: &'a [f32],
    pub(super) norms: &'a [f32],
    pub(super) dead: &'a [bool],
    pub(super) bandwidth: f32,
    pub(super) to_input: bool,
    pub(super) mode: SparsityLoss,
    pub(super) tanh_scale: f32,
    pub(super) target_l0: f64,
    pub(super) coefficient: f64,
    /// Of the loss on dead features; 0 where there is none.
    pub(super) pre_act: f32,
    pub(super) tokens: f64,
}

impl JumpRelu<'_> {
    /// Whether the estimator sees it: |h − θ| < ε/2.
    #[inline(always)]
    fn in_window(&self, j: usize, h: f32) -> bool {
        let at = (h - self.thresholds[j]) / self.bandwidth;
        at > -0.5 && at < 0.5
    }

    #[inline(always)]
    fn is_pulled(&self, j: usize, h: f32) -> bool {
        self.pre_act != 0.0 && self.dead[j] && h < self.thresholds[j]
    }
}

impl Unit for JumpRelu<'_> {
    const CHANNELS: usize = 1;

    #[inline(always)]
    fn is_touched(&self, j: usize, h: f32) -> bool {
        h > self.thresholds[j] || h.is_nan() || self.in_window(j, h) || self.is_pulled(j, h)
    }

    #[inline(always)]
    fn values(&self, j: usize, h: f32) -> [f32; 2] {
        [if h <= self.thresholds[j] { 0.0 } else { h }, 0.0]
    }

    #[inline(always)]
    fn penalty(&self, j: usize, h: f32) -> f64 {
        if h <= self.thresholds[j] {
            return 0.0;
        }
        match self.mode {
            SparsityLoss::Tanh => f64::from((self.tanh_scale * h * self.norms[j]).tanh()),
            SparsityLoss::Step | SparsityLoss::Quadratic => 1.0,
        }
    }

    #[inline(always)]
    fn row_penalty(&self, h: &[f32]) -> f64 {
        if self.mode == SparsityLoss::Tanh {
            return h.iter().enumerate().map(|(j, &h)| self.penalty(j, h)).sum();
        }
        sum_in_lanes(
            h,
            self.thresholds,
            |h, theta| if h > theta { 1.0 } else { 0.0 },
        )
    }

    fn sparsity(&self, sum: f64) -> (f64, f32) {
        let (c, target) = (self.coefficient, self.target_l0);
        match self.mode {
            SparsityLoss::Quadratic => {
                let off = sum - target;
                (
                    c * 2.0 / target * off * off,
                    (c / self.tokens * 4.0 / target * off) as f32,
                )
            }
            SparsityLoss::Step | SparsityLoss::Tanh => (c * sum, (c / self.tokens) as f32),
        }
    }

    #[inline(always)]
    fn back(&self, j: usize, h: f32, df: [f32; 2], up: f32, sums: &mut Sums) -> f32 {
        let (theta, norm) = (self.thresholds[j], self.norms[j]);
        let is_active = h > theta || h.is_nan();
        let mut g = df[0];
        if self.mode == SparsityLoss::Tanh {
            let f = if is_active { h } else { 0.0 };
            let tanh = (self.tanh_scale * f * norm).tanh();
            let slope = up * self.tanh_scale * (1.0 - tanh * tanh);
            g += slope * norm;
            sums.norm += f64::from(slope * f);
        }
        let mut dh = if is_active { g } else { 0.0 };
        if self.in_window(j, h) {
            let mut estimate = theta / self.bandwidth * g;
            if self.mode != SparsityLoss::Tanh {
                estimate += up / self.bandwidth;
            }
            sums.threshold -= f64::from(estimate);
            if self.to_input {
                dh += estimate;
            }
        }
        if self.is_pulled(j, h) {
            let pull = (f64::from(self.pre_act) / self.tokens) as f32;
            dh -= pull * norm;
            sums.threshold += f64::from(pull * norm);
            sums.norm += f64::from(pull * (theta - h));
            sums.extra_loss += f64::from(self.pre_act * (theta - h) * norm);
        }
        sums.fired += u32::from(is_active);
        sums.product += f64::from(dh);
        sums.bias += f64::from(dh);
        dh
    }
}

/// `1[π > 0]·relu((π − b_gate)·e^r + b_mag)`, and relu(π), which reconstructs too and carries the penalty.
#[derive(Debug)]
pub(super) struct Gated<'a> {
    pub(super) norms: &'a [f32],
    pub(super) b_gate: &'a [f32],
    pub(super) b_mag: &'a [f32],
    /// e^r.
    pub(super) scale: &'a [f32],
    pub(super) coefficient: f64,
    pub(super) tokens: f64,
}

impl Gated<'_> {
    #[inline(always)]
    fn magnitude(&self, j: usize, pi: f32) -> f32 {
        (pi - self.b_gate[j]) * self.scale[j] + self.b_mag[j]
    }
}

impl Unit for Gated<'_> {
    const CHANNELS: usize = 2;

    #[inline(always)]
    fn is_touched(&self, _: usize, pi: f32) -> bool {
        pi > 0.0 || pi.is_nan()
    }

    #[inline(always)]
    fn values(&self, j: usize, pi: f32) -> [f32; 2] {
        if pi <= 0.0 {
            return [0.0, 0.0];
        }
        [self.magnitude(j, pi).max(0.0), pi]
    }

    #[inline(always)]
    fn penalty(&self, j: usize, pi: f32) -> f64 {
        if pi <= 0.0 {
            0.0
        } else {
            f64::from(pi * self.norms[j])
        }
    }

    #[inline(always)]
    fn row_penalty(&self, h: &[f32]) -> f64 {
        sum_in_lanes(h, self.norms, |pi, norm| pi.max(0.0) * norm)
    }

    fn sparsity(&self, sum: f64) -> (f64, f32) {
        (
            self.coefficient * sum,
            (self.coefficient / self.tokens) as f32,
        )
    }

    #[inline(always)]
    fn back(&self, j: usize, pi: f32, df: [f32; 2], up: f32, sums: &mut Sums) -> f32 {
        if pi <= 0.0 {
            return 0.0;
        }
        let gate = df[1] + up * self.norms[j];
        sums.norm += f64::from(up * pi);
        sums.bias += f64::from(gate);
        let mut product = gate;
        let magnitude = self.magnitude(j, pi);
        if magnitude > 0.0 {
            let scaled = df[0] * self.scale[j];
            product += scaled;
            sums.b_mag += f64::from(df[0]);
            sums.r_mag += f64::from(scaled * (pi - self.b_gate[j]));
            sums.fired += 1;
        }
        sums.product += f64::from(product);
        product
    }
}

/// Σ of f(a, b), 32 sums at a time so that it vectorises.
#[inline(always)]
fn sum_in_lanes(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut sums = [0.0_f32; 32];
    let (a, a_rest) = a.as_chunks::<32>();
    let (b, b_rest) = b[..a.len() * 32 + a_rest.len()].as_chunks::<32>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..32 {
            sums[i] += f(a[i], b[i]);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(&a, &b)| f(a, b));
    sums.into_iter().chain(rest).map(f64::from).sum()
}
