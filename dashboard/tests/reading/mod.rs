//! A reader of a page's files that knows `docs/formats.md` and nothing of the writer.

use std::io::Read;
use std::path::Path;

use base64::Engine;
use sae_dashboard::{
    Example, Feature, Group, GroupKind, Lens, LensConvention, Neighbour, Neighbours, NeuronWeight,
    Quantile, Statistics, TokenLogit, ValueHistogram,
};
use serde::Deserialize;

pub(crate) fn unpack(packed: &str) -> Vec<u8> {
    let gzip = base64::engine::general_purpose::STANDARD
        .decode(packed)
        .expect("base64");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&gzip[..])
        .read_to_end(&mut bytes)
        .expect("gzip");
    bytes
}

/// The shards of a page, in order.
pub(crate) fn packed_shards(page: &Path) -> Vec<String> {
    let open = |number: usize| {
        if page.is_dir() {
            format!("saeShard({number},\"")
        } else {
            format!("<script type=\"application/octet-stream\" id=\"shard-{number}\">")
        }
    };
    let text = |number: usize| {
        let shard = page.join(format!("shards/{number:05}.js"));
        std::fs::read_to_string(if page.is_dir() { &shard } else { page }).ok()
    };
    (0..)
        .map_while(|number| {
            let text = text(number)?;
            let (_, rest) = text.split_once(&open(number))?;
            Some(rest.split(['"', '<']).next()?.to_owned())
        })
        .collect()
}

/// The JSON at the head, and what follows it.
fn unframe<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> (T, &[u8]) {
    let (length, rest) = bytes.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("four bytes")) as usize;
    let (json, rest) = rest.split_at(length);
    (serde_json::from_slice(json).expect("a header"), rest)
}

/// Ids of their differences.
pub(crate) fn ids(differences: Vec<i64>) -> Vec<u32> {
    let sums = differences.into_iter().scan(0, |sum, d| {
        *sum += d;
        Some(*sum as u32)
    });
    sums.collect()
}

/// Tokens that each feature fires on, and that it makes likelier.
pub(crate) type Lists = [Vec<Vec<usize>>; 2];

/// The header of an overview, its seven columns, and its two lists of tokens: places in the table.
pub(crate) fn columns(bytes: &[u8]) -> (serde_json::Value, Vec<Vec<u32>>, Lists) {
    let (header, mut rest): (serde_json::Value, &[u8]) = unframe(bytes);
    let length = |key: &str| header[key].as_u64().expect("a number") as usize;
    let mut lengths = vec![length("d_sae"); 6];
    lengths.push(length("n_shown"));
    let read = |n: &usize| {
        let (column, after) = rest.split_at(4 * n);
        rest = after;
        let entry = |i: usize| u32::from_le_bytes([0, 1, 2, 3].map(|plane| column[plane * n + i]));
        (0..*n).map(entry).collect()
    };
    let columns = lengths.iter().map(read).collect();
    let mut lists = [Vec::new(), Vec::new()];
    if header["has_lists"] == true {
        for list in &mut lists {
            let (sizes, after) = rest.split_at(lengths[0]);
            rest = after;
            let numbers = |n: &u8| (0..*n).map(|_| number(&mut rest)).collect();
            *list = sizes.iter().map(numbers).collect();
        }
    }
    assert!(rest.is_empty());
    (header, columns, lists)
}

#[derive(Deserialize)]
struct Shard {
    tokens: Tokens,
    features: Vec<Compact>,
}

#[derive(Deserialize)]
struct Tokens {
    ids: Vec<i64>,
}

#[derive(Deserialize)]
struct Compact {
    index: u32,
    statistics: CompactStatistics,
    activations: ValueHistogram,
    lens: Option<CompactLens>,
    decoder: Vec<(u32, f32)>,
    coactive: Vec<(u32, f32)>,
    n_sampled: u64,
    alignment: Vec<(u32, f32, f32)>,
    decoder_norm: f32,
    groups: Vec<CompactGroup>,
}

#[derive(Deserialize)]
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

#[derive(Deserialize)]
struct CompactLens {
    convention: LensConvention,
    top: Vec<(usize, f32)>,
    bottom: Vec<(usize, f32)>,
    histogram: ValueHistogram,
}

#[derive(Deserialize)]
struct CompactGroup {
    #[serde(flatten)]
    kind: GroupKind,
    examples: Vec<(u64, u32, u32, usize, Vec<f64>)>,
}

