//! Weights on a device.

use crate::weights::{Shape, Weights};
use burn::tensor::{DType, Device, Tensor, TensorData};

/// As [`Weights`]. Vectors are matrices of one row; what an architecture does not have is `None`.
#[derive(Debug, Clone)]
pub(super) struct DeviceWeights {
    pub(super) w_enc: Tensor<2>,
    pub(super) b_enc: Tensor<2>,
    pub(super) w_dec: Tensor<2>,
    pub(super) b_dec: Tensor<2>,
    pub(super) threshold: Option<Tensor<2>>,
    pub(super) b_mag: Option<Tensor<2>>,
    pub(super) r_mag: Option<Tensor<2>>,
    pub(super) w_skip: Option<Tensor<2>>,
}

/// What has been gathered of a gradient.
#[derive(Debug, Default)]
pub(super) struct Gradient {
    pub(super) w_enc: Option<Tensor<2>>,
    pub(super) b_enc: Option<Tensor<2>>,
    pub(super) w_dec: Option<Tensor<2>>,
    pub(super) b_dec: Option<Tensor<2>>,
    pub(super) threshold: Option<Tensor<2>>,
    pub(super) b_mag: Option<Tensor<2>>,
    pub(super) r_mag: Option<Tensor<2>>,
    pub(super) w_skip: Option<Tensor<2>>,
}

/// A matrix of the host's numbers.
pub(super) fn upload(values: Vec<f32>, columns: usize, device: &Device) -> Tensor<2> {
    let rows = values.len() / columns;
    Tensor::from_data(
        TensorData::new(values, [rows, columns]),
        (device, DType::F32),
    )
}

/// The numbers of a tensor. This waits for the device.
///
/// # Panics
/// If the device fails.
pub(super) fn read(x: Tensor<2>) -> Vec<f32> {
    let data = x.into_data();
    data.try_into_vec().expect("the tensor is f32")
}

/// Adds to what has been gathered.
pub(super) fn add<const D: usize>(to: &mut Option<Tensor<D>>, x: Tensor<D>) {
    *to = Some(match to.take() {
        Some(sum) => sum + x,
        None => x,
    });
}

impl DeviceWeights {
    /// # Panics
    /// If the weights are of another shape.
    pub(super) fn upload(weights: &Weights, shape: Shape, device: &Device) -> Self {
        let Shape { d_in, d_out, d_sae } = shape;
        let at = |part: &Vec<f32>, columns| upload(part.clone(), columns, device);
        let some =
            |part: &Vec<f32>, columns| Some(part).filter(|p| !p.is_empty()).map(|p| at(p, columns));
        Self {
            w_enc: at(&weights.w_enc, d_in),
            b_enc: at(&weights.b_enc, d_sae),
            w_dec: at(&weights.w_dec, d_out),
            b_dec: at(&weights.b_dec, d_out),
            threshold: some(&weights.threshold, d_sae),
            b_mag: some(&weights.b_mag, d_sae),
            r_mag: some(&weights.r_mag, d_sae),
            w_skip: some(&weights.w_skip, d_in),
        }
    }

    pub(super) fn download(&self) -> Weights {
        let mut weights = Weights::default();
        for (to, from) in weights.parts_mut().into_iter().zip(self.parts()) {
            *to = from.map_or_else(Vec::new, |part| read(part.clone()));
        }
        weights
    }

    /// In the order of [`Weights::parts`].
    pub(super) fn parts(&self) -> [Option<&Tensor<2>>; 8] {
        [
            Some(&self.w_enc),
            Some(&self.b_enc),
            Some(&self.w_dec),
            Some(&self.b_dec),
            self.threshold.as_ref(),
            self.b_mag.as_ref(),
            self.r_mag.as_ref(),
            self.w_skip.as_ref(),
        ]
    }

    pub(super) fn parts_mut(&mut self) -> [Option<&mut Tensor<2>>; 8] {
        [
            Some(&mut self.w_enc),
            Some(&mut self.b_enc),
            Some(&mut self.w_dec),
            Some(&mut self.b_dec),
            self.threshold.as_mut(),
            self.b_mag.as_mut(),
            self.r_mag.as_mut(),
            self.w_skip.as_mut(),
        ]
    }
}

impl Gradient {
    pub(super) fn parts(&self) -> [Option<&Tensor<2>>; 8] {
        [
            self.w_enc.as_ref(),
            self.b_enc.as_ref(),
            self.w_dec.as_ref(),
            self.b_dec.as_ref(),
            self.threshold.as_ref(),
            self.b_mag.as_ref(),
            self.r_mag.as_ref(),
            self.w_skip.as_ref(),
        ]
    }

    pub(super) fn into_parts(self) -> [Option<Tensor<2>>; 8] {
        [
            self.w_enc,
            self.b_enc,
            self.w_dec,
            self.b_dec,
            self.threshold,
            self.b_mag,
            self.r_mag,
            self.w_skip,
        ]
    }
}
