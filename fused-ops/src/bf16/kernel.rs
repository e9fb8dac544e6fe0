//! The inner loop: some rows of x times 32 outputs, all sums in registers.

use super::pack::{HALVES, Line, OUTS, ROWS, WeightBlock, XBlock};
use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_dpbf16_ps, _mm512_load_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_storeu_ps,
};

/// Sums of a block of rows and outputs; those of rows that do not exist are left as they are.
pub(super) type Tile = [[f32; OUTS]; ROWS];

/// sums + a·b, over 16 pairs: each lane adds the products of its two numbers.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn dot(sums: __m512, a: __m512i, b: __m512i) -> __m512 {
    // SAFETY: both types are 64 bytes that may hold anything.
    let [a, b] = [a, b].map(|x| unsafe { std::mem::transmute::<__m512i, __m512bh>(x) });
    _mm512_dpbf16_ps(sums, a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(line: &Line) -> __m512i {
    // SAFETY: a line is 64 bytes on a boundary of 64.
    unsafe { _mm512_load_si512(line.words().as_ptr().cast()) }
}

/// Of `rows` rows, at most [`ROWS`].
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
pub(super) fn tile(rows: usize, x: &[XBlock], weight: &[WeightBlock], tile: &mut Tile) {
    match rows {
        1 => sums::<1>(x, weight, tile),
        2 => sums::<2>(x, weight, tile),
        3 => sums::<3>(x, weight, tile),
        4 => sums::<4>(x, weight, tile),
        5 => sums::<5>(x, weight, tile),
        6 => sums::<6>(x, weight, tile),
        7 => sums::<7>(x, weight, tile),
        8 => sums::<8>(x, weight, tile),
        9 => sums::<9>(x, weight, tile),
        10 => sums::<10>(x, weight, tile),
        11 => sums::<11>(x, weight, tile),
        _ => sums::<ROWS>(x, weight, tile),
    }
}

/// With twelve rows, 24 sums and two lines of weights fill the registers but for those that numbers of x pass through; 24 sums also hide the
/// instruction's latency.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn sums<const R: usize>(x: &[XBlock], weight: &[WeightBlock], tile: &mut Tile) {
    let mut sums = [[_mm512_setzero_ps(); HALVES]; R];
    for (x, weight) in x.iter().zip(weight) {
        for (pair, [low, high]) in weight.iter().enumerate() {
            let weights = [load(low), load(high)];
            for row in 0..R {
                let x = _mm512_set1_epi32(x[row].words()[pair].cast_signed());
                for half in 0..HALVES {
                    sums[row][half] = dot(sums[row][half], weights[half], x);
                }
            }
        }
    }
    for (sums, row) in sums.iter().zip(tile) {
        let (halves, _) = row.as_chunks_mut::<16>();
        for (sums, half) in sums.iter().zip(halves) {
            // SAFETY: 16 numbers, on any boundary.
            unsafe { _mm512_storeu_ps(half.as_mut_ptr(), *sums) };
        }
    }
}
