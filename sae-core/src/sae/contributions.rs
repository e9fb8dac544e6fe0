//! The contributions of single features to the output.

use super::Sae;
use super::norm::{DecodeState, Norm};
use super::topk::to_f32;
use burn::tensor::{DType, Int, Tensor, TensorData};

/// A feature that is active on a row of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Active {
    /// Which of the `b·p` positions, row after row.
    pub row: usize,
    /// Which of `d_sae`.
    pub feature: u32,
    /// Its activation.
    pub value: f32,
}

impl Sae {
    /// The vector that each feature adds to the output, in the units of the output: `value · W_dec[feature]`, with decoder norms divided out where
    /// features are in units of these, and scaled back as the output is. The contributions of all active features of a row and the output
    /// of no features sum to [`decode`](Self::decode); taking one away from an activation is removing the feature and nothing else.
    ///
    /// # Shapes
    /// `state`: of the encoding of `[b, p, d_in]` → `[active.len(), d_out]`, in the SAE's dtype.
    ///
    /// # Panics
    /// If a feature is not below `d_sae`, or a row is not one of those encoded where the SAE scales each by itself.
    pub fn contributions(&self, active: &[Active], state: &DecodeState) -> Tensor<2> {
        let device = self.device();
        if active.is_empty() {
            return Tensor::zeros([0, self.cfg.d_out], (&device, DType::from(self.dtype)));
        }
        let select = |index: &dyn Fn(&Active) -> usize| {
            let indices: Vec<i32> = active.iter().map(|a| index(a) as i32).collect();
            Tensor::<1, Int>::from_ints(indices.as_slice(), &device)
        };
        let norms = self.rescaling().map(to_f32);
        let value = |a: &Active| match &norms {
            Some(norms) => a.value / norms[a.feature as usize],
            None => a.value,
        };
        let values = TensorData::new(active.iter().map(value).collect(), [active.len(), 1]);
        let values = Tensor::<2>::from_data(values, (&device, DType::F32)).cast(self.dtype);
        let written = self
            .w_dec
            .clone()
            .select(0, select(&|a| a.feature as usize))
            * values;
        let of_row = |x: &Tensor<3>| {
            let [b, p, _] = x.dims();
            x.clone().reshape([b * p, 1]).select(0, select(&|a| a.row))
        };
        match &state.norm {
            Norm::None => written,
            Norm::Scale(factor) => written / of_row(factor),
            Norm::Constant(factor) => written / *factor,
            Norm::MeanStd { std, .. } => written * of_row(std),
        }
    }
}
