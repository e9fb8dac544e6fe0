//! Labelled texts of `sae bench`: read, drawn, and made into tokens.

use crate::args::bench::Args;
use crate::error::UsageError;
use anyhow::{Context, Result, bail};
use dataset_stream::{LabelledText, Prompt, read_labelled};
use rayon::prelude::*;
use sae_bench::{Chance, Class, Seeded, Texts};
use sae_llama::contrast::{Pooled, PromptTokenizer, PromptTokens};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A data set: its classes, and of each the texts to fit and to test on.
pub(crate) struct DataSet {
    pub(crate) name: String,
    pub(crate) n_train: usize,
    pub(crate) n_test: usize,
    classes: Vec<(String, [Vec<String>; 2])>,
}

/// The files that the data sets are read from.
pub(crate) fn files(args: &Args) -> Vec<PathBuf> {
    let each = args.data.iter();
    each.flat_map(|data| ["train.jsonl", "test.jsonl"].map(|name| data.join(name)))
        .collect()
}

impl DataSet {
    /// Reads a folder, and draws as many texts of each class.
    pub(crate) fn read(data: &Path, args: &Args, chance: &mut Seeded) -> Result<Self> {
        let of = |file: &str| {
            read_labelled(&data.join(file), &args.text_column, &args.label_column)
                .with_context(|| format!("--data {}", data.display()))
        };
        let (mut train, mut test) = (by_label(of("train.jsonl")?), by_label(of("test.jsonl")?));
        let lost: Vec<String> = train
            .keys()
            .chain(test.keys())
            .filter(|label| !(train.contains_key(*label) && test.contains_key(*label)))
            .cloned()
            .collect();
        if !lost.is_empty() {
            tracing::warn!(
                "{}: only one of train.jsonl and test.jsonl has the labels {}, which are left out",
                data.display(),
                lost.join(", ")
            );
        }
        train.retain(|label, _| test.contains_key(label));
        test.retain(|label, _| train.contains_key(label));
        if train.len() < 2 {
            bail!(UsageError(format!(
                "--data {}: has texts of {} labels under {:?} in both files; probes tell a label from others, so two are needed",
                data.display(),
                train.len(),
                args.label_column
            )));
        }
        let n_train = fewest(data, "train.jsonl", &train, args.train_size as usize / 2);
        let n_test = fewest(data, "test.jsonl", &test, args.test_size as usize / 2);
        let classes = train.into_iter().map(|(label, texts)| {
            let fit = drawn(texts, n_train, chance);
            let held = drawn(test.remove(&label).unwrap_or_default(), n_test, chance);
            (label, [fit, held])
        });
        Ok(Self {
            name: data.display().to_string(),
            n_train,
            n_test,
            classes: classes.collect(),
        })
    }

    /// Texts in all.
    pub(crate) fn len(&self) -> usize {
        self.classes.len() * (self.n_train + self.n_test)
    }

    /// The tokens of all texts, class by class, those to fit on first.
    pub(crate) fn tokens(&self, tokenizer: &PromptTokenizer) -> Result<Vec<PromptTokens>> {
        let texts = self
            .classes
            .iter()
            .flat_map(|(_, sets)| sets.iter().flatten());
        let texts: Vec<&String> = texts.collect();
        let tokens = texts.into_par_iter().map(|text| {
            let tokens = tokenizer.tokens(&Prompt::Text(text.clone()));
            tokens.with_context(|| {
                let start: String = text.chars().take(60).collect();
                format!("{}: the text that begins {start:?}", self.name)
            })
        });
        tokens.collect()
    }

    /// The classes, with what was found of the texts of [`tokens`](Self::tokens).
    pub(crate) fn classes(
        &self,
        (tokens, pooled): (&[PromptTokens], &[Pooled]),
        (d_sae, context_size): (usize, usize),
    ) -> Result<Vec<Class>> {
        let mut found = tokens.iter().zip(pooled);
        let mut texts = |n: usize| -> Result<Texts> {
            let mut texts = Texts::new(pooled[0].activation.len(), d_sae);
            for (tokens, pooled) in found.by_ref().take(n) {
                let kept = tokens.kept.iter().filter(|kept| **kept).count();
                let left_out = (context_size - kept) as f32 / kept as f32;
                let features = pooled.features.iter();
                let features = features.map(|active| (active.feature, active.value));
                texts.push(&pooled.activation, features, left_out)?;
            }
            Ok(texts)
        };
        let class = |(name, _): &(String, _)| {
            let (train, test) = (texts(self.n_train)?, texts(self.n_test)?);
            Ok(Class::new(name, train, test))
        };
        self.classes.iter().map(class).collect()
    }
}

fn by_label(texts: Vec<LabelledText>) -> BTreeMap<String, Vec<String>> {
    let mut labels: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for LabelledText { text, label } in texts {
        labels.entry(label).or_default().push(text);
    }
    labels
}

/// How many texts of each class there are to draw: what was asked for, or as many as the smallest class has.
fn fewest(
    data: &Path,
    file: &str,
    classes: &BTreeMap<String, Vec<String>>,
    wanted: usize,
) -> usize {
    let smallest = classes.iter().min_by_key(|(_, texts)| texts.len());
    match smallest {
        Some((label, texts)) if texts.len() < wanted => {
            tracing::warn!(
                "{}: {file} has {} texts of {label:?} where {wanted} were asked for; every class gets {}",
                data.display(),
                texts.len(),
                texts.len()
            );
            texts.len()
        }
        _ => wanted,
    }
}

fn drawn(mut texts: Vec<String>, n: usize, chance: &mut Seeded) -> Vec<String> {
    let order = chance.permutation(texts.len());
    let taken = order.into_iter().take(n);
    taken.map(|at| std::mem::take(&mut texts[at])).collect()
}
