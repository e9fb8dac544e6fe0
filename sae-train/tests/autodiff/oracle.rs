//! Every architecture's loss written plainly in tensors of f64, and its gradient by burn.
//!
//! What is selected is found from numbers and enters as a mask. Straight-through estimators are written as terms that are 0 and whose
//! derivative is the estimate: `−(θ/ε)·R·(θ − sg θ)` for JumpReLU, `−(R/ε)·(θ − sg θ)` for the step, R = 1[|h − θ| < ε/2].

use burn::tensor::{DType, Device, Tensor, TensorData};
use sae_train::{AuxLoss, Shape, SparsityLoss, TrainArchitecture, TrainOptions, Weights};
use std::cell::Cell;

type Matrix = Tensor<2>;

/// What a step is to be compared with.
pub(crate) struct Expected {
    /// Each loss by its name.
    pub(crate) losses: Vec<(String, f64)>,
    /// In the order of `Weights::parts`.
    pub(crate) gradients: Vec<Vec<f64>>,
    /// Of the first token: features that have a value or a gradient.
    pub(crate) touched: usize,
    /// How near the nearest decision is to falling the other way: rounding decides where this is next to nothing.
    pub(crate) margin: f64,
}

/// A batch, and what a step knows of the ones before.
pub(crate) struct Input<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) y: Option<&'a [f32]>,
    pub(crate) dead: &'a [bool],
    pub(crate) coefficient: f64,
}

pub(crate) fn oracle(
    options: &TrainOptions,
    shape: Shape,
    weights: &Weights,
    input: &Input<'_>,
) -> Expected {
    let Shape {
        d_in, d_out, d_sae, ..
    } = shape;
    let device = Device::flex().autodiff();
    let rows = [d_sae, 1, d_sae, 1, 1, 1, 1, d_out];
    let leaves: Vec<Option<Matrix>> = weights
        .parts()
        .iter()
        .zip(rows)
        .map(|(part, rows)| (!part.is_empty()).then(|| matrix(part, rows, &device).require_grad()))
        .collect();
    let n = input.x.len() / d_in;
    let x = matrix(input.x, n, &device);
    let model = Model {
        options,
        shape,
        n,
        target: input.y.map_or(x.clone(), |y| matrix(y, n, &device)),
        x,
        dead: input.dead,
        coefficient: input.coefficient,
        leaves: &leaves,
        device: &device,
        margin: Cell::new(f64::INFINITY),
    };
    let (losses, touched) = model.losses();
    let total = losses.iter().map(|(_, loss)| loss.clone());
    let total = total.reduce(|a, b| a + b).expect("there is a loss");
    let found = total.backward();
    let gradients = leaves.iter().zip(weights.parts()).map(|(leaf, part)| {
        let gradient = leaf.as_ref().and_then(|leaf| leaf.grad(&found));
        gradient.map_or(vec![0.0; part.len()], numbers)
    });
    Expected {
        gradients: gradients.collect(),
        losses: losses
            .into_iter()
            .map(|(name, loss)| (name, numbers(loss)[0]))
            .collect(),
        touched,
        margin: model.margin.get(),
    }
}

fn matrix(values: &[f32], rows: usize, device: &Device) -> Matrix {
    let wide: Vec<f64> = values.iter().map(|&x| f64::from(x)).collect();
    of_numbers(wide, rows, device)
}

fn of_numbers(values: Vec<f64>, rows: usize, device: &Device) -> Matrix {
    let columns = values.len() / rows;
    Tensor::from_data(
        TensorData::new(values, [rows, columns]),
        (device, DType::F64),
    )
}

fn numbers(x: Matrix) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

struct Model<'a> {
    options: &'a TrainOptions,
    shape: Shape,
    n: usize,
    x: Matrix,
    target: Matrix,
    dead: &'a [bool],
    coefficient: f64,
    leaves: &'a [Option<Matrix>],
    device: &'a Device,
    margin: Cell<f64>,
}