/// The features of a shard.
pub(crate) fn expanded(bytes: &[u8]) -> Vec<Feature> {
    let (shard, mut rest): (Shard, &[u8]) = unframe(bytes);
    let ids = ids(shard.tokens.ids);
    let features = shard.features.into_iter();
    let features = features
        .map(|feature| expand(feature, &ids, &mut rest))
        .collect();
    assert!(rest.is_empty());
    features
}

/// The next number of a token.
fn number(rest: &mut &[u8]) -> usize {
    let (length, number) = match **rest {
        [one @ 0..0x80, ..] => (1, one.into()),
        [0xff, a, b, c, ..] => (4, u32::from_be_bytes([0, a, b, c])),
        [high, low, ..] => (2, 128 + u32::from_be_bytes([0, 0, high & 0x7f, low])),
        _ => panic!("a number that is not whole"),
    };
    *rest = &rest[length..];
    number as usize
}

fn expand(feature: Compact, ids: &[u32], rest: &mut &[u8]) -> Feature {
    let neighbours = |pairs: Vec<(u32, f32)>| {
        let pairs = pairs.into_iter();
        pairs
            .map(|(index, value)| Neighbour { index, value })
            .collect()
    };
    let logits = |pairs: Vec<(usize, f32)>| {
        let pairs = pairs.into_iter();
        pairs
            .map(|(token, logit)| TokenLogit {
                token: ids[token],
                logit,
            })
            .collect()
    };
    let s = feature.statistics;
    Feature {
        index: feature.index,
        statistics: Statistics {
            n_fired: s.n_fired,
            density: s.density,
            max: s.max,
            mean: s.mean,
            mean_square: s.mean_square,
            skewness: s.skewness,
            kurtosis: s.kurtosis,
            quantiles: s
                .quantiles
                .into_iter()
                .map(|(p, value)| Quantile { p, value })
                .collect(),
        },
        activations: feature.activations,
        lens: feature.lens.map(|lens| Lens {
            convention: lens.convention,
            top: logits(lens.top),
            bottom: logits(lens.bottom),
            histogram: lens.histogram,
        }),
        neighbours: Neighbours {
            decoder: neighbours(feature.decoder),
            coactive: neighbours(feature.coactive),
            n_sampled: feature.n_sampled,
        },
        alignment: feature
            .alignment
            .into_iter()
            .map(|(neuron, value, l1_share)| NeuronWeight {
                neuron,
                value,
                l1_share,
            })
            .collect(),
        decoder_norm: feature.decoder_norm,
        groups: feature
            .groups
            .into_iter()
            .map(|group| expand_group(group, ids, rest))
            .collect(),
    }
}

fn expand_group(group: CompactGroup, ids: &[u32], rest: &mut &[u8]) -> Group {
    let example = |(context, position, start, tokens, sparse): (u64, u32, u32, usize, Vec<f64>)| {
        let mut values = vec![0.0; tokens];
        // One more than the place of the last value.
        let mut at = 0;
        for pair in sparse.chunks_exact(2) {
            at += pair[0] as usize;
            values[at - 1] = pair[1] as f32;
        }
        Example {
            context,
            position,
            start,
            tokens: (0..tokens).map(|_| ids[number(rest)]).collect(),
            values,
        }
    };
    Group {
        kind: group.kind,
        examples: group.examples.into_iter().map(example).collect(),
    }
}

/// As the page has it: the activations of examples with four significant digits, everything else exactly.
pub(crate) fn four_digits(mut feature: Feature) -> Feature {
    for value in feature
        .groups
        .iter_mut()
        .flat_map(|g| &mut g.examples)
        .flat_map(|e| &mut e.values)
    {
        if *value != 0.0 {
            let scale = 10_f64.powf(3.0 - f64::from(value.abs()).log10().floor());
            *value = ((f64::from(*value) * scale).round() / scale) as f32;
        }
    }
    let statistics = &mut feature.statistics;
    for figure in [
        &mut statistics.density,
        &mut statistics.mean,
        &mut statistics.mean_square,
        &mut statistics.skewness,
        &mut statistics.kurtosis,
    ] {
        // Reading takes the last bit less seriously than writing.
        *figure = figure
            .to_string()
            .parse::<serde_json::Number>()
            .expect("a number")
            .as_f64()
            .expect("a number");
    }
    feature
}
