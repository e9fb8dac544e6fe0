//! Operands laid out as the inner loop reads them.
//!
//! The instruction multiplies pairs of numbers along the axis that is summed over. That axis is cut into blocks of 32, filled up with zeros.
//! x keeps its rows, twelve at a time, a block of each after the other; weights are turned, so that a line has the same pair of 16 outputs.

use crate::host::Number;
use crate::product::Operand;
use burn::tensor::bf16;
use std::arch::x86_64::{
    __m512i, _mm512_maskz_loadu_epi16, _mm512_setzero_si512, _mm512_shuffle_i32x4,
    _mm512_store_si512, _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32,
    _mm512_unpacklo_epi64,
};

/// Numbers of a block along the axis that is summed over.
pub(super) const BLOCK: usize = 32;
pub(super) const PAIRS: usize = BLOCK / 2;
/// Rows of x that the inner loop works on at once.
pub(super) const ROWS: usize = 12;
/// Registers of outputs that it works on at once.
pub(super) const HALVES: usize = 2;
/// Outputs in a register.
const LANES: usize = 16;
pub(super) const OUTS: usize = HALVES * LANES;

/// 16 pairs of bf16 numbers: one register, one line of the cache. The first number of a pair is the lower half of a word.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line([u32; LANES]);

pub(super) const ZEROS: Line = Line([0; LANES]);

/// A block of 32 of each of some rows.
pub(super) type XBlock = [Line; ROWS];
/// A block of 32 of each of some outputs, by pair.
pub(super) type WeightBlock = [[Line; HALVES]; PAIRS];

impl Line {
    #[inline(always)]
    #[allow(clippy::inline_always)] // compiled into the caller's vector code
    pub(super) fn words(&self) -> &[u32; LANES] {
        &self.0
    }

    /// The numbers in their order.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    fn numbers(&mut self) -> &mut [u16; BLOCK] {
        // SAFETY: as many bytes, any of which may be anything, with a smaller boundary; on this architecture the lower half is first.
        unsafe { &mut *(&raw mut self.0).cast() }
    }

    /// From numbers that are `stride` apart; zeros follow them.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) fn gather<E: Number>(&mut self, data: &[E], stride: usize, n: usize) {
        let line = self.numbers();
        if stride == 1 && n == BLOCK {
            let data: &[E; BLOCK] = data[..BLOCK].try_into().expect("as many");
            for (to, x) in line.iter_mut().zip(data) {
                *to = x.bf16_bits();
            }
            return;
        }
        for (i, to) in line.iter_mut().enumerate() {
            *to = if i < n {
                data[i * stride].bf16_bits()
            } else {
                0
            };
        }
    }
}

/// Rows from `first` on, rounded to bf16; those beyond the last are zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn rows<E: Number>(x: &Operand<'_, E>, first: usize, out: &mut [XBlock]) {
    let ([rows, n_in], [by_row, by_column]) = (x.dims, x.strides);
    for (block, out) in out.iter_mut().enumerate() {
        let start = block * BLOCK;
        for (i, line) in out.iter_mut().enumerate() {
            if first + i < rows {
                let data = &x.data[(first + i) * by_row + start * by_column..];
                line.gather(data, by_column, BLOCK.min(n_in - start));
            } else {
                *line = ZEROS;
            }
        }
    }
}

/// Outputs from `first` on; those beyond the last are zeros.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn outputs(weight: &Operand<'_, bf16>, first: usize, out: &mut [WeightBlock]) {
    match weight.strides {
        [by_output, 1] => turned(weight, by_output, first, out),
        [1, by_column] => zipped(weight, by_column, first, out),
        _ => gathered(weight, first, out),
    }
}

/// Of weights whose outputs are rows: 16 of them are turned at a time.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn turned(weight: &Operand<'_, bf16>, by_output: usize, first: usize, out: &mut [WeightBlock]) {
    let [n_out, n_in] = weight.dims;
    for half in 0..HALVES {
        let first = first + half * LANES;
        for (block, out) in out.iter_mut().enumerate() {
            let start = block * BLOCK;
            let width = BLOCK.min(n_in - start);
            let mut lines = [_mm512_setzero_si512(); LANES];
            for (i, line) in lines.iter_mut().enumerate() {
                if first + i < n_out {
                    let row = &weight.data[(first + i) * by_output + start..][..width];
                    let mask = u32::MAX >> (BLOCK - row.len());
                    // SAFETY: the mask has a bit for each number of the row.
                    *line = unsafe { _mm512_maskz_loadu_epi16(mask, row.as_ptr().cast()) };
                }
            }
            for (pair, line) in transpose(&lines).into_iter().enumerate() {
                // SAFETY: a line is 64 bytes on a boundary of 64.
                unsafe { _mm512_store_si512((&raw mut out[pair][half]).cast(), line) };
            }
        }
    }
}

