//! What an SAE has found, with the texts of tokens, and the strongest features in detail.

use super::Sets;
use dataset_stream::Tokenizer;
use sae_contrast::{Contrast, FeatureContrast, Groups, Observations, Top};
use sae_llama::contrast::{Example, Wanted};
use sae_report::contrast::{Card, ContrastReport, ContrastRow, ShownPrompt};
use std::collections::HashMap;

/// The rows of a contrast with the tokens of their maxima.
pub(crate) fn found(
    found: &Contrast,
    sets: &Sets,
    groups: &Groups,
    tokenizer: &Tokenizer,
) -> Vec<ContrastRow> {
    let token = |top: Option<Top>, first: usize| {
        let top = top?;
        let id = sets.tokens[first + top.prompt].ids[top.position as usize];
        Some(tokenizer.token_text(id))
    };
    let row = |of: &FeatureContrast| {
        ContrastRow::new(
            of.clone(),
            token(of.top_a, 0),
            token(of.top_b, groups.n_a()),
        )
    };
    found.features.iter().map(row).collect()
}

/// The features that are shown in detail, and the prompts that are shown with them.
pub(crate) struct Shown {
    /// SAE and row.
    features: Vec<(usize, usize)>,
    /// Of each feature the prompts of `a` and of `b`.
    prompts: Vec<[Vec<usize>; 2]>,
}

impl Shown {
    /// The strongest features of a report.
    pub(crate) fn new(
        report: &ContrastReport,
        observed: &[Observations],
        groups: &Groups,
        (top, examples): (usize, usize),
    ) -> Self {
        let features = report.strongest(top);
        let sides = [0..groups.n_a(), groups.n_a()..groups.n()];
        let prompts = features.iter().map(|&(sae, row)| {
            let feature = report.saes[sae].rows[row].stats.feature;
            sides.clone().map(|side| {
                let largest = observed[sae].largest(feature, side, examples);
                largest.iter().map(|entry| entry.prompt as usize).collect()
            })
        });
        Self {
            prompts: prompts.collect(),
            features,
        }
    }

    /// The values that are needed, token by token.
    pub(crate) fn wanted(&self, report: &ContrastReport) -> Vec<Wanted> {
        let features = self.features.iter().zip(&self.prompts);
        let wanted = features.flat_map(|(&(sae, row), prompts)| {
            let feature = report.saes[sae].rows[row].stats.feature;
            prompts.iter().flatten().map(move |&prompt| Wanted {
                sae,
                prompt,
                feature,
            })
        });
        wanted.collect()
    }

    /// Puts them into the report.
    pub(crate) fn put_into(
        self,
        report: &mut ContrastReport,
        examples: &HashMap<Wanted, Example>,
        (observed, groups): (&[Observations], &Groups),
        sets: &Sets,
        tokenizer: &Tokenizer,
    ) {
        for (&(sae, row), prompts) in self.features.iter().zip(&self.prompts) {
            let feature = report.saes[sae].rows[row].stats.feature;
            let shown = |prompt: usize, first: usize| {
                let wanted = Wanted {
                    sae,
                    prompt,
                    feature,
                };
                let texts = sets.tokens[prompt].ids.iter();
                let texts = texts.map(|&id| tokenizer.token_text(id)).collect();
                Some(ShownPrompt::new(
                    prompt - first,
                    texts,
                    examples.get(&wanted)?.clone(),
                ))
            };
            let [of_a, of_b] = prompts;
            let of_a = of_a.iter().filter_map(|&prompt| shown(prompt, 0));
            let of_b = of_b
                .iter()
                .filter_map(|&prompt| shown(prompt, groups.n_a()));
            let mut values = [Vec::new(), Vec::new()];
            for entry in observed[sae].feature(feature) {
                let side = usize::from(entry.prompt as usize >= groups.n_a());
                values[side].push(entry.value);
            }
            let card = Card::new(row, values, [of_a.collect(), of_b.collect()]);
            report.saes[sae].cards.push(card);
        }
    }
}
