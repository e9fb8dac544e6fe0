//! Data whose features are known: sparse sums of planted directions.

use super::draws::Draws;

/// Planted directions, `G` of them.
///
/// A sample is Σ cⱼ·vⱼ + offset + noise, where each direction takes part with the same chance, and with a coefficient from 0.5 to 1.5.
/// Its target, for transcoders, is Σ cⱼ·uⱼ + offset + noise: the same coefficients, through another map.
#[derive(Debug, Clone)]
pub(crate) struct Planted {
    d_in: usize,
    d_out: usize,
    /// `[G, d_in]`, rows of length 1.
    inputs: Vec<f64>,
    /// `[G, d_out]`.
    outputs: Vec<f64>,
    /// `[d_out, d_in]`, which the target has besides, of the sample without offset; empty for none.
    linear: Vec<f64>,
    offset: [Vec<f64>; 2],
}

impl Planted {
    /// Directions that take part in a sample, on average.
    const ACTIVE: f64 = 3.0;
    /// Standard deviation of each number's noise: a sample's directions have length 1, its noise 0.1 or so.
    const NOISE: f64 = 0.02;

    pub(crate) fn new(n: usize, d_in: usize, d_out: usize, offset: f64, seed: u64) -> Self {
        let mut draws = Draws::new(seed);
        let [inputs, outputs] = [d_in, d_out].map(|d| {
            let mut rows = draws.normals(n * d);
            for row in rows.chunks_exact_mut(d) {
                let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                for x in row {
                    *x /= norm;
                }
            }
            rows
        });
        let offset = [d_in, d_out].map(|d| {
            let offsets = draws.normals(d).into_iter();
            offsets.map(|x| offset * x / (d as f64).sqrt()).collect()
        });
        Self {
            d_in,
            d_out,
            inputs,
            outputs,
            linear: Vec::new(),
            offset,
        }
    }

    /// Gives the target a part that is linear in the sample, and takes from the outputs what such a part could stand for.
    ///
    /// Otherwise skip connection and features could share the work in more than one way, and the planted outputs would not be the only
    /// right answer. What is linear in the sample is linear in the coefficients by a row of `inputs`ᵀ; the outputs are made orthogonal
    /// to these rows.
    pub(crate) fn with_linear_part(mut self, seed: u64) -> Self {
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for i in 0..self.d_in {
            let row = self.inputs.iter().skip(i).step_by(self.d_in).copied();
            let mut row: Vec<f64> = row.collect();
            orthogonalise(&mut row, &basis);
            let norm = row.iter().map(|x| x * x).sum::<f64>().sqrt();
            for x in &mut row {
                *x /= norm;
            }
            basis.push(row);
        }
        for i in 0..self.d_out {
            let column = self.outputs.iter().skip(i).step_by(self.d_out).copied();
            let mut column: Vec<f64> = column.collect();
            orthogonalise(&mut column, &basis);
            for (j, x) in column.iter().enumerate() {
                self.outputs[j * self.d_out + i] = *x;
            }
        }
        let scale = 0.5 / (self.d_in as f64).sqrt();
        self.linear = Draws::new(seed)
            .normals(self.d_out * self.d_in)
            .into_iter()
            .map(|x| x * scale)
            .collect();
        self
    }

    /// Samples and their targets, `[rows, d_in]` and `[rows, d_out]`.
    pub(crate) fn batch(&self, rows: usize, draws: &mut Draws) -> (Vec<f32>, Vec<f32>) {
        let (d_in, d_out) = (self.d_in, self.d_out);
        let chance = Self::ACTIVE / (self.inputs.len() / d_in) as f64;
        let (mut xs, mut ys) = (Vec::new(), Vec::new());
        for _ in 0..rows {
            let (mut x, mut y) = (vec![0.0; d_in], vec![0.0; d_out]);
            let directions = self.inputs.chunks_exact(d_in);
            for (v, u) in directions.zip(self.outputs.chunks_exact(d_out)) {
                if draws.unit() < chance {
                    let c = 0.5 + draws.unit();
                    x.iter_mut().zip(v).for_each(|(x, v)| *x += c * v);
                    y.iter_mut().zip(u).for_each(|(y, u)| *y += c * u);
                }
            }
            if !self.linear.is_empty() {
                for (y, row) in y.iter_mut().zip(self.linear.chunks_exact(d_in)) {
                    *y += row.iter().zip(&x).map(|(a, x)| a * x).sum::<f64>();
                }
            }
            for (row, (to, offset)) in [
                (x, (&mut xs, &self.offset[0])),
                (y, (&mut ys, &self.offset[1])),
            ] {
                let noisy = row.iter().zip(offset);
                to.extend(noisy.map(|(x, o)| (x + o + Self::NOISE * draws.normal()) as f32));
            }
        }
        (xs, ys)
    }

    /// What a decoder's rows are to find, `[G, d_out]`: for SAEs the directions of the samples, for transcoders those of the targets.
    ///
    /// With a skip connection, what it leaves of these: direction j of the target plus what the planted linear part makes of direction
    /// j of the sample, without what the skip connection makes of it.
    pub(crate) fn wanted(&self, transcoder: bool, w_skip: Option<&[f32]>) -> Vec<f64> {
        if !transcoder {
            return self.inputs.clone();
        }
        let mut wanted = self.outputs.clone();
        let Some(w_skip) = w_skip else {
            return wanted;
        };
        let left = self.linear.iter().zip(w_skip);
        let left: Vec<f64> = left.map(|(a, w)| a - f64::from(*w)).collect();
        let directions = self.inputs.chunks_exact(self.d_in);
        for (wanted, v) in wanted.chunks_exact_mut(self.d_out).zip(directions) {
            for (to, row) in wanted.iter_mut().zip(left.chunks_exact(self.d_in)) {
                *to += row.iter().zip(v).map(|(a, v)| a * v).sum::<f64>();
            }
        }
        wanted
    }
}

/// For each vector, the largest |cosine| that a row of the decoder has with it.
pub(crate) fn best_cosines(wanted: &[f64], w_dec: &[f32], d: usize) -> Vec<f64> {
    let cosine = |wanted: &[f64], row: &[f32]| {
        let (mut product, mut a, mut b) = (0.0, 0.0, 0.0);
        for (p, w) in wanted.iter().zip(row) {
            let w = f64::from(*w);
            product += p * w;
            a += p * p;
            b += w * w;
        }
        product.abs() / (a * b).sqrt().max(f64::MIN_POSITIVE)
    };
    let best = |wanted| {
        let rows = w_dec.chunks_exact(d);
        rows.map(|row| cosine(wanted, row)).fold(0.0, f64::max)
    };
    wanted.chunks_exact(d).map(best).collect()
}

/// Takes the part along each of some orthogonal vectors of length 1 away.
fn orthogonalise(vector: &mut [f64], basis: &[Vec<f64>]) {
    for b in basis {
        let along: f64 = vector.iter().zip(b).map(|(x, b)| x * b).sum();
        vector.iter_mut().zip(b).for_each(|(x, b)| *x -= along * b);
    }
}
