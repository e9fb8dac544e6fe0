//! The number formats that operations on the host read and write. They compute in f32.

use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Element, Tensor, bf16};

/// A number as it lies in memory.
pub(crate) trait Number: Element + Copy + Default + Send + Sync {
    /// As burn names it.
    const DTYPE: DType;

    /// Exactly.
    fn wide(self) -> f32;

    /// To the nearest, ties to even. NaN stays NaN.
    fn narrow(x: f32) -> Self;

    /// The nearest bf16, as its bits.
    fn bf16_bits(self) -> u16;

    /// Everything that a tensor's storage holds.
    fn storage(tensor: &FlexTensor) -> &[Self];
}

impl Number for f32 {
    const DTYPE: DType = DType::F32;

    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled into the caller's vector code
    fn wide(self) -> f32 {
        self
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn narrow(x: f32) -> Self {
        x
    }

    /// Without branches and calls, so that loops over it become vector code.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn bf16_bits(self) -> u16 {
        const QUIET: u32 = 0x40;
        let bits = self.to_bits();
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        let chosen = if self.is_nan() {
            // Cut off, a NaN could become an infinity.
            (bits >> 16) | QUIET
        } else {
            rounded
        };
        chosen as u16
    }

    fn storage(tensor: &FlexTensor) -> &[Self] {
        tensor.storage()
    }
}

impl Number for bf16 {
    const DTYPE: DType = DType::BF16;

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn wide(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn narrow(x: f32) -> Self {
        Self::from_bits(x.bf16_bits())
    }

    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn bf16_bits(self) -> u16 {
        self.to_bits()
    }

    fn storage(tensor: &FlexTensor) -> &[Self] {
        tensor.storage()
    }
}

/// How a tensor's numbers can be read where they lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    F32,
    Bf16,
}

/// The format of a tensor that is on burn's CPU backend while no gradient is recorded; `None` of any other.
///
/// Only ever a choice between two ways to compute the same.
pub(crate) fn format<const D: usize>(x: &Tensor<D>) -> Option<Format> {
    if !sae_backend::is_host(&x.device()) {
        return None;
    }
    match x.dtype() {
        DType::F32 => Some(Format::F32),
        DType::BF16 => Some(Format::Bf16),
        _ => None,
    }
}

/// The format that all of these are in.
pub(crate) fn common<const N: usize>(formats: [Option<Format>; N]) -> Option<Format> {
    formats
        .iter()
        .all(|format| *format == formats[0])
        .then_some(formats[0])
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::Number;
    use burn::tensor::bf16;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rounds_as_the_half_crate_does(bits in any::<u32>()) {
            let x = f32::from_bits(bits);
            let (ours, theirs) = (<bf16 as Number>::narrow(x), bf16::from_f32(x));
            prop_assert_eq!(ours.is_nan(), x.is_nan());
            if !x.is_nan() {
                prop_assert_eq!(ours.to_bits(), theirs.to_bits());
            }
            let back = <bf16 as Number>::wide(theirs);
            prop_assert_eq!(back.to_bits(), theirs.to_f32().to_bits());
        }
    }

    #[test]
    fn ties_go_to_even_and_the_largest_to_infinity() {
        for (bits, expected) in [
            (0x3f80_8000, 0x3f80),
            (0x3f81_8000, 0x3f82),
            (0x3f80_8001, 0x3f81),
            (0x7f7f_ffff, 0x7f80),
            (0x7f80_0000, 0x7f80),
            (0x8000_0001, 0x8000),
            (0xff80_0001, 0xffc0),
        ] {
            assert_eq!(f32::from_bits(bits).bf16_bits(), expected, "{bits:x}");
        }
    }
}
