//! An activation taken apart: what each feature writes, what the SAE writes without them, and what it leaves out.

use crate::placed::flat;
use crate::{PlacedSae, Trunk};
use burn::tensor::{DType, FloatDType, Tensor, TensorData};
use sae_core::{Active, DecodeState};

/// Features whose writes exist at a time.
const AT_ONCE: usize = 4096;

/// The activation at an SAE's write point in one run: Σ features + bias + error.
pub(crate) struct Nodes {
    /// The features that fire, position after position.
    pub(crate) active: Vec<Active>,
    state: DecodeState,
    /// `[p, d_out]`, what the features and the bias make.
    decoded: Tensor<2>,
    /// `[p, d_out]`, what is there.
    pub(crate) target: Tensor<2>,
}

impl Nodes {
    /// Takes apart what a run that kept the SAE's points has there.
    pub(crate) fn of(placed: &PlacedSae, run: &Trunk) -> Self {
        let PlacedSae { place, sae } = placed;
        let input = place.take(run.activation(place.read()));
        let target = flat(place.take(run.activation(place.write())));
        let [_, p, _] = input.dims();
        let encoded = sae.encode_sparse(input);
        let decoded = flat(sae.decode_sparse(&encoded, p));
        let active = (0..p).flat_map(|row| {
            let entries = encoded.features.entries(row);
            entries.map(move |(feature, value)| Active {
                row,
                feature: feature as u32,
                value,
            })
        });
        Self {
            active: active.collect(),
            decoded: decoded.cast(FloatDType::F32),
            target: target.cast(FloatDType::F32),
            state: encoded.state,
        }
    }

    /// What each active feature writes, times a gradient or direction at its position.
    ///
    /// # Shapes
    /// `gradient`: `[p, d_out]` → one number for each of `active`.
    pub(crate) fn effects(&self, placed: &PlacedSae, gradient: &Tensor<2>) -> Vec<f64> {
        let mut effects = Vec::with_capacity(self.active.len());
        let gradient = gradient.clone().cast(FloatDType::F32);
        for some in self.active.chunks(AT_ONCE) {
            let written = placed.sae.contributions(some, &self.state);
            let rows: Vec<usize> = some.iter().map(|a| a.row).collect();
            let products =
                written.cast(FloatDType::F32) * crate::steer::rows(gradient.clone(), &rows);
            let sums = products.sum_dim(1).into_data();
            effects.extend(sums.iter::<f32>().map(f64::from));
        }
        effects
    }

    /// What each active feature writes.
    ///
    /// # Shapes
    /// → `[active.len(), d_out]`
    pub(crate) fn contributions(&self, placed: &PlacedSae, active: &[Active]) -> Tensor<2> {
        placed.sae.contributions(active, &self.state)
    }

    /// What the SAE leaves out, times a gradient, by position.
    pub(crate) fn error(&self, gradient: &Tensor<2>) -> Vec<f64> {
        by_position(self.target.clone() - self.decoded.clone(), gradient)
    }

    /// What features and bias make together, times a gradient, by position.
    pub(crate) fn decoded(&self, gradient: &Tensor<2>) -> Vec<f64> {
        by_position(self.decoded.clone(), gradient)
    }

    /// What features and bias make at a position, `[1, d_out]`.
    pub(crate) fn decoded_at(&self, position: usize) -> Tensor<2> {
        self.decoded.clone().narrow(0, position, 1)
    }

    /// The activations of a feature, by position.
    pub(crate) fn values_of(&self, feature: u32) -> Vec<(usize, f32)> {
        let own = self.active.iter().filter(|a| a.feature == feature);
        own.map(|a| (a.row, a.value)).collect()
    }

    /// What a feature writes at each position.
    ///
    /// # Shapes
    /// → `[p, d_out]`
    pub(crate) fn written(&self, placed: &PlacedSae, feature: u32) -> Tensor<2> {
        let [p, _] = self.target.dims();
        let mut values = vec![0.0_f32; p];
        for (row, value) in self.values_of(feature) {
            values[row] = value;
        }
        let device = placed.sae.device();
        let values = TensorData::new(values, [p, 1]);
        let values = Tensor::<2>::from_data(values, (&device, DType::F32));
        placed.sae.decode_change(values, &[feature], &self.state)
    }
}

/// The product of rows with those of a gradient.
pub(crate) fn by_position(x: Tensor<2>, gradient: &Tensor<2>) -> Vec<f64> {
    let products = x.cast(FloatDType::F32) * gradient.clone().cast(FloatDType::F32);
    let sums = products.sum_dim(1).into_data();
    sums.iter::<f32>().map(f64::from).collect()
}
