//! The writers of each format, as takers of features.

use super::build::Sink;
use super::tokens::Spelling;
use anyhow::Result;
use burn::tensor::Tensor;
use sae_dashboard::Feature;
use sae_dashboard::export::ParquetWriter;
use sae_dashboard::export::neuronpedia::{BatchWriter, ExportWriter};
use sae_dashboard::page::PageWriter;
use sae_dashboard::weights::decoder_rows;

/// Directions that are on the host at a time.
const AT_ONCE: usize = 256;

/// The decoder directions of the features that are shown, in their order.
pub(super) struct Directions<'a> {
    w_dec: Tensor<2>,
    width: usize,
    /// Features whose directions are not on the host yet.
    left: &'a [u32],
    rows: Vec<f32>,
    /// Where in `rows` the next one begins.
    next: usize,
}

impl<'a> Directions<'a> {
    pub(super) fn of(w_dec: Tensor<2>, shown: &'a [u32]) -> Self {
        let [_, width] = w_dec.dims();
        Self {
            w_dec,
            width,
            left: shown,
            rows: Vec::new(),
            next: 0,
        }
    }

    fn next(&mut self) -> &[f32] {
        if self.next == self.rows.len() {
            let (some, left) = self.left.split_at(AT_ONCE.min(self.left.len()));
            (self.rows, self.next, self.left) = (decoder_rows(&self.w_dec, some), 0, left);
        }
        let row = &self.rows[self.next..][..self.width];
        self.next += self.width;
        row
    }
}

pub(super) struct Page<'a>(pub(super) PageWriter<'a, Spelling<'a>>);

impl Sink for Page<'_> {
    fn push(&mut self, feature: &Feature) -> Result<()> {
        Ok(self.0.push(feature.clone())?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(self.0.finish()?)
    }
}

pub(super) struct Batches<'a> {
    pub(super) writer: BatchWriter<'a, Spelling<'a>>,
    pub(super) directions: Directions<'a>,
}

impl Sink for Batches<'_> {
    fn push(&mut self, feature: &Feature) -> Result<()> {
        Ok(self.writer.push(feature, self.directions.next())?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(self.writer.finish()?)
    }
}

pub(super) struct Export<'a> {
    pub(super) writer: ExportWriter<'a, Spelling<'a>>,
    pub(super) directions: Directions<'a>,
}

impl Sink for Export<'_> {
    fn push(&mut self, feature: &Feature) -> Result<()> {
        Ok(self.writer.push(feature, self.directions.next(), &[])?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(self.writer.finish()?)
    }
}

pub(super) struct Tables<'a>(pub(super) ParquetWriter<'a, Spelling<'a>>);

impl Sink for Tables<'_> {
    fn push(&mut self, feature: &Feature) -> Result<()> {
        Ok(self.0.push(feature)?)
    }

    fn finish(self: Box<Self>) -> Result<()> {
        Ok(self.0.finish()?)
    }
}
