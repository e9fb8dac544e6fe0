//! Products of many rows. x is laid out once; each task lays out the weights of some outputs and takes them past some of the rows.

use super::MIN_PARALLEL;
use super::kernel::{Tile, tile};
use super::pack::{self, BLOCK, HALVES, OUTS, PAIRS, ROWS, WeightBlock, XBlock, ZEROS};
use super::place::Place;
use crate::host::Number;
use crate::product::Operand;
use burn::tensor::bf16;
use rayon::prelude::*;
use std::ops::Range;

/// Bytes of weights that a task lays out at a time at most: half of a core's second cache, the smaller ones of today.
const WEIGHT_BYTES: usize = 512 << 10;
/// More outputs at a time do not make x much less often read.
const MOST_OUTS: usize = 4 * OUTS;
/// Rows for which laying out weights costs a few hundredths of the product.
const LEAST_ROWS: usize = 8 * ROWS;
/// Tasks for each thread at least, where there is enough to do: they take different times.
const TASKS: usize = 4;

/// # Safety
/// The processor has the instructions, and nobody else writes to the place.
pub(super) unsafe fn product<X: Number, E: Number>(
    place: &Place<E>,
    x: Operand<'_, X>,
    weight: Operand<'_, bf16>,
) {
    let ([rows, n_in], [n_out, _]) = (x.dims, weight.dims);
    let parallel = rows * n_in * n_out >= MIN_PARALLEL;
    let work = Work {
        place,
        weight,
        x: laid_out(&x, parallel),
        rows,
        blocks: n_in.div_ceil(BLOCK),
    };
    let threads = if parallel {
        rayon::current_num_threads()
    } else {
        1
    };
    let [outs, rows_at_once] = sizes(rows, n_in, n_out, threads);
    let across = n_out.div_ceil(outs);
    let n = across * rows.div_ceil(rows_at_once);
    let task = |buffer: &mut Vec<WeightBlock>, task: usize| {
        let (first, start) = (task % across * outs, task / across * rows_at_once);
        let outputs = first..(first + outs).min(n_out);
        // SAFETY: the caller has found the instructions, and no two tasks share rows and outputs.
        unsafe { work.run(outputs, start..(start + rows_at_once).min(rows), buffer) };
    };
    if parallel {
        (0..n).into_par_iter().for_each_init(Vec::new, task);
    } else {
        let mut buffer = Vec::new();
        (0..n).for_each(|i| task(&mut buffer, i));
    }
}

/// Outputs and rows of a task.
fn sizes(rows: usize, n_in: usize, n_out: usize, threads: usize) -> [usize; 2] {
    let fit = WEIGHT_BYTES / (2 * n_in) / OUTS * OUTS;
    let share = n_out.div_ceil(TASKS * threads).next_multiple_of(OUTS);
    let outs = fit.min(share).clamp(OUTS, MOST_OUTS);
    let wanted = (2 * threads).div_ceil(n_out.div_ceil(outs));
    let rows = rows.div_ceil(wanted).next_multiple_of(ROWS);
    [outs, rows.max(LEAST_ROWS)]
}

fn laid_out<X: Number>(x: &Operand<'_, X>, parallel: bool) -> Vec<XBlock> {
    let [rows, n_in] = x.dims;
    let blocks = n_in.div_ceil(BLOCK);
    let mut out = vec![[ZEROS; ROWS]; rows.div_ceil(ROWS) * blocks];
    let fill = |(i, out): (usize, &mut [XBlock])| {
        // SAFETY: `product` is called only where the instructions are.
        unsafe { pack::rows(x, i * ROWS, out) };
    };
    if parallel {
        let parts = out.par_chunks_mut(blocks).enumerate();
        parts.with_min_len(4).for_each(fill);
    } else {
        out.chunks_mut(blocks).enumerate().for_each(fill);
    }
    out
}

struct Work<'a, E> {
    place: &'a Place<E>,
    weight: Operand<'a, bf16>,
    /// Blocks of [`ROWS`] rows one after the other.
    x: Vec<XBlock>,
    rows: usize,
    /// Blocks along the axis that is summed over.
    blocks: usize,
}

impl<E: Number> Work<'_, E> {
    /// `rows` begins at a multiple of [`ROWS`].
    ///
    /// # Safety
    /// The processor has the instructions, and nobody else writes to these outputs of these rows.
    unsafe fn run(&self, outputs: Range<usize>, rows: Range<usize>, buffer: &mut Vec<WeightBlock>) {
        let blocks = self.blocks;
        let panels = outputs.len().div_ceil(OUTS);
        if buffer.len() < panels * blocks {
            buffer.resize(panels * blocks, [[ZEROS; HALVES]; PAIRS]);
        }
        let buffer = &mut buffer[..panels * blocks];
        let starts = outputs.clone().step_by(OUTS);
        for (first, panel) in starts.clone().zip(buffer.chunks_mut(blocks)) {
            // SAFETY: the caller has found the instructions.
            unsafe { pack::outputs(&self.weight, first, panel) };
        }
        let mut sums: Tile = [[0.0; OUTS]; ROWS];
        for start in rows.clone().step_by(ROWS) {
            let n = ROWS.min(self.rows - start);
            let x = &self.x[start / ROWS * blocks..][..blocks];
            for (first, panel) in starts.clone().zip(buffer.chunks(blocks)) {
                let width = OUTS.min(outputs.end - first);
                // SAFETY: as above, and nobody else writes to these outputs of these rows.
                unsafe {
                    tile(n, x, panel, &mut sums);
                    for (i, sums) in sums[..n].iter().enumerate() {
                        self.place.put(start + i, first, &sums[..width]);
                    }
                }
            }
        }
    }
}
