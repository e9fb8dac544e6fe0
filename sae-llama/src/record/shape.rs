//! The axes of activations in a file.

use burn::tensor::{Tensor, TensorData};
use sae_core::{Architecture, ReshapeActivations, SaeConfig};

/// Which axis is the sequence, for an SAE that looks at more than one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sequence {
    /// The last but the width, of this length.
    Axis(usize),
    /// The only one, `[t, d_in]`, so that all tokens must be seen at once.
    All,
    /// The only one, but tokens are independent.
    None,
}

/// How the input's axes map to `[sequences, positions, d_in]`.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    /// The first axis, along which batches are taken.
    pub(super) rows: usize,
    /// The product of the axes between the first and the last.
    pub(super) positions: usize,
    /// The axes between.
    middle: Vec<usize>,
    pub(super) sequence: Sequence,
    /// Width of a head, where the last axis is heads.
    pub(super) d_head: Option<usize>,
}

impl Shape {
    pub(super) fn new(shape: &[usize], cfg: &SaeConfig) -> Result<Self, String> {
        let (width, d_head, rest) = match (cfg.reshape_activations, shape) {
            (ReshapeActivations::HookZ, [rest @ .., heads, d_head])
                if heads * d_head == cfg.d_in =>
            {
                (cfg.d_in, Some(*d_head), rest)
            }
            (_, [rest @ .., width]) => (*width, None, rest),
            (_, []) => return Err("has no axes".to_owned()),
        };
        if width != cfg.d_in {
            return Err(format!(
                "has shape {shape:?}, the SAE reads activations of width {}",
                cfg.d_in
            ));
        }
        let [rows, middle @ ..] = rest else {
            return Err(format!(
                "has shape {shape:?}, expected at least one axis of tokens"
            ));
        };
        let positions = middle.iter().product();
        if *rows == 0 || positions == 0 {
            return Err(format!("has shape {shape:?}: there are no activations"));
        }
        Ok(Self {
            rows: *rows,
            positions,
            middle: middle.to_vec(),
            sequence: match (middle.last(), &cfg.architecture) {
                (Some(&n), _) => Sequence::Axis(n),
                (None, Architecture::Temporal(_)) => Sequence::All,
                (None, _) => Sequence::None,
            },
            d_head,
        })
    }

    /// The shape in which the SAE gets `rows` of the first axis.
    pub(super) fn batch(&self, rows: usize, d_in: usize) -> [usize; 3] {
        match self.sequence {
            Sequence::Axis(n) => [rows * self.positions / n, n, d_in],
            Sequence::All => [1, rows, d_in],
            Sequence::None => [rows, 1, d_in],
        }
    }

    /// A batch's result in the input's axes.
    pub(super) fn restore(&self, x: Tensor<3>, width: usize, d_head: Option<usize>) -> TensorData {
        let [sequences, positions, _] = x.dims();
        let rows = sequences * positions / self.positions;
        let (bytes, _, dtype) = x.into_data().into_parts();
        let last = match d_head {
            Some(d_head) if width.is_multiple_of(d_head) => vec![width / d_head, d_head],
            _ => vec![width],
        };
        let shape = [vec![rows], self.middle.clone(), last].concat();
        TensorData::from_bytes(bytes, shape, dtype)
    }
}
