//! Tensors of the CPU backend as slices, and work on them split over threads.

mod number;

pub(crate) use number::{Format, Number, common, format};

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

/// Elements of a piece of a tensor whose rows do not matter.
const CHUNK: usize = 1024;
/// Elements below which handing work to another thread costs more than it saves.
const MIN_PER_THREAD: usize = 1 << 14;

/// A tensor of the CPU backend, by its numbers and where they lie.
pub(crate) struct HostTensor<const D: usize, E = f32> {
    tensor: FlexTensor,
    numbers: PhantomData<E>,
}

impl<const D: usize, E: Number> HostTensor<D, E> {
    /// # Panics
    /// If the tensor is not of this [`format`].
    pub(crate) fn new(x: Tensor<D>) -> Self {
        let tensor = x
            .try_into_primitive::<Flex>()
            .expect("the caller has asked whether it is on the host");
        assert_eq!(
            tensor.dtype(),
            E::DTYPE,
            "the caller has asked for the format"
        );
        Self::of(tensor)
    }

    fn of(tensor: FlexTensor) -> Self {
        Self {
            tensor,
            numbers: PhantomData,
        }
    }

    /// As [`new`](Self::new), its last axis without gaps: copied where it has some.
    pub(crate) fn with_whole_rows(x: Tensor<D>) -> Self {
        let x = Self::new(x);
        if x.strides()[D - 1] == 1 || x.dims()[D - 1] == 1 {
            x
        } else {
            x.into_contiguous()
        }
    }

    /// Without gaps, in row-major order: copied where it is not.
    pub(crate) fn into_contiguous(self) -> Self {
        if self.tensor.is_contiguous() {
            return self;
        }
        Self::of(self.tensor.to_contiguous())
    }

    /// The same numbers in f32, without gaps.
    pub(crate) fn widened(self) -> HostTensor<D> {
        let x = self.into_contiguous();
        let (dims, values) = (x.dims(), x.as_slice());
        let wide = filled_rows(values.len() / CHUNK, CHUNK, |row, out| {
            vectorised(|| {
                for (out, x) in out.iter_mut().zip(&values[row * CHUNK..]) {
                    out.write(x.wide());
                }
            });
        });
        let mut wide = wide;
        let done = wide.len();
        wide.extend(values[done..].iter().map(|x| x.wide()));
        HostTensor::new(tensor(wide, dims))
    }

    pub(crate) fn dims(&self) -> [usize; D] {
        std::array::from_fn(|axis| self.tensor.layout().shape()[axis])
    }

    /// In elements; never negative here, as nothing in these operations flips an axis.
    pub(crate) fn strides(&self) -> [usize; D] {
        std::array::from_fn(|axis| {
            usize::try_from(self.tensor.layout().strides()[axis]).expect("no axis is flipped")
        })
    }

    /// Everything from the tensor's first element on; [`strides`](Self::strides) say where the others are.
    pub(crate) fn data(&self) -> &[E] {
        &E::storage(&self.tensor)[self.tensor.layout().start_offset()..]
    }

    /// The elements of a tensor without gaps.
    pub(crate) fn as_slice(&self) -> &[E] {
        assert!(self.tensor.is_contiguous(), "was made contiguous");
        let n = self.tensor.layout().shape().num_elements();
        &self.data()[..n]
    }

    /// The elements for writing: in place where nobody else holds the tensor, else in a copy.
    pub(crate) fn into_vec(self) -> Vec<E> {
        let data = self.tensor.into_data();
        data.try_into_vec().expect("the tensor is of this format")
    }
}

/// A tensor of the CPU backend around a vector, which is not copied.
pub(crate) fn tensor<const D: usize, E: Number>(values: Vec<E>, dims: [usize; D]) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(FlexTensor::from_data(TensorData::new(values, dims)))
}

/// A vector of `n_rows · width` values, each row written by `fill(row, place)`, rows in parallel where there is enough to do.
///
/// `fill` writes every element of its row.
pub(crate) fn filled_rows<E: Number>(
    n_rows: usize,
    width: usize,
    fill: impl Fn(usize, &mut [MaybeUninit<E>]) + Sync,
) -> Vec<E> {
    let mut values = Vec::with_capacity(n_rows * width);
    let spare = &mut values.spare_capacity_mut()[..n_rows * width];
    for_each_row(spare, width, fill);
    // SAFETY: `fill` has written every element of every row.
    unsafe { values.set_len(n_rows * width) };
    values
}

/// Calls `f(row, its values)` for every row of `width` values, in parallel where there is enough to do.
pub(crate) fn for_each_row<T: Send>(
    values: &mut [T],
    width: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if width == 0 {
        return;
    }
    let rows_per_task = MIN_PER_THREAD.div_ceil(width);
    if values.len() <= rows_per_task * width {
        values
            .chunks_exact_mut(width)
            .enumerate()
            .for_each(|(row, place)| f(row, place));
    } else {
        values
            .par_chunks_exact_mut(width)
            .enumerate()
            .with_min_len(rows_per_task)
            .for_each(|(row, place)| f(row, place));
    }
}

/// Runs code compiled for the widest vectors this processor has. What it calls must be inlined to gain by it.
#[inline(always)]
#[allow(clippy::inline_always)] // the point is to be compiled into the caller's loop
pub(crate) fn vectorised<R>(f: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(f)
}
