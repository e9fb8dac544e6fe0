//! The value at a hook point.

use burn::tensor::{FloatDType, Tensor};

/// A tensor of rank 3 or 4, as [`HookPoint::rank`](crate::HookPoint::rank) says.
#[derive(Debug, Clone)]
pub enum Activation {
    /// `[b, p, …]`.
    R3(Tensor<3>),
    /// `[b, p, heads, …]`, or `[b, heads, query, key]`.
    R4(Tensor<4>),
}

impl Activation {
    /// The shape, outermost axis first.
    pub fn dims(&self) -> Vec<usize> {
        match self {
            Self::R3(x) => x.dims().to_vec(),
            Self::R4(x) => x.dims().to_vec(),
        }
    }

    /// The float dtype of the values.
    pub fn dtype(&self) -> FloatDType {
        match self {
            Self::R3(x) => x.dtype().into(),
            Self::R4(x) => x.dtype().into(),
        }
    }

    /// The tensor, if of rank 3.
    pub fn into_r3(self) -> Option<Tensor<3>> {
        match self {
            Self::R3(x) => Some(x),
            Self::R4(_) => None,
        }
    }

    /// The tensor, if of rank 4.
    pub fn into_r4(self) -> Option<Tensor<4>> {
        match self {
            Self::R3(_) => None,
            Self::R4(x) => Some(x),
        }
    }

    /// The same values in another float dtype.
    #[must_use]
    pub fn cast(self, dtype: FloatDType) -> Self {
        match self {
            Self::R3(x) => Self::R3(x.cast(dtype)),
            Self::R4(x) => Self::R4(x.cast(dtype)),
        }
    }

    /// `scale · x`; 0 ablates.
    #[must_use]
    pub fn scale(self, scale: f32) -> Self {
        match self {
            Self::R3(x) => Self::R3(x.mul_scalar(scale)),
            Self::R4(x) => Self::R4(x.mul_scalar(scale)),
        }
    }

    /// The values alone, without the record that leads to their gradient.
    #[must_use]
    pub fn inner(self) -> Self {
        match self {
            Self::R3(x) => Self::R3(x.inner()),
            Self::R4(x) => Self::R4(x.inner()),
        }
    }
}

impl From<Tensor<3>> for Activation {
    fn from(x: Tensor<3>) -> Self {
        Self::R3(x)
    }
}

impl From<Tensor<4>> for Activation {
    fn from(x: Tensor<4>) -> Self {
        Self::R4(x)
    }
}