impl Model<'_> {
    /// Notes distances from where a decision changes.
    fn decides(&self, distances: impl IntoIterator<Item = f64>) {
        let near = distances.into_iter().map(f64::abs);
        self.margin.set(near.fold(self.margin.get(), f64::min));
    }

    /// Indices of the k largest.
    fn largest(&self, values: &[f64], among: Vec<usize>, k: usize) -> Vec<usize> {
        let mut order = among;
        order.sort_by(|&a, &b| values[b].total_cmp(&values[a]));
        if 0 < k && k < order.len() {
            self.decides([values[order[k - 1]] - values[order[k]]]);
        }
        order.truncate(k);
        order
    }

    fn leaf(&self, index: usize) -> Matrix {
        self.leaves[index].clone().expect("the architecture has it")
    }

    fn w_dec(&self) -> Matrix {
        self.leaf(2)
    }

    /// Norms of the decoder's rows, `[1, d_sae]`.
    fn norms(&self) -> Matrix {
        self.w_dec().square().sum_dim(1).sqrt().transpose()
    }

    fn is_centred(&self) -> bool {
        self.options.apply_b_dec_to_input && !self.options.architecture.is_transcoder()
    }

    fn centred(&self) -> Matrix {
        if self.is_centred() {
            self.x.clone() - self.leaf(3)
        } else {
            self.x.clone()
        }
    }

    /// Σ over tokens and widths of the squared difference, by tokens.
    fn squared(&self, a: Matrix, b: Matrix) -> Matrix {
        self.mean(a.sub(b).square())
    }

    /// Σ of all, by tokens.
    fn mean(&self, x: Matrix) -> Matrix {
        x.sum_dim(1).sum_dim(0) / self.n as f64
    }

    fn decode(&self, f: Matrix) -> Matrix {
        let out = f.matmul(self.w_dec()) + self.leaf(3);
        match &self.leaves[7] {
            Some(w_skip) => out + self.x.clone().matmul(w_skip.clone().transpose()),
            None => out,
        }
    }

    fn mask(&self, is_in: impl Fn(usize) -> bool) -> Matrix {
        let all = self.n * self.shape.d_sae;
        let mask = (0..all).map(|at| f64::from(u8::from(is_in(at)))).collect();
        of_numbers(mask, self.n, self.device)
    }

    fn losses(&self) -> (Vec<(String, Matrix)>, usize) {
        use TrainArchitecture as A;
        let (losses, touched) = match self.options.architecture {
            A::MatchingPursuit => (vec![("mse_loss".to_owned(), self.pursuit())], 0),
            A::Gated => self.gated(),
            a if a.has_threshold() => self.jumprelu(),
            a if a.is_topk() => (self.topk(), 0),
            _ => self.standard(),
        };
        (losses, touched)
    }

    fn pre_activations(&self) -> Matrix {
        self.centred().matmul(self.leaf(0).transpose()) + self.leaf(1)
    }

    fn first_row(&self, is_touched: impl Fn(usize) -> bool) -> usize {
        (0..self.shape.d_sae).filter(|&j| is_touched(j)).count()
    }

    fn standard(&self) -> (Vec<(String, Matrix)>, usize) {
        let h = self.pre_activations();
        let values = numbers(h.clone());
        self.decides(values.iter().copied());
        let is_active = |at: usize| values[at] > 0.0;
        let f = h * self.mask(is_active);
        let weighted = f.clone() * self.norms();
        let p = self.options.lp_norm;
        let norm = if (p - 1.0).abs() < f64::EPSILON {
            weighted.sum_dim(1)
        } else {
            // The norm's gradient is 0 where all is 0: such tokens pass by the root as ones.
            let sums = weighted.powf_scalar(p).sum_dim(1);
            let none = of_numbers(
                numbers(sums.clone())
                    .iter()
                    .map(|&s| f64::from(u8::from(s == 0.0)))
                    .collect(),
                self.n,
                self.device,
            );
            (sums + none.clone()).powf_scalar(1.0 / p) - none
        };
        let losses = vec![
            (
                "mse_loss".to_owned(),
                self.squared(self.decode(f), self.target.clone()),
            ),
            ("l1_loss".to_owned(), self.mean(norm) * self.coefficient),
        ];
        (losses, self.first_row(is_active))
    }

    fn gated(&self) -> (Vec<(String, Matrix)>, usize) {
        let z = self.centred().matmul(self.leaf(0).transpose());
        let gate = z.clone() + self.leaf(1);
        let magnitude = z * self.leaf(6).exp() + self.leaf(5);
        let values = numbers(gate.clone());
        self.decides(values.iter().copied());
        let is_open = |at: usize| values[at] > 0.0;
        let (mask, via) = (self.mask(is_open), gate * self.mask(is_open));
        let magnitudes = numbers(magnitude.clone());
        self.decides(magnitudes.iter().copied());
        let f = magnitude * mask * self.mask(|at| magnitudes[at] > 0.0);
        let l1 = self.mean(via.clone() * self.norms()) * self.coefficient;
        let losses = vec![
            (
                "mse_loss".to_owned(),
                self.squared(self.decode(f), self.target.clone()),
            ),
            ("l1_loss".to_owned(), l1),
            (
                "auxiliary_reconstruction_loss".to_owned(),
                self.squared(self.decode(via), self.target.clone()),
            ),
        ];
        (losses, self.first_row(is_open))
    }

    fn jumprelu(&self) -> (Vec<(String, Matrix)>, usize) {
        let options = self.options;
        let (h, theta) = (self.pre_activations(), self.leaf(4));
        let (hs, thetas) = (numbers(h.clone()), numbers(theta.clone()));
        let (d_sae, epsilon) = (self.shape.d_sae, options.jumprelu_bandwidth);
        let over = |at: usize| hs[at] - thetas[at % d_sae];
        self.decides((0..hs.len()).flat_map(|at| [over(at), over(at).abs() - epsilon / 2.0]));
        let is_active = |at: usize| over(at) > 0.0;
        let in_window = |at: usize| (over(at) / epsilon).abs() < 0.5;
        let (active, window) = (self.mask(is_active), self.mask(in_window));
        // 0, with the derivatives −1 by θ and, where the estimate reaches the encoder, 1 by h.
        let mut estimate = theta.clone().detach() - theta.clone();
        let to_input = h.clone() - h.clone().detach();
        estimate = if options.jumprelu_ste_to_input {
            to_input + estimate
        } else {
            estimate + to_input.mul_scalar(0.0)
        };
        let estimate = estimate * window / epsilon;
        let f = h.clone() * active.clone() + estimate.clone() * theta.clone().detach();
        let step = active + estimate;
        let c = self.coefficient;
        let sparsity = match options.jumprelu_sparsity_loss_mode {
            SparsityLoss::Step => self.mean(step) * c,
            SparsityLoss::Quadratic => {
                let target = options.target_l0.expect("a target");
                self.mean((step.sum_dim(1) - target).square()) * (c * 2.0 / target)
            }
            SparsityLoss::Tanh => {
                let scaled = f.clone() * self.norms() * options.jumprelu_tanh_scale;
                self.mean(scaled.tanh()) * c
            }
            other => panic!("{other:?}"),
        };
        let mut losses = vec![
            (
                "mse_loss".to_owned(),
                self.squared(self.decode(f), self.target.clone()),
            ),
            ("l0_loss".to_owned(), sparsity),
        ];
        let is_pulled = |at: usize| {
            options.pre_act_loss_coefficient.is_some() && self.dead[at % d_sae] && over(at) < 0.0
        };
        if let Some(p) = options.pre_act_loss_coefficient {
            let short = (theta - h) * self.mask(is_pulled) * self.norms();
            losses.push(("pre_act_loss".to_owned(), self.mean(short) * p));
        }
        let touched = self.first_row(|j| is_active(j) || in_window(j) || is_pulled(j));
        (losses, touched)
    }

    /// As SAELens computes it: with `rescale_acts_by_decoder_norm` activations are multiplied by the norms and divided by them again.
    fn topk(&self) -> Vec<(String, Matrix)> {
        let (options, d_sae) = (self.options, self.shape.d_sae);
        let by_magnitude = options.architecture == TrainArchitecture::AbsTopK;
        let (mut h, norms) = (self.pre_activations(), self.norms());
        if options.rescale_acts_by_decoder_norm {
            h = h * norms.clone();
        }
        let values = numbers(h.clone());
        self.decides(values.iter().copied());
        let keys: Vec<f64> = values
            .iter()
            .map(|h| if by_magnitude { h.abs() } else { *h })
            .collect();
        let chosen = if options.architecture.is_batch_topk() {
            let k = (options.k * self.n as f64) as usize;
            self.largest(&keys, (0..keys.len()).collect(), k)
        } else {
            let of_row = |row: usize| {
                let among = (row * d_sae..(row + 1) * d_sae).collect();
                self.largest(&keys, among, options.k as usize)
            };
            (0..self.n).flat_map(of_row).collect()
        };
        let selected = self.mask(|at| chosen.contains(&at) && (by_magnitude || values[at] > 0.0));
        let f = h.clone() * selected;
        let unscaled = |f: Matrix| {
            if options.rescale_acts_by_decoder_norm {
                f / norms.clone()
            } else {
                f
            }
        };
        let below = |width: usize| {
            let f = f.clone() * self.mask(|at| at % d_sae < width);
            self.decode(unscaled(f))
        };
        let widths = if options.architecture == TrainArchitecture::MatryoshkaBatchTopK {
            options.widths()
        } else {
            vec![d_sae]
        };
        let target = || self.target.clone();
        let mse = self.squared(below(d_sae), target());
        let groups = if options.use_matryoshka_aux_loss {
            &widths[..]
        } else {
            &[d_sae]
        };
        let mut aux = mse.clone() * 0.0;
        let mut start = 0;
        for &end in groups {
            let residual = (target() - below(end)).detach();
            let dead = (start..end).filter(|&j| self.dead[j]).collect::<Vec<_>>();
            aux = aux + self.revival(&h, &keys, &dead, residual, unscaled);
            start = end;
        }
        let mut losses = vec![
            ("mse_loss".to_owned(), mse),
            ("auxiliary_reconstruction_loss".to_owned(), aux),
        ];
        for &width in &widths[..widths.len() - 1] {
            losses.push((
                format!("inner_mse_loss_{width}"),
                self.squared(below(width), target()),
            ));
        }
        losses
    }

    /// The loss that revives dead features.
    fn revival(
        &self,
        h: &Matrix,
        keys: &[f64],
        dead: &[usize],
        residual: Matrix,
        unscaled: impl Fn(Matrix) -> Matrix,
    ) -> Matrix {
        let (options, d_sae) = (self.options, self.shape.d_sae);
        let most = self.shape.d_in / 2;
        let openai = options.aux_loss_form == AuxLoss::OpenAi;
        let values = numbers(h.clone());
        let of_row = |row: usize| {
            let among = dead.iter().map(|j| row * d_sae + j).collect();
            self.largest(keys, among, most.min(dead.len()))
        };
        let chosen: Vec<usize> = (0..self.n).flat_map(of_row).collect();
        let chosen = self.mask(|at| chosen.contains(&at) && !(openai && values[at] < 0.0));
        let e = unscaled(h.clone() * chosen).matmul(self.w_dec());
        if dead.is_empty() {
            return self.squared(e, residual) * 0.0;
        }
        let weight = if openai {
            let centre = residual.clone().mean_dim(0);
            1.0 / numbers(self.squared(residual.clone(), centre))[0]
        } else {
            (dead.len() as f64 / most as f64).min(1.0)
        };
        self.squared(e, residual) * (options.aux_loss_coefficient * weight)
    }

    fn pursuit(&self) -> Matrix {
        let options = self.options;
        let Shape { d_in, d_sae, .. } = self.shape;
        let (centred, w_dec) = (self.centred(), self.w_dec());
        let mut total: Option<Matrix> = None;
        for row in 0..self.n {
            let start = centred.clone().slice([row..row + 1, 0..d_in]);
            let (mut residual, mut taken) = (start.clone(), vec![0.0; d_sae]);
            let mut out = start.zeros_like();
            for _ in 0..options.max_iterations.unwrap_or(d_in) {
                let keys = numbers(residual.clone().matmul(w_dec.clone().transpose()));
                let best = self.largest(&keys, (0..d_sae).collect(), 1)[0];
                self.decides([keys[best]]);
                let w = w_dec.clone().slice([best..best + 1, 0..d_in]);
                let v = (residual.clone() * w.clone()).sum_dim(1);
                let v = if keys[best] > 0.0 { v } else { v * 0.0 };
                let before = taken.clone();
                taken[best] += numbers(v.clone())[0];
                out = out + v.clone() * w.clone();
                residual = residual - v * w;
                let left = numbers(residual.clone().square().sum_dim(1))[0].sqrt();
                self.decides([left - options.residual_threshold]);
                let same = before
                    .iter()
                    .zip(&taken)
                    .all(|(a, b)| (*a != 0.0) == (*b != 0.0));
                if left < options.residual_threshold || options.stop_on_duplicate_support && same {
                    break;
                }
            }
            if self.is_centred() {
                out = out + self.leaf(3);
            }
            let off = out - self.target.clone().slice([row..row + 1, 0..d_in]);
            let squared = off.square().sum_dim(1);
            total = Some(match total {
                Some(total) => total + squared,
                None => squared,
            });
        }
        total.expect("a token") / self.n as f64
    }
}