/// Of weights whose columns are rows, as a transposed matrix has them: two of these rows make pairs.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn zipped(weight: &Operand<'_, bf16>, by_column: usize, first: usize, out: &mut [WeightBlock]) {
    let [n_out, n_in] = weight.dims;
    let width = OUTS.min(n_out - first);
    for (block, out) in out.iter_mut().enumerate() {
        for (pair, lines) in out.iter_mut().enumerate() {
            let at = block * BLOCK + 2 * pair;
            let mut words = [0_u32; OUTS];
            for (half, shift) in [(0, 0), (1, 16)] {
                if at + half < n_in {
                    let row = &weight.data[(at + half) * by_column + first..][..width];
                    for (word, x) in words.iter_mut().zip(row) {
                        *word |= u32::from(x.to_bits()) << shift;
                    }
                }
            }
            let (words, _) = words.as_chunks::<LANES>();
            for (line, words) in lines.iter_mut().zip(words) {
                line.0 = *words;
            }
        }
    }
}

/// Of weights that lie in any other way.
fn gathered(weight: &Operand<'_, bf16>, first: usize, out: &mut [WeightBlock]) {
    let ([n_out, n_in], [by_output, by_column]) = (weight.dims, weight.strides);
    let number = |output: usize, column: usize| {
        if output < n_out && column < n_in {
            u32::from(weight.data[output * by_output + column * by_column].to_bits())
        } else {
            0
        }
    };
    for (block, out) in out.iter_mut().enumerate() {
        for (pair, lines) in out.iter_mut().enumerate() {
            let column = block * BLOCK + 2 * pair;
            for (half, line) in lines.iter_mut().enumerate() {
                for (lane, word) in line.0.iter_mut().enumerate() {
                    let output = first + half * LANES + lane;
                    *word = number(output, column) | number(output, column + 1) << 16;
                }
            }
        }
    }
}

/// Word j of line i becomes word i of line j.
#[target_feature(enable = "avx512f")]
fn transpose(lines: &[__m512i; LANES]) -> [__m512i; LANES] {
    let zero = _mm512_setzero_si512();
    let (mut twos, mut fours, mut out) = ([zero; LANES], [zero; LANES], [zero; LANES]);
    for i in 0..8 {
        let (a, b) = (lines[2 * i], lines[2 * i + 1]);
        twos[2 * i] = _mm512_unpacklo_epi32(a, b);
        twos[2 * i + 1] = _mm512_unpackhi_epi32(a, b);
    }
    for i in 0..4 {
        let [a, b, c, d] = [0, 1, 2, 3].map(|k| twos[4 * i + k]);
        fours[4 * i] = _mm512_unpacklo_epi64(a, c);
        fours[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
        fours[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
        fours[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    // The quarter q of `fours[4·i + k]` has word 4·q + k of lines 4·i to 4·i + 3.
    for k in 0..4 {
        let [a, b, c, d] = [0, 4, 8, 12].map(|i| fours[i + k]);
        let even = [
            _mm512_shuffle_i32x4::<0x88>(a, b),
            _mm512_shuffle_i32x4::<0x88>(c, d),
        ];
        let odd = [
            _mm512_shuffle_i32x4::<0xdd>(a, b),
            _mm512_shuffle_i32x4::<0xdd>(c, d),
        ];
        out[k] = _mm512_shuffle_i32x4::<0x88>(even[0], even[1]);
        out[4 + k] = _mm512_shuffle_i32x4::<0x88>(odd[0], odd[1]);
        out[8 + k] = _mm512_shuffle_i32x4::<0xdd>(even[0], even[1]);
        out[12 + k] = _mm512_shuffle_i32x4::<0xdd>(odd[0], odd[1]);
    }
    out
}
