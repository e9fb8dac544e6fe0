//! Features to write, and what they are written into.

use proptest::prelude::*;

use crate::{
    Example, Feature, Group, GroupKind, Lens, LensConvention, Neighbour, Neighbours, NeuronWeight,
    Overview, Quantile, Source, Statistics, TokenLogit, ValueHistogram,
};

pub(super) const CONTEXT: u32 = 16;

/// What a hostile vocabulary may have: no UTF-8, NUL, marks that turn text around, markup, line ends, a line of a megabyte.
pub(super) fn vocabulary() -> Vec<Vec<u8>> {
    let mut vocabulary: Vec<Vec<u8>> = vec![
        b" the".to_vec(),
        vec![0xed, 0xa0, 0x80], // a lone surrogate
        vec![0xff, 0xfe, 0xe2],
        vec![0, b'a', 0],
        "\u{202e}\u{2066}abc\u{200f}".into(),
        b"</script>\"\\\r\n\t\x1b[2J\x7f".to_vec(),
        "\u{2028}\u{2029}\u{feff}\u{10ffff}".into(),
        vec![b'x'; 1 << 20],
        "é".repeat(1 << 19).into_bytes(),
        Vec::new(),
    ];
    vocabulary.extend((0..20).map(|id| format!(" word{id}").into_bytes()));
    vocabulary
}

pub(super) fn overview(d_sae: u32, shown: &[u32]) -> Overview {
    Overview {
        source: Source {
            model: "a \"model\"".to_owned(),
            sae: "runs/\u{202e}1".to_owned(),
            architecture: "topk".to_owned(),
            hook_name: "blocks.3.hook_mlp_out".to_owned(),
            dataset: "text.jsonl".to_owned(),
            context_size: CONTEXT,
            convention: "all positions".to_owned(),
        },
        d_sae,
        n_tokens: 120,
        n_contexts: 10,
        shown: shown.to_vec(),
        ..Overview::default()
    }
}

fn example(context: u64, position: u32, values: &[f32]) -> Example {
    Example {
        context,
        position,
        start: position - 1,
        tokens: (0..values.len() as u32).collect(),
        values: values.to_vec(),
    }
}

/// A feature whose direction is two long, with everything in it.
pub(super) fn feature(index: u32) -> Feature {
    let interval = |low, high, n_fired, examples| Group {
        kind: GroupKind::Interval { low, high, n_fired },
        examples,
    };
    let quantiles = [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99];
    let logit = |token, logit| TokenLogit { token, logit };
    let neighbour = |index, value| Neighbour { index, value };
    Feature {
        index,
        statistics: Statistics {
            n_fired: 8,
            density: 8.0 / 120.0,
            max: 4.0,
            mean: 1.5,
            mean_square: 3.25,
            skewness: 0.5,
            kurtosis: 2.5,
            quantiles: quantiles
                .iter()
                .map(|&p| Quantile {
                    p,
                    value: 4.0 * p as f32,
                })
                .collect(),
        },
        activations: ValueHistogram {
            min: 1.0,
            max: 5.0,
            counts: vec![5, 2, 0, 1],
        },
        lens: Some(Lens {
            convention: LensConvention::Folded,
            top: vec![logit(10, 3.0), logit(1, 2.5)],
            bottom: vec![logit(999, -3.0)],
            histogram: ValueHistogram {
                min: -3.0,
                max: 3.0,
                counts: vec![1, 7, 2],
            },
        }),
        neighbours: Neighbours {
            decoder: vec![neighbour(7, 0.75), neighbour(2, 0.5)],
            coactive: vec![neighbour(2, 0.25)],
            n_sampled: 8,
        },
        alignment: vec![NeuronWeight {
            neuron: 1,
            value: -2.0,
            l1_share: 0.5,
        }],
        decoder_norm: 2.0,
        groups: vec![
            Group {
                kind: GroupKind::Top,
                examples: vec![example(9, 1, &[0.0, 4.0, 1.00026])],
            },
            interval(2.0, 4.0, 2, vec![example(3, 5, &[0.5, 2.5, 0.0])]),
            interval(0.0, 2.0, 6, Vec::new()),
            Group {
                kind: GroupKind::Random,
                examples: vec![example(4, 15, &[0.0, 1.0])],
            },
        ],
    }
}

/// A feature that never fires, of an SAE whose direction has no logits.
pub(super) fn dead(index: u32) -> Feature {
    Feature {
        index,
        statistics: Statistics::default(),
        activations: ValueHistogram::default(),
        lens: None,
        neighbours: Neighbours::default(),
        alignment: Vec::new(),
        decoder_norm: 0.0,
        groups: Vec::new(),
    }
}

fn any_example() -> impl Strategy<Value = Example> {
    let shown = prop::collection::vec((0_u32..40, 0_f32..100.0), 1..12);
    let place = (any::<u32>(), 0_u32..1000, any::<prop::sample::Index>());
    (shown, place).prop_map(|(shown, (context, start, target))| Example {
        context: context.into(),
        position: start + target.index(shown.len()) as u32,
        start,
        tokens: shown.iter().map(|(token, _)| *token).collect(),
        values: shown.iter().map(|(_, value)| *value).collect(),
    })
}

/// Numbers of features in order below 1,000, and a feature with that number each.
pub(super) fn any_features() -> impl Strategy<Value = Vec<Feature>> {
    let groups = prop::collection::vec(prop::collection::vec(any_example(), 0..5), 3);
    let one = (0.01_f32..10.0, any::<bool>(), groups);
    let numbers = prop::collection::btree_map(0_u32..1000, one, 1..40);
    numbers.prop_map(|features| {
        let made = |(index, (norm, lives, groups)): (u32, (f32, bool, Vec<Vec<Example>>))| {
            if !lives {
                return dead(index);
            }
            let mut feature = feature(index);
            feature.decoder_norm = norm;
            for (group, examples) in feature.groups.iter_mut().zip(groups) {
                group.examples = examples;
            }
            feature
        };
        features.into_iter().map(made).collect()
    })
}
