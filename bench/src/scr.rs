//! Spurious correlation removal: a probe trained on texts in which two properties always come together; do features of the one, taken out, leave a probe of the other?

use crate::ablation::{Ablation, Decoder, effects, largest, score};
use crate::classes::{Class, Labelled, Split, against, check};
use crate::inputs::Read;
use crate::probe::{LinearProbe, accuracy, train};
use crate::tpp::Perturbation;
use crate::{BenchError, Chance, Texts};
use serde::Serialize;

/// Where the clean accuracy is not above the biased probe's by this, there is nothing to recover.
const LEAST_ROOM: f64 = 0.001;

/// Two sides of a property, as SAEBench makes its texts of them.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScrData {
    /// The first property (a profession), in texts where the second is balanced: one side, the other.
    pub first: [Class; 2],
    /// The second property (a gender), in texts where the first is balanced.
    pub second: [Class; 2],
    /// Both at once: the first sides of both, the second sides of both.
    pub both: [Class; 2],
}

impl ScrData {
    /// Pairs of classes: of the first property, of the second, of both at once.
    pub fn new(first: [Class; 2], second: [Class; 2], both: [Class; 2]) -> Self {
        Self {
            first,
            second,
            both,
        }
    }

    fn pairs(&self) -> [&[Class; 2]; 3] {
        // The order in which SAEBench trains their probes.
        [&self.second, &self.first, &self.both]
    }
}

/// The figures with `n` features taken out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ScrFigures {
    /// Features taken out.
    pub n: usize,
    /// Features of the second property taken out, so that the first is left.
    pub dir1: f64,
    /// Features of the first property taken out, so that the second is left.
    pub dir2: f64,
    /// That of the two for which the biased probe is the worse on the property to be left; null where it is as good on both, as in SAEBench's file.
    pub metric: Option<f64>,
}

/// SCR of one pair of classes.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Scr {
    /// For each `n`.
    pub figures: Vec<ScrFigures>,
    /// The accuracy of a probe of the first property on it, and of the second.
    pub clean: [f64; 2],
    /// The accuracy of the biased probe on the first property, and on the second.
    pub biased: [f64; 2],
}

/// Trains the three probes: of the second property, of the first, of both at once. [`scr`] needs their products with the decoder.
///
/// # Errors
/// If a class has no texts, or its other side too few.
pub fn scr_probes(
    data: &ScrData,
    options: &Perturbation,
    chance: &mut impl Chance,
) -> Result<Vec<LinearProbe>, BenchError> {
    let mut probes = Vec::new();
    for pair in data.pairs() {
        check(pair)?;
        let fit = side_against_side(pair, Split::Train, chance)?;
        let test = side_against_side(pair, Split::Test, chance)?;
        let (probe, _) = train(Read::Activation, (&fit, &test), &options.training, chance);
        probes.push(probe);
    }
    Ok(probes)
}

/// Spurious correlation removal of [Karvonen et al. 2024](https://arxiv.org/abs/2411.18895), as SAEBench computes it: the share of the way from the
/// biased probe's accuracy to a clean probe's that is made when the n features that count most for the other property are taken out.
///
/// # Errors
/// If `decoder` is not of these probes and features, or a class has too few texts.
pub fn scr(
    data: &ScrData,
    probes: &[LinearProbe],
    decoder: &Decoder,
    options: &Perturbation,
    chance: &mut impl Chance,
) -> Result<Scr, BenchError> {
    for pair in data.pairs() {
        check(pair)?;
    }
    decoder.check(probes.len(), data.first[0].train.d_sae())?;
    let [of_second, of_first, of_both] = probes else {
        return Err(BenchError::Shape {
            what: "probes",
            found: probes.len(),
            expected: 3,
        });
    };
    let first = side_against_side(&data.first, Split::Test, chance)?;
    let second = side_against_side(&data.second, Split::Test, chance)?;
    let plain = |labelled: &Labelled<'_>, probe: &LinearProbe| {
        accuracy(labelled, |text| {
            let (texts, at) = labelled.texts[text];
            score(texts, at, probe) as f32
        })
    };
    let clean = [plain(&first, of_first), plain(&second, of_second)];
    let biased = [plain(&first, of_both), plain(&second, of_both)];
    let second_fit = side_against_side(&data.second, Split::Train, chance)?;
    let first_fit = side_against_side(&data.first, Split::Train, chance)?;
    let second_effects = effects(&second_fit, &decoder.products[0], true);
    let first_effects = effects(&first_fit, &decoder.products[1], true);
    let without = |effects: &[f64], n: usize, labelled: &Labelled<'_>, side: usize| {
        let ablation = Ablation::new(decoder, largest(effects, n));
        let changed = ablation.accuracy(labelled, of_both, 2);
        let room = clean[side] - biased[side];
        if room < LEAST_ROOM {
            0.0
        } else {
            (changed - biased[side]) / room
        }
    };
    let figures = options.ns.iter().map(|&n| {
        let dir1 = without(&second_effects, n, &first, 0);
        let dir2 = without(&first_effects, n, &second, 1);
        let metric = if biased[0] < biased[1] {
            Some(dir1)
        } else if biased[0] > biased[1] {
            Some(dir2)
        } else {
            None
        };
        ScrFigures {
            n,
            dir1,
            dir2,
            metric,
        }
    });
    Ok(Scr {
        figures: figures.collect(),
        clean,
        biased,
    })
}

fn side_against_side<'a>(
    [side, other]: &'a [Class; 2],
    split: Split,
    chance: &mut impl Chance,
) -> Result<Labelled<'a>, BenchError> {
    let texts: &Texts = other.texts(split);
    let negatives: Vec<_> = (0..texts.len()).map(|text| (texts, text)).collect();
    against(&side.name, side.texts(split), &negatives, split, chance)
}
