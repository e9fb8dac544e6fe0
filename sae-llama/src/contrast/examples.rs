//! What single features are on each token of single prompts, to be shown.

use super::pass::Rows;
use super::{ContrastError, Contrasting, PromptProgress, PromptTokens, Reduced};
use sae_progress::Observer;
use sae_traits::SparseRows;
use std::collections::{BTreeSet, HashMap};
use std::ops::Range;

/// A feature of an SAE in a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Wanted {
    /// The SAE, counted from 0.
    pub sae: usize,
    /// The prompt, counted from 0 through both sets.
    pub prompt: usize,
    /// The feature.
    pub feature: u32,
}

/// The feature's value on each token; 0 on those that do not count.
pub type Example = Vec<f32>;

impl Contrasting<'_> {
    /// The features that are named, token by token: of what [`reduce`](Self::reduce) kept, else the prompts that are named run again.
    ///
    /// # Errors
    /// If the observer stops the work.
    pub fn examples(
        &self,
        prompts: &[PromptTokens],
        reduced: &Reduced,
        wanted: &[Wanted],
        observer: &mut impl Observer<PromptProgress>,
    ) -> Result<HashMap<Wanted, Example>, ContrastError> {
        if !reduced.rows.is_empty() {
            let example = |&one: &Wanted| {
                let rows = &reduced.rows[one.sae][one.prompt];
                let prompt = &prompts[one.prompt];
                let positions = (0..prompt.ids.len() as u32).filter(|&at| prompt.kept[at as usize]);
                let positions: Vec<u32> = positions.collect();
                let all = 0..rows.n_rows();
                (
                    one,
                    values(rows, all, &positions, prompt.ids.len(), one.feature),
                )
            };
            return Ok(wanted.iter().map(example).collect());
        }
        let mut features: HashMap<(usize, usize), Vec<u32>> = HashMap::new();
        for one in wanted {
            let of_prompt = features.entry((one.sae, one.prompt)).or_default();
            of_prompt.push(one.feature);
        }
        let needed: BTreeSet<usize> = wanted.iter().map(|one| one.prompt).collect();
        let needed: Vec<_> = needed.into_iter().map(|at| (at, &prompts[at])).collect();
        let mut examples = HashMap::new();
        let mut sink = |rows: Rows<'_>| {
            let Rows { sae, prompt, .. } = rows;
            for &feature in features.get(&(sae, prompt)).into_iter().flatten() {
                let n = prompts[prompt].ids.len();
                let values = values(
                    rows.features,
                    rows.range.clone(),
                    rows.positions,
                    n,
                    feature,
                );
                let key = Wanted {
                    sae,
                    prompt,
                    feature,
                };
                examples.insert(key, values);
            }
        };
        self.run(&needed, &mut sink, observer)?;
        Ok(examples)
    }
}

/// One feature on `n` tokens, of rows that are at these positions.
fn values(
    features: &SparseRows,
    rows: Range<usize>,
    positions: &[u32],
    n: usize,
    feature: u32,
) -> Example {
    let mut values = vec![0.0; n];
    for (row, &position) in rows.zip(positions) {
        let mut entries = features.entries(row);
        let found = entries.find(|(index, _)| *index == feature as usize);
        values[position as usize] = found.map_or(0.0, |(_, value)| value);
    }
    values
}
