//! The writers of each format, as takers of features.

use super::Sink;
use crate::export::neuronpedia::{BatchWriter, Explanation, ExportWriter};
use crate::export::{ExportError, ParquetWriter};
use crate::labels::Label;
use crate::page::{PageWriter, Vocabulary};
use crate::weights::decoder_rows;
use crate::{Feature, SinkError};
use burn::tensor::Tensor;

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

pub(super) struct Page<'a, V: ?Sized>(pub(super) PageWriter<'a, V>);

impl<V: Vocabulary + ?Sized> Sink for Page<'_, V> {
    fn push(&mut self, feature: &Feature) -> Result<(), SinkError> {
        Ok(self.0.push(feature.clone())?)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(self.0.finish()?)
    }
}

pub(super) struct Batches<'a, V: ?Sized> {
    pub(super) writer: BatchWriter<'a, V>,
    pub(super) directions: Directions<'a>,
}

impl<V: Vocabulary + ?Sized> Sink for Batches<'_, V> {
    fn push(&mut self, feature: &Feature) -> Result<(), SinkError> {
        Ok(self.writer.push(feature, self.directions.next())?)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(self.writer.finish()?)
    }
}

pub(super) struct Export<'a, V: ?Sized> {
    pub(super) writer: ExportWriter<'a, V>,
    pub(super) directions: Directions<'a>,
    /// By ascending feature.
    pub(super) labels: &'a [Label],
}

impl<V: Vocabulary + ?Sized> Sink for Export<'_, V> {
    fn push(&mut self, feature: &Feature) -> Result<(), SinkError> {
        let at = self
            .labels
            .binary_search_by_key(&feature.index, |l| l.feature);
        let label = at.ok().map(|at| &self.labels[at]);
        // A star alone explains nothing.
        let explanation = label.filter(|l| !l.label.is_empty()).map(|l| Explanation {
            text: l.label.clone(),
            ..Explanation::default()
        });
        let direction = self.directions.next();
        Ok(self
            .writer
            .push(feature, direction, explanation.as_slice())?)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(self.writer.finish()?)
    }
}

pub(super) struct Tables<'a, V: ?Sized>(pub(super) ParquetWriter<'a, V>);

impl<V: Vocabulary + ?Sized> Sink for Tables<'_, V> {
    fn push(&mut self, feature: &Feature) -> Result<(), SinkError> {
        Ok(self.0.push(feature)?)
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(self.0.finish()?)
    }
}

/// What is written once the features are through, from the activations alone.
pub(super) struct FromLog<F>(pub(super) F);

impl<F: FnOnce() -> Result<(), ExportError>> Sink for FromLog<F> {
    fn push(&mut self, _feature: &Feature) -> Result<(), SinkError> {
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), SinkError> {
        Ok(self.0()?)
    }
}
