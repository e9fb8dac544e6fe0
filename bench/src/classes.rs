//! Labelled texts, and a class against the others.

use crate::{BenchError, Chance, Texts};

/// A class: a name, and its texts of both splits.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Class {
    /// Its name.
    pub name: String,
    /// What probes are fitted on.
    pub train: Texts,
    /// What they are tested on.
    pub test: Texts,
}

impl Class {
    /// A class with its texts.
    pub fn new(name: &str, train: Texts, test: Texts) -> Self {
        let name = name.to_owned();
        Self { name, train, test }
    }

    /// The texts of a split.
    pub fn texts(&self, split: Split) -> &Texts {
        match split {
            Split::Train => &self.train,
            Split::Test => &self.test,
        }
    }
}

/// A part of the texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// What probes are fitted on.
    Train,
    /// What they are tested on.
    Test,
}

impl Split {
    fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Test => "test",
        }
    }
}

/// Texts with a label each: whether they are of the class in question.
#[derive(Debug, Clone)]
pub(crate) struct Labelled<'a> {
    pub(crate) texts: Vec<(&'a Texts, usize)>,
    pub(crate) labels: Vec<bool>,
}

/// Checks that every class has texts that agree in width, and that there are two at least.
pub(crate) fn check(classes: &[Class]) -> Result<(), BenchError> {
    let [first, _, ..] = classes else {
        return Err(BenchError::Classes(classes.len()));
    };
    for class in classes {
        for split in [Split::Train, Split::Test] {
            let texts = class.texts(split);
            if texts.is_empty() {
                return Err(BenchError::Empty {
                    class: class.name.clone(),
                    split: split.name(),
                });
            }
            let pairs = [
                ("an activation", texts.d_model(), first.train.d_model()),
                ("features", texts.d_sae(), first.train.d_sae()),
            ];
            for (what, found, expected) in pairs {
                if found != expected {
                    return Err(BenchError::Shape {
                        what,
                        found,
                        expected,
                    });
                }
            }
        }
    }
    Ok(())
}

/// A class against as many texts of the others, about as many of each, in any order: SAEBench's `prepare_probe_data`.
pub(crate) fn one_against_rest<'a>(
    classes: &'a [Class],
    which: usize,
    split: Split,
    chance: &mut impl Chance,
) -> Result<Labelled<'a>, BenchError> {
    let positives = classes[which].texts(split);
    let each = positives.len().div_ceil(classes.len() - 1);
    let mut negatives = Vec::new();
    for (at, class) in classes.iter().enumerate() {
        if at != which {
            let texts = class.texts(split);
            let drawn = chance.permutation(texts.len()).into_iter().take(each);
            negatives.extend(drawn.map(|text| (texts, text)));
        }
    }
    against(&classes[which].name, positives, &negatives, split, chance)
}

/// Texts against others, as many of these.
pub(crate) fn against<'a>(
    name: &str,
    positives: &'a Texts,
    negatives: &[(&'a Texts, usize)],
    split: Split,
    chance: &mut impl Chance,
) -> Result<Labelled<'a>, BenchError> {
    if negatives.len() < positives.len() {
        return Err(BenchError::Unbalanced {
            class: name.to_owned(),
            split: split.name(),
            positives: positives.len(),
            negatives: negatives.len(),
        });
    }
    let n = positives.len();
    let mut all: Vec<_> = (0..n).map(|text| (positives, text)).collect();
    let drawn = chance.permutation(negatives.len()).into_iter().take(n);
    all.extend(drawn.map(|at| negatives[at]));
    let order = chance.permutation(2 * n);
    Ok(Labelled {
        texts: order.iter().map(|&at| all[at]).collect(),
        labels: order.iter().map(|&at| at < n).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::{Class, Split, one_against_rest};
    use crate::{BenchError, Seeded, Texts};
    use proptest::prelude::*;
    use std::collections::HashSet;

    /// Texts whose activation names class and text.
    fn texts(class: usize, n: usize) -> Texts {
        let mut texts = Texts::new(2, 1);
        for text in 0..n {
            let activation = [class as f32, text as f32];
            texts.push(&activation, std::iter::empty(), 0.0).unwrap();
        }
        texts
    }

    proptest! {
        #[test]
        fn half_of_the_texts_are_of_the_class_and_none_comes_twice(sizes in prop::collection::vec(1..12_usize, 2..5), seed in any::<u64>()) {
            let classes = sizes.iter().enumerate();
            let classes = classes.map(|(at, &n)| Class::new(&at.to_string(), texts(at, n), texts(at, 1)));
            let classes: Vec<Class> = classes.collect();
            let mut chance = Seeded::new(seed);
            for (which, &n) in sizes.iter().enumerate() {
                let each = n.div_ceil(sizes.len() - 1);
                let others = sizes.iter().enumerate().filter(|(at, _)| *at != which);
                let there: usize = others.map(|(_, &size)| size.min(each)).sum();
                let found = one_against_rest(&classes, which, Split::Train, &mut chance);
                if there < n {
                    let is_told = matches!(found, Err(BenchError::Unbalanced { positives, negatives, .. }) if (positives, negatives) == (n, there));
                    prop_assert!(is_told);
                    continue;
                }
                let found = found.unwrap();
                prop_assert_eq!(found.texts.len(), 2 * n);
                let mut seen = HashSet::new();
                for (&(texts, text), &label) in found.texts.iter().zip(&found.labels) {
                    let activation = texts.activation(text);
                    prop_assert_eq!(label, activation[0] as usize == which);
                    prop_assert!(seen.insert([activation[0] as usize, activation[1] as usize]));
                }
                prop_assert_eq!(found.labels.iter().filter(|label| **label).count(), n);
            }
        }
    }
}
