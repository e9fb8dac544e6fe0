//! `features.parquet`: a row a feature.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Float32Builder, Float64Builder, Int32Builder, Int64Builder};
use arrow_schema::DataType::{Float32, Float64, Int32, Int64, Utf8};
use arrow_schema::Field;

use super::super::ExportError;
use super::super::text::text;
use super::file::Build;
use super::lists::{Floats, Ints, Texts, field, int, list, long};
use crate::collect::QUANTILES;
use crate::page::Vocabulary;
use crate::{Feature, Neighbour, TokenLogit};

const N_QUANTILES: usize = QUANTILES.len();

/// `mean`, `mean_square`, `skewness`, `kurtosis`.
const MOMENTS: usize = 4;

#[derive(Debug, Default)]
pub(super) struct Columns {
    index: Int32Builder,
    n_fired: Int64Builder,
    density: Float64Builder,
    max: Float32Builder,
    moments: [Float64Builder; MOMENTS],
    quantiles: [Float32Builder; N_QUANTILES],
    decoder_norm: Float32Builder,
    top: Tokens,
    bottom: Tokens,
    decoder: Neighbours,
    coactive: Neighbours,
    n_sampled: Int64Builder,
    neurons: Ints,
    neuron_weights: Floats,
    neuron_shares: Floats,
}

/// Tokens with their logits.
#[derive(Debug, Default)]
struct Tokens {
    ids: Ints,
    texts: Texts,
    logits: Floats,
}

/// Features with how near they are.
#[derive(Debug, Default)]
struct Neighbours {
    indices: Ints,
    values: Floats,
}

impl Columns {
    pub(super) fn push(
        &mut self,
        feature: &Feature,
        vocabulary: &(impl Vocabulary + ?Sized),
    ) -> Result<(), ExportError> {
        let (index, statistics) = (feature.index, &feature.statistics);
        self.index.append_value(int(index, "index", index)?);
        let n_fired = long(index, "n_fired", statistics.n_fired)?;
        self.n_fired.append_value(n_fired);
        self.density.append_value(statistics.density);
        self.max.append_value(statistics.max);
        let moments = [
            statistics.mean,
            statistics.mean_square,
            statistics.skewness,
            statistics.kurtosis,
        ];
        for (column, moment) in self.moments.iter_mut().zip(moments) {
            column.append_value(moment);
        }
        for (column, p) in self.quantiles.iter_mut().zip(QUANTILES) {
            let same = |p_: f64| (p_ - p).abs() < 1e-9;
            let quantile = statistics.quantiles.iter().find(|q| same(q.p));
            column.append_option(quantile.map(|q| q.value));
        }
        self.decoder_norm.append_value(feature.decoder_norm);
        let (top, bottom) = feature.lens.as_ref().map_or((&[][..], &[][..]), |lens| {
            (lens.top.as_slice(), lens.bottom.as_slice())
        });
        self.top.push(index, "top_token_ids", top, vocabulary)?;
        self.bottom
            .push(index, "bottom_token_ids", bottom, vocabulary)?;
        let neighbours = &feature.neighbours;
        self.decoder
            .push(index, "decoder_neighbours", &neighbours.decoder)?;
        self.coactive
            .push(index, "coactive_neighbours", &neighbours.coactive)?;
        let n_sampled = long(index, "n_sampled", neighbours.n_sampled)?;
        self.n_sampled.append_value(n_sampled);
        let alignment = &feature.alignment;
        self.neurons
            .push(index, "neurons", alignment.iter().map(|n| n.neuron))?;
        self.neuron_weights.push(alignment.iter().map(|n| n.value));
        self.neuron_shares
            .push(alignment.iter().map(|n| n.l1_share));
        Ok(())
    }
}

impl Tokens {
    fn push(
        &mut self,
        feature: u32,
        column: &'static str,
        tokens: &[TokenLogit],
        vocabulary: &(impl Vocabulary + ?Sized),
    ) -> Result<(), ExportError> {
        self.ids
            .push(feature, column, tokens.iter().map(|t| t.token))?;
        self.texts
            .push(tokens.iter().map(|t| text(vocabulary, t.token)));
        self.logits.push(tokens.iter().map(|t| t.logit));
        Ok(())
    }

    fn finish(&mut self) -> [ArrayRef; 3] {
        [self.ids.finish(), self.texts.finish(), self.logits.finish()]
    }
}

impl Neighbours {
    fn push(
        &mut self,
        feature: u32,
        column: &'static str,
        neighbours: &[Neighbour],
    ) -> Result<(), ExportError> {
        self.indices
            .push(feature, column, neighbours.iter().map(|n| n.index))?;
        self.values.push(neighbours.iter().map(|n| n.value));
        Ok(())
    }

    fn finish(&mut self) -> [ArrayRef; 2] {
        [self.indices.finish(), self.values.finish()]
    }
}

/// `q05` for 0.05, `q5` never: the digits after the point, two at least.
fn quantile_name(p: f64) -> String {
    let digits = format!("{p:.2}");
    let digits = if (digits.parse::<f64>()) == Ok(p) {
        digits
    } else {
        p.to_string()
    };
    digits.replacen("0.", "q", 1)
}

impl Build for Columns {
    fn fields() -> Vec<Field> {
        let quantiles = QUANTILES.map(|p| Field::new(quantile_name(p), Float32, true));
        let mut fields = vec![
            field("index", Int32),
            field("n_fired", Int64),
            field("density", Float64),
            field("max", Float32),
            field("mean", Float64),
            field("mean_square", Float64),
            field("skewness", Float64),
            field("kurtosis", Float64),
        ];
        fields.extend(quantiles);
        fields.extend([
            field("decoder_norm", Float32),
            list("top_token_ids", Int32),
            list("top_tokens", Utf8),
            list("top_logits", Float32),
            list("bottom_token_ids", Int32),
            list("bottom_tokens", Utf8),
            list("bottom_logits", Float32),
            list("decoder_neighbours", Int32),
            list("decoder_cosines", Float32),
            list("coactive_neighbours", Int32),
            list("coactive_shares", Float32),
            field("n_sampled", Int64),
            list("neurons", Int32),
            list("neuron_weights", Float32),
            list("neuron_l1_shares", Float32),
        ]);
        fields
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(self.index.finish()),
            Arc::new(self.n_fired.finish()),
            Arc::new(self.density.finish()),
            Arc::new(self.max.finish()),
        ];
        let moments = self.moments.iter_mut();
        columns.extend(moments.map(|column| Arc::new(column.finish()) as ArrayRef));
        let quantiles = self.quantiles.iter_mut();
        columns.extend(quantiles.map(|column| Arc::new(column.finish()) as ArrayRef));
        columns.push(Arc::new(self.decoder_norm.finish()));
        columns.extend(self.top.finish());
        columns.extend(self.bottom.finish());
        columns.extend(self.decoder.finish());
        columns.extend(self.coactive.finish());
        columns.push(Arc::new(self.n_sampled.finish()));
        columns.extend([
            self.neurons.finish(),
            self.neuron_weights.finish(),
            self.neuron_shares.finish(),
        ]);
        columns
    }
}
