//! A causal model and an SAE small enough to be computed by definition, in tensors and again in plain f64.

#![allow(dead_code, unreachable_pub)] // each test binary uses its own part

pub mod definition;

use burn::tensor::{DType, Device, Int, Tensor, TensorData};
use sae_metrics::{Autoencoder, Features, Prefix, Reconstruction, SparseRows, Splice, SplitModel};
use std::cell::Cell;
use std::ops::Range;

pub const VOCAB: usize = 23;
pub const WIDTH: usize = 6;
pub const D_SAE: usize = 17;

/// Numbers in −1..1 that are the same everywhere.
pub fn noise(seed: u64, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// `n` rows of `length` tokens, the first of each row 0.
pub fn rows(seed: u64, n: usize, length: usize) -> Vec<Vec<u32>> {
    let tokens = noise(seed, n * length);
    let tokens = tokens.chunks(length).map(|row| {
        let mut row: Vec<u32> = row
            .iter()
            .map(|x| ((x + 1.0) * 0.5 * VOCAB as f32) as u32 % VOCAB as u32)
            .collect();
        row[0] = 0;
        row
    });
    tokens.collect()
}

pub fn ok(
    rows: &[Vec<u32>],
) -> impl Iterator<Item = Result<Vec<u32>, std::convert::Infallible>> + '_ {
    rows.iter().cloned().map(Ok)
}

/// x = embedding[token]; the suffix averages each position with all before it, takes tanh, and normalises. Without biases, so
/// that zeros stay zeros.
pub struct ToyModel {
    pub embedding: Vec<f32>,
    pub unembedding: Vec<f32>,
    pub prefixes: Cell<usize>,
    pub suffixes: Cell<usize>,
    pub most_logits: Cell<usize>,
}

impl ToyModel {
    pub fn new() -> Self {
        Self {
            embedding: noise(1, VOCAB * WIDTH)
                .iter()
                .map(|x| 2.0 * x + 0.7)
                .collect(),
            unembedding: noise(2, WIDTH * VOCAB).iter().map(|x| 3.0 * x).collect(),
            prefixes: Cell::new(0),
            suffixes: Cell::new(0),
            most_logits: Cell::new(0),
        }
    }
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(
        TensorData::new(values, shape),
        (&Device::flex(), DType::F32),
    )
}

impl SplitModel for ToyModel {
    type Resume = Tensor<3>;

    fn prefix(&self, tokens: Tensor<2, Int>) -> Prefix<Tensor<3>> {
        self.prefixes.set(self.prefixes.get() + 1);
        let [b, p] = tokens.dims();
        let embedding = tensor(self.embedding.clone(), [VOCAB, WIDTH]);
        let x = embedding
            .select(0, tokens.reshape([b * p]))
            .reshape([b, p, WIDTH]);
        Prefix::new(x.clone(), x)
    }

    fn suffix(&self, resume: &Tensor<3>, edits: Vec<Splice>) -> Vec<Tensor<3>> {
        let edited = |edit| match edit {
            Splice::Keep => resume.clone(),
            Splice::Replace(x) => x,
            Splice::Zero => resume.zeros_like(),
        };
        edits
            .into_iter()
            .map(edited)
            .map(|x| self.rest(x))
            .collect()
    }

    fn logits(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        let values = normed.dims()[0] * entries.len();
        self.most_logits.set(self.most_logits.get().max(values));
        let unembedding = tensor(self.unembedding.clone(), [WIDTH, VOCAB]);
        normed.matmul(unembedding.narrow(1, entries.start, entries.len()))
    }

    fn vocab_size(&self) -> usize {
        VOCAB
    }

    fn device(&self) -> Device {
        Device::flex()
    }
}

impl ToyModel {
    fn rest(&self, x: Tensor<3>) -> Tensor<3> {
        self.suffixes.set(self.suffixes.get() + 1);
        let [b, p, _] = x.dims();
        let average: Vec<f32> = (0..p * p)
            .map(|i| {
                if i % p <= i / p {
                    1.0 / (i / p + 1) as f32
                } else {
                    0.0
                }
            })
            .collect();
        let average = tensor(average, [1, p, p]).expand([b, p, p]);
        let mixed = (x.clone() + average.matmul(x)).tanh();
        let scale = (mixed.clone().square().mean_dim(2) + 1e-5).sqrt();
        mixed / scale
    }
}

/// A standard SAE, or a transcoder of it, its features sparse or dense.
pub struct ToySae {
    pub encoder: Vec<f32>,
    pub encoder_bias: Vec<f32>,
    pub decoder: Vec<f32>,
    pub dense: bool,
}

impl ToySae {
    pub fn new(dense: bool) -> Self {
        // Biases that leave a few features dead and keep most tokens sparse.
        let encoder_bias = noise(4, D_SAE).iter().map(|x| 1.5 * x - 1.0).collect();
        Self {
            encoder: noise(3, WIDTH * D_SAE),
            encoder_bias,
            decoder: noise(5, D_SAE * WIDTH),
            dense,
        }
    }
}

impl Autoencoder for ToySae {
    fn d_in(&self) -> usize {
        WIDTH
    }

    fn d_sae(&self) -> usize {
        D_SAE
    }

    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction {
        let encoder = tensor(self.encoder.clone(), [1, WIDTH, D_SAE]);
        let bias = tensor(self.encoder_bias.clone(), [1, 1, D_SAE]);
        let features = (x.matmul(encoder) + bias).clamp_min(0.0);
        let decoded = features
            .clone()
            .matmul(tensor(self.decoder.clone(), [1, D_SAE, WIDTH]));
        let features = if self.dense {
            Features::Dense(features)
        } else {
            Features::Sparse(sparse(features))
        };
        Reconstruction::new(features, decoded)
    }
}

fn sparse(features: Tensor<3>) -> SparseRows {
    let [_, _, d_sae] = features.dims();
    let values: Vec<f32> = features.into_data().try_into_vec().unwrap();
    SparseRows::from_dense(&values, d_sae)
}

/// Claims to read one dimension less than the model has.
pub struct Narrow(pub ToySae);

impl Autoencoder for Narrow {
    fn d_in(&self) -> usize {
        WIDTH - 1
    }

    fn d_sae(&self) -> usize {
        self.0.d_sae()
    }

    fn reconstruct(&self, x: Tensor<3>) -> Reconstruction {
        self.0.reconstruct(x)
    }
}

/// The toy model with a write point of its own, whose activation is twice the one at the read point.
pub struct ToyTranscoded(pub ToyModel);

impl SplitModel for ToyTranscoded {
    type Resume = Tensor<3>;

    fn prefix(&self, tokens: Tensor<2, Int>) -> Prefix<Tensor<3>> {
        let prefix = self.0.prefix(tokens);
        let target = prefix.input.clone() * 2.0;
        prefix.with_target(target)
    }

    fn suffix(&self, resume: &Tensor<3>, edits: Vec<Splice>) -> Vec<Tensor<3>> {
        let halved = edits.into_iter().map(|edit| match edit {
            Splice::Replace(x) => Splice::Replace(x * 0.5),
            other => other,
        });
        self.0.suffix(resume, halved.collect())
    }

    fn logits(&self, normed: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        self.0.logits(normed, entries)
    }

    fn vocab_size(&self) -> usize {
        self.0.vocab_size()
    }

    fn device(&self) -> Device {
        self.0.device()
    }
}
