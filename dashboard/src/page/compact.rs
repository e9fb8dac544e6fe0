//! Features as a shard holds them: JSON in which tokens are numbers of the shard's own table and only activations above zero are written, and
//! the tokens of the examples as bytes.

use serde::Serialize;

use super::pack::framed;
use super::tokens::{TokenTable, Written};
use super::{PageError, Vocabulary};
use crate::{
    Example, Feature, Group, GroupKind, Lens, LensConvention, Neighbour, Statistics, TokenLogit,
    ValueHistogram,
};

#[derive(Debug, Serialize)]
struct Shard<'a> {
    tokens: Written<'a>,
    features: Vec<CompactFeature<'a>>,
}

/// [`Feature`], with lists of pairs and triples flattened.
#[derive(Debug, Serialize)]
struct CompactFeature<'a> {
    index: u32,
    statistics: CompactStatistics,
    activations: &'a ValueHistogram,
    lens: Option<CompactLens<'a>>,
    decoder: Vec<(u32, f32)>,
    coactive: Vec<(u32, f32)>,
    n_sampled: u64,
    alignment: Vec<(u32, f32, f32)>,
    decoder_norm: f32,
    groups: Vec<CompactGroup<'a>>,
}

#[derive(Debug, Serialize)]
struct CompactStatistics {
    n_fired: u64,
    density: f64,
    max: f32,
    mean: f64,
    mean_square: f64,
    skewness: f64,
    kurtosis: f64,
    quantiles: Vec<(f64, f32)>,
}

#[derive(Debug, Serialize)]
struct CompactLens<'a> {
    convention: LensConvention,
    top: Vec<(u32, f32)>,
    bottom: Vec<(u32, f32)>,
    histogram: &'a ValueHistogram,
}

#[derive(Debug, Serialize)]
struct CompactGroup<'a> {
    #[serde(flatten)]
    kind: &'a GroupKind,
    examples: Vec<CompactExample>,
}

/// Context, position, start, number of tokens, and activations as distance from the one before (from −1) and value by turns.
#[derive(Debug, Serialize)]
struct CompactExample(u64, u32, u32, usize, Vec<Number>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Number {
    Distance(usize),
    Value(f32),
}

/// A length (u32), that many bytes of JSON, and the numbers of the tokens of all examples.
pub(super) fn encode(
    features: &[Feature],
    vocabulary: &(impl Vocabulary + ?Sized),
) -> Result<Vec<u8>, PageError> {
    let table = TokenTable::of(features.iter().flat_map(tokens));
    let shard = Shard {
        tokens: table.written(vocabulary),
        features: features
            .iter()
            .map(|feature| compact(feature, &table))
            .collect::<Result<_, _>>()?,
    };
    let mut out = framed(&shard)?;
    let groups = features.iter().flat_map(|feature| &feature.groups);
    for example in groups.flat_map(|group| &group.examples) {
        for token in &example.tokens {
            write_number(&mut out, table.number(*token));
        }
    }
    Ok(out)
}

/// A number below 128 as one byte, below 32,640 as two from 0x80 on, others as 0xff and three: gzip makes shorter work of these than of digits.
pub(super) fn write_number(out: &mut Vec<u8>, number: u32) {
    const TWO: u32 = 128 + 127 * 256;
    match number {
        0..128 => out.push(number as u8),
        128..TWO => {
            let [.., high, low] = (number - 128).to_be_bytes();
            out.extend([0x80 | high, low]);
        }
        // A shard has 64 features with some fifty examples, and vocabularies are smaller: fewer than 2^24 tokens.
        TWO.. => {
            let [_, bytes @ ..] = number.to_be_bytes();
            out.push(0xff);
            out.extend(bytes);
        }
    }
}

fn tokens(feature: &Feature) -> impl Iterator<Item = u32> {
    let lens = feature.lens.iter().flat_map(|lens| &lens.top);
    let lens = lens.chain(feature.lens.iter().flat_map(|lens| &lens.bottom));
    let examples = feature.groups.iter().flat_map(|group| &group.examples);
    let shown = examples.flat_map(|example| example.tokens.iter().copied());
    lens.map(|logit| logit.token).chain(shown)
}

fn compact<'a>(feature: &'a Feature, table: &TokenTable) -> Result<CompactFeature<'a>, PageError> {
    let Feature {
        index,
        statistics,
        activations,
        lens,
        neighbours,
        alignment,
        decoder_norm,
        groups,
    } = feature;
    let compact_group = |group: &'a Group| {
        let examples = group.examples.iter();
        let examples = examples.map(|example| compact_example(*index, example));
        Ok(CompactGroup {
            kind: &group.kind,
            examples: examples.collect::<Result<_, PageError>>()?,
        })
    };
    Ok(CompactFeature {
        index: *index,
        statistics: compact_statistics(statistics),
        activations,
        lens: lens.as_ref().map(|lens| compact_lens(lens, table)),
        decoder: pairs(&neighbours.decoder),
        coactive: pairs(&neighbours.coactive),
        n_sampled: neighbours.n_sampled,
        alignment: alignment
            .iter()
            .map(|entry| (entry.neuron, entry.value, entry.l1_share))
            .collect(),
        decoder_norm: *decoder_norm,
        groups: groups
            .iter()
            .map(compact_group)
            .collect::<Result<_, PageError>>()?,
    })
}

fn compact_statistics(statistics: &Statistics) -> CompactStatistics {
    let quantiles = statistics.quantiles.iter();
    CompactStatistics {
        n_fired: statistics.n_fired,
        density: statistics.density,
        max: statistics.max,
        mean: statistics.mean,
        mean_square: statistics.mean_square,
        skewness: statistics.skewness,
        kurtosis: statistics.kurtosis,
        quantiles: quantiles.map(|q| (q.p, q.value)).collect(),
    }
}

fn compact_lens<'a>(lens: &'a Lens, table: &TokenTable) -> CompactLens<'a> {
    let logits = |logits: &[TokenLogit]| {
        let logits = logits.iter();
        logits.map(|l| (table.number(l.token), l.logit)).collect()
    };
    CompactLens {
        convention: lens.convention,
        top: logits(&lens.top),
        bottom: logits(&lens.bottom),
        histogram: &lens.histogram,
    }
}

fn pairs(neighbours: &[Neighbour]) -> Vec<(u32, f32)> {
    neighbours.iter().map(|n| (n.index, n.value)).collect()
}

fn compact_example(index: u32, example: &Example) -> Result<CompactExample, PageError> {
    if example.tokens.len() != example.values.len() {
        return Err(PageError::Example {
            index,
            context: example.context,
            position: example.position,
            tokens: example.tokens.len(),
            values: example.values.len(),
        });
    }
    let mut values = Vec::new();
    // Counted from one, so that the first distance, too, is one at least.
    let mut last = 0;
    for (at, value) in (1..).zip(&example.values) {
        if *value != 0.0 {
            values.extend([Number::Distance(at - last), Number::Value(short(*value))]);
            last = at;
        }
    }
    Ok(CompactExample(
        example.context,
        example.position,
        example.start,
        example.tokens.len(),
        values,
    ))
}

/// A value with four significant digits.
pub(super) fn short(value: f32) -> f32 {
    // A value that is not a number stays so.
    format!("{value:.3e}").parse().unwrap_or(value)
}
