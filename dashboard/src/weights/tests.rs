//! Against the definitions in f64.

use super::{Unembedding, alignment, decoder_neighbours, decoder_norms, lens};
use crate::LensConvention;
use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use std::ops::Range;

type Matrix = Vec<Vec<f32>>;

fn tensor(matrix: &Matrix) -> Tensor<2> {
    let data = TensorData::new(matrix.concat(), [matrix.len(), matrix[0].len()]);
    Tensor::from_data(data, &Device::flex())
}

/// `W_U`, token by token, in pieces that it counts.
struct Table(Matrix);

impl Unembedding for Table {
    fn vocab_size(&self) -> usize {
        self.0.len()
    }

    fn entries(&self, directions: Tensor<2>, entries: Range<usize>) -> Tensor<2> {
        directions.matmul(tensor(&self.0[entries].to_vec()).transpose())
    }
}

/// Quarters, so that many are equal and products are exact.
fn matrix(rows: impl Into<prop::collection::SizeRange>, d: usize) -> impl Strategy<Value = Matrix> {
    let row = prop_oneof![
        1 => Just(vec![0.0_f32; d]),
        9 => prop::collection::vec((-8_i8..8).prop_map(|x| f32::from(x) / 4.0), d),
    ];
    prop::collection::vec(row, rows)
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(*a) * f64::from(*b))
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn lenses_are_what_the_definition_says(
        directions in matrix(1..6, 4),
        unembedding in matrix(1..70, 4),
        gamma in prop::option::of(prop::collection::vec(0.25_f32..2.0, 4)),
        bytes in prop::sample::select(vec![1_usize, 600, 1 << 20]),
    ) {
        let folded = gamma.is_some();
        let weight = gamma.clone().map(|g| Tensor::from_floats(g.as_slice(), &Device::flex()));
        let found = lens(&tensor(&directions), weight.as_ref(), &Table(unembedding.clone()), bytes);
        prop_assert_eq!(found.len(), directions.len());
        for (direction, lens) in directions.iter().zip(found) {
            let scaled: Vec<f32> = match &gamma {
                Some(gamma) => direction.iter().zip(gamma).map(|(d, g)| d * g).collect(),
                None => direction.clone(),
            };
            let raw: Vec<f64> = unembedding.iter().map(|u| dot(&scaled, u)).collect();
            let mean = if folded { raw.iter().sum::<f64>() / raw.len() as f64 } else { 0.0 };
            let logits: Vec<f64> = raw.iter().map(|x| x - mean).collect();
            let convention = if folded { LensConvention::Folded } else { LensConvention::Raw };
            prop_assert_eq!(lens.convention, convention);
            prop_assert_eq!(lens.histogram.counts.iter().sum::<u64>(), logits.len() as u64);
            let mut sorted = logits.clone();
            sorted.sort_by(f64::total_cmp);
            prop_assert!((f64::from(lens.histogram.min) - sorted[0]).abs() < 1e-4);
            prop_assert_eq!(lens.top.len(), logits.len().min(10));
            for (i, (top, bottom)) in lens.top.iter().zip(&lens.bottom).enumerate() {
                prop_assert!((f64::from(top.logit) - sorted[logits.len() - 1 - i]).abs() < 1e-4);
                prop_assert!((f64::from(bottom.logit) - sorted[i]).abs() < 1e-4);
                prop_assert!((logits[top.token as usize] - f64::from(top.logit)).abs() < 1e-4);
                prop_assert!((logits[bottom.token as usize] - f64::from(bottom.logit)).abs() < 1e-4);
            }
            let in_order = |pair: &[crate::TokenLogit]| pair[0].logit > pair[1].logit || pair[0].token < pair[1].token;
            prop_assert!(folded || lens.top.windows(2).all(in_order));
        }
    }

    #[test]
    fn neighbours_are_those_of_the_whole_dictionary(
        w_dec in matrix(1..40, 5),
        which in prop::collection::btree_set(0_u32..40, 0..10),
        n in 0_usize..12,
    ) {
        let which: Vec<u32> = which.into_iter().filter(|&f| (f as usize) < w_dec.len()).collect();
        let found = decoder_neighbours(&tensor(&w_dec), &decoder_norms(&tensor(&w_dec)), &which, n);
        prop_assert_eq!(found.len(), which.len());
        for (&feature, found) in which.iter().zip(found) {
            let own = &w_dec[feature as usize];
            let cosine = |other: &Vec<f32>| {
                let length = (dot(own, own) * dot(other, other)).sqrt();
                if length > 0.0 { dot(own, other) / length } else { 0.0 }
            };
            let mut all: Vec<f64> = w_dec.iter().enumerate().filter(|(i, _)| *i != feature as usize).map(|(_, row)| cosine(row)).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            prop_assert_eq!(found.len(), n.min(all.len()));
            for (neighbour, truth) in found.iter().zip(all) {
                prop_assert!(neighbour.index != feature);
                prop_assert!((f64::from(neighbour.value) - truth).abs() < 1e-5);
                prop_assert!((cosine(&w_dec[neighbour.index as usize]) - truth).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn alignment_and_norms_are_those_of_the_rows(w_dec in matrix(1..12, 6), n in 0_usize..8) {
        let which: Vec<u32> = (0..w_dec.len() as u32).rev().collect();
        let found = alignment(&tensor(&w_dec), &which, n);
        let norms = decoder_norms(&tensor(&w_dec));
        for (&feature, found) in which.iter().zip(found) {
            let row = &w_dec[feature as usize];
            prop_assert!((f64::from(norms[feature as usize]) - dot(row, row).sqrt()).abs() < 1e-5);
            let l1: f32 = row.iter().map(|x| x.abs()).sum();
            let mut order: Vec<usize> = (0..6).collect();
            order.sort_by(|&a, &b| row[b].abs().total_cmp(&row[a].abs()));
            order.truncate(n);
            prop_assert_eq!(found.iter().map(|w| w.neuron as usize).collect::<Vec<_>>(), order);
            for w in found {
                prop_assert_eq!(w.value.to_bits(), row[w.neuron as usize].to_bits());
                let share = if l1 > 0.0 { w.value.abs() / l1 } else { 0.0 };
                prop_assert!((w.l1_share - share).abs() < 1e-6);
            }
        }
    }
}

#[test]
fn many_tiles_are_as_one() {
    let row = |i: usize| {
        (0..3)
            .map(|j| ((i * 7 + j * 13) % 23) as f32 - 11.0)
            .collect()
    };
    let w_dec: Matrix = (0..9000).map(row).collect();
    let which: Vec<u32> = (0..9000).step_by(17).collect();
    let found = decoder_neighbours(&tensor(&w_dec), &decoder_norms(&tensor(&w_dec)), &which, 2);
    // Rows repeat every 23 features, so the nearest two of a feature that is not zero are the first two others with its row.
    for (&feature, found) in which.iter().zip(found) {
        let same = |i: &u32| *i != feature && i % 23 == feature % 23;
        let first: Vec<u32> = (0..9000).filter(same).take(2).collect();
        assert!(
            found.iter().all(|n| (n.value - 1.0).abs() < 1e-5),
            "{feature}: {found:?}"
        );
        assert!(found.iter().all(|n| first.contains(&n.index)
            || n.index % 23 == feature % 23
            || n.value > 0.99999));
    }
}

#[test]
fn what_is_not_a_number_is_left_out() {
    let nan = vec![vec![f32::NAN, 1.0], vec![1.0, 0.0], vec![2.0, 0.0]];
    let found = decoder_neighbours(&tensor(&nan), &decoder_norms(&tensor(&nan)), &[0, 1], 5);
    assert!(found[0].is_empty());
    assert_eq!(found[1].len(), 1);
    let lenses = lens(&tensor(&vec![vec![1.0, 0.0]]), None, &Table(nan), 1 << 20);
    assert_eq!(
        lenses[0].top.iter().map(|t| t.token).collect::<Vec<_>>(),
        [2, 1]
    );
    assert_eq!(lenses[0].histogram.counts.iter().sum::<u64>(), 2);
}
