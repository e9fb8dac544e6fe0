//! Rows of tokens, gathered into batches.

use super::error::ProtocolError;
use crate::masking::Masking;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::error::Error;

/// Rows of equal length, and which of their positions count.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    tokens: Vec<u32>,
    pub(super) row_length: usize,
    /// Positions that count in the statistics of activations and features.
    pub(super) in_statistics: Vec<bool>,
    /// Positions that the SAE replaces and whose losses count.
    pub(super) in_losses: Vec<bool>,
}

impl Batch {
    fn new(rows: &[Vec<u32>], masking: &Masking) -> Self {
        let row_length = rows[0].len();
        let tokens = rows.concat();
        let positions = tokens.iter().enumerate();
        let in_statistics =
            positions.map(|(i, &token)| masking.in_statistics(i % row_length, token));
        Self {
            in_statistics: in_statistics.collect(),
            in_losses: tokens
                .iter()
                .map(|&token| masking.in_losses(token))
                .collect(),
            tokens,
            row_length,
        }
    }

    pub(super) fn n_rows(&self) -> usize {
        self.tokens.len() / self.row_length
    }

    pub(super) fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// `[b, p]`.
    pub(super) fn tensor(&self, device: &Device) -> Tensor<2, Int> {
        let ids: Vec<i32> = self
            .tokens
            .iter()
            .map(|&token| token.cast_signed())
            .collect();
        Tensor::from_data(
            TensorData::new(ids, [self.n_rows(), self.row_length]),
            device,
        )
    }

    /// Whether a token follows in the same row.
    pub(super) fn has_next(&self, token: usize) -> bool {
        !(token + 1).is_multiple_of(self.row_length)
    }

    /// The token that follows each one; token 0 where none does.
    pub(super) fn next_tokens(&self) -> Vec<u32> {
        (0..self.tokens.len())
            .map(|token| {
                if self.has_next(token) {
                    self.tokens[token + 1]
                } else {
                    0
                }
            })
            .collect()
    }
}

/// Gathers rows into batches of at most `batch_size`, checking each. A row of another length than the last starts a new batch, and so does the
/// row after a cut. The batch after the cut has the rows that the one before it lacks, so that later batches are those of no cut.
pub(super) struct Batches<'a, I: Iterator> {
    rows: std::iter::Peekable<I>,
    next_row: u64,
    batch_size: usize,
    cut: Option<u64>,
    /// Rows of the batch that ended at the cut.
    before_cut: usize,
    vocab_size: usize,
    masking: &'a Masking,
}

impl<'a, E: Error + 'static, I: Iterator<Item = Result<Vec<u32>, E>>> Batches<'a, I> {
    pub(super) fn new(rows: I, batch_size: usize, vocab_size: usize, masking: &'a Masking) -> Self {
        Self {
            rows: rows.peekable(),
            next_row: 0,
            batch_size: batch_size.max(1),
            cut: None,
            before_cut: 0,
            vocab_size,
            masking,
        }
    }

    /// Lets a batch end after so many rows.
    pub(super) fn cut_after(self, rows: Option<u64>) -> Self {
        Self { cut: rows, ..self }
    }

    fn check(&self, tokens: &[u32]) -> Result<(), ProtocolError<E>> {
        let row = self.next_row;
        if tokens.is_empty() {
            return Err(ProtocolError::EmptyRow { row });
        }
        let vocab_size = self.vocab_size;
        match tokens
            .iter()
            .position(|&token| token as usize >= vocab_size)
        {
            None => Ok(()),
            Some(position) => Err(ProtocolError::UnknownToken {
                row,
                position,
                token: tokens[position],
                vocab_size,
            }),
        }
    }
}

impl<E: Error + 'static, I: Iterator<Item = Result<Vec<u32>, E>>> Iterator for Batches<'_, I> {
    type Item = Result<Batch, ProtocolError<E>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut batch: Vec<Vec<u32>> = Vec::new();
        let most = self.batch_size - std::mem::take(&mut self.before_cut);
        while batch.len() < most {
            if !batch.is_empty() && self.cut == Some(self.next_row) {
                self.before_cut = batch.len();
                break;
            }
            let fits = |row: &Result<Vec<u32>, E>| match (row, batch.first()) {
                (Ok(row), Some(first)) => row.len() == first.len(),
                _ => true,
            };
            let Some(row) = self.rows.next_if(fits) else {
                break;
            };
            let row = match row {
                Ok(row) => row,
                Err(source) => {
                    return Some(Err(ProtocolError::Rows {
                        row: self.next_row,
                        source,
                    }));
                }
            };
            if let Err(error) = self.check(&row) {
                return Some(Err(error));
            }
            self.next_row += 1;
            batch.push(row);
        }
        (!batch.is_empty()).then(|| Ok(Batch::new(&batch, self.masking)))
    }
}
