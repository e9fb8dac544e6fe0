//! Dead features that learn to reconstruct what the others leave.
//!
//! They are gathered into matrices of their own, so that few dead features cost little. Their number is rounded up, so that shapes
//! change seldom; what is added is a feature that is never selected.

use super::batch::{Batch, Piece};
use super::select::row_bars;
use super::sums::{Sums, ones, total};
use super::topk::keys;
use super::weights::{Gradient, add};
use crate::architecture::TrainArchitecture;
use crate::options::{AuxLoss, TrainOptions};
use crate::weights::Shape;
use burn::tensor::{DType, Device, Int, Tensor, TensorData};

/// Numbers of dead features are multiples of this.
const MULTIPLE: usize = 256;

/// What dead features do in a step.
#[derive(Debug)]
pub(super) struct Revival(Vec<Group>);

/// Dead features that are revived together.
#[derive(Debug)]
struct Group {
    /// Which of the errors they reconstruct.
    error: usize,
    n_dead: usize,
    k: usize,
    weight: f64,
    /// The features, `[padded]`.
    dead: Tensor<1, Int>,
    /// Where in these each feature is, `[d_sae]`; the last, which is never selected, where it is not.
    places: Tensor<1, Int>,
    /// 1 where there is a feature, `[1, padded]`.
    there: Tensor<2>,
    w_dec: Option<Tensor<2>>,
    of_w_enc: Option<Tensor<2>>,
    of_w_dec: Option<Tensor<2>>,
    product: Option<Tensor<2>>,
    squared: Option<Tensor<2>>,
    /// Σ of what is left, `[1, d_out]`, and of its squares, `[1, 1]`, for its variance.
    left: [Option<Tensor<2>>; 2],
}

impl Revival {
    /// `widths` are the ends of groups of features; they are revived on their own if the options say so.
    pub(super) fn new(
        options: &TrainOptions,
        shape: Shape,
        widths: &[usize],
        dead: &[bool],
        device: &Device,
    ) -> Self {
        let own = options.use_matryoshka_aux_loss
            && options.architecture == TrainArchitecture::MatryoshkaBatchTopK;
        let mut groups = Vec::new();
        let mut start = 0;
        for (error, &end) in widths.iter().enumerate() {
            if !own && end != shape.d_sae {
                continue;
            }
            let of: Vec<usize> = (start..end).filter(|&j| dead[j]).collect();
            start = end;
            let most = shape.d_in / 2;
            let k = most.min(of.len());
            if k == 0 {
                continue;
            }
            let rare = match options.aux_loss_form {
                AuxLoss::SaeLens => (of.len() as f64 / most as f64).min(1.0),
                AuxLoss::OpenAi => 1.0,
            };
            groups.push(Group::new(
                (error, k, options.aux_loss_coefficient * rare),
                &of,
                shape.d_sae,
                device,
            ));
        }
        Self(groups)
    }

    /// Some tokens, whose errors are those of each group of features, unscaled.
    pub(super) fn piece(
        &mut self,
        batch: &Batch<'_>,
        piece: &Piece,
        h: &Tensor<2>,
        errors: &[Tensor<2>],
    ) {
        for group in &mut self.0 {
            group.piece(batch, piece, h, &errors[group.error]);
        }
    }

    /// Adds the gradients. Returns the loss, summed over tokens, `[1, 1]`.
    pub(super) fn finish(
        self,
        batch: &Batch<'_>,
        gradient: &mut Gradient,
        sums: &mut Sums,
    ) -> Option<Tensor<2>> {
        let mut loss = None;
        for group in self.0 {
            if let Some(of_group) = group.finish(batch, gradient, sums) {
                add(&mut loss, of_group);
            }
        }
        loss
    }
}

impl Group {
    fn new(
        (error, k, weight): (usize, usize, f64),
        features: &[usize],
        d_sae: usize,
        device: &Device,
    ) -> Self {
        let n = features.len();
        let padded = (n + 1).next_multiple_of(MULTIPLE);
        let mut places = vec![(padded - 1) as i32; d_sae];
        for (place, &j) in features.iter().enumerate() {
            places[j] = place as i32;
        }
        let padding = std::iter::repeat_n(features[0], padded - n);
        let dead: Vec<i32> = features
            .iter()
            .copied()
            .chain(padding)
            .map(|j| j as i32)
            .collect();
        let there: Vec<f32> = (0..padded).map(|i| f32::from(u8::from(i < n))).collect();
        let whole = |x: Vec<i32>| {
            let n = x.len();
            Tensor::from_data(TensorData::new(x, [n]), (device, DType::I32))
        };
        Self {
            error,
            n_dead: n,
            k,
            weight,
            dead: whole(dead),
            places: whole(places),
            there: super::weights::upload(there, padded, device),
            w_dec: None,
            of_w_enc: None,
            of_w_dec: None,
            product: None,
            squared: None,
            left: [None, None],
        }
    }

    fn piece(&mut self, batch: &Batch<'_>, piece: &Piece, h: &Tensor<2>, errors: &Tensor<2>) {
        let product = batch.product;
        let w_dec = self.w_dec.get_or_insert_with(|| {
            let all = batch.weights.w_dec.clone();
            product.operand(all.select(0, self.dead.clone()))
        });
        let h = h.clone().select(1, self.dead.clone());
        let mut selected = if self.k < self.n_dead {
            let norms = batch.norms.clone().select(1, self.dead.clone());
            let keys = keys(batch, &h, &norms);
            // What is added repeats a feature, so that it moves no row's ends; then it goes below all.
            let least = keys.clone().min_dim(1);
            let there = self.there.clone();
            let keys = keys * there.clone() + least * there.neg().add_scalar(1.0);
            let bars = row_bars(&keys, self.k, false);
            ones(keys.greater(bars)) * self.there.clone()
        } else {
            // All of them.
            h.ones_like() * self.there.clone()
        };
        if batch.options.aux_loss_form == AuxLoss::OpenAi {
            selected = selected * ones(h.clone().greater_scalar(0.0));
            add(&mut self.left[0], errors.clone().sum_dim(0));
            add(&mut self.left[1], total(errors.clone().square()));
        }
        let values = product.operand(h * selected.clone());
        // What is left is −errors.
        let off = product.of(values.clone(), w_dec.clone()) + errors.clone();
        add(&mut self.squared, total(off.clone().square()));
        let off = product.operand(off);
        add(
            &mut self.of_w_dec,
            product.of(values.transpose(), off.clone()),
        );
        let dz = product.of(off, w_dec.clone().transpose()) * selected;
        add(&mut self.product, dz.clone().sum_dim(0));
        add(
            &mut self.of_w_enc,
            product.of(dz.transpose(), piece.input.clone()),
        );
    }

    fn finish(
        self,
        batch: &Batch<'_>,
        gradient: &mut Gradient,
        sums: &mut Sums,
    ) -> Option<Tensor<2>> {
        let tokens = batch.rows as f64;
        let squared = self.squared?;
        let weight = match self.left {
            [Some(sum), Some(squares)] => {
                // Mean over tokens of the squared distance to the mean token.
                let mean = total(sum.square()).div_scalar(tokens);
                let variance = (squares - mean).div_scalar(tokens).clamp_min(1e-12);
                variance.recip().mul_scalar(self.weight)
            }
            _ => squared.full_like(self.weight),
        };
        let by = weight.clone().mul_scalar(2.0 / tokens);
        let rows = |part: Tensor<2>| (part * by.clone()).select(0, self.places.clone());
        if let Some(part) = self.of_w_dec {
            add(&mut gradient.w_dec, rows(part));
        }
        if let Some(part) = self.of_w_enc {
            add(&mut gradient.w_enc, rows(part));
        }
        if let Some(part) = self.product {
            let part = (part * by.clone()).select(1, self.places.clone());
            add(&mut sums.product, part);
        }
        Some(weight * squared)
    }
}
