//! What a contrast has found, as its JSON has it.

use crate::describe::ModelDescription;
use crate::page::Links;
use crate::scale::number;
use sae_contrast::{Contrast, FeatureContrast, Probe, RankBy, ranked};
use serde::Serialize;

/// A contrast of two sets of prompts in the features of one SAE or several: `contrast.json`, where of each SAE the strongest features stand; all of
/// them are in `contrast.csv` and `contrast.parquet`.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct ContrastReport {
    /// The model.
    pub model: ModelDescription,
    /// The set that positive effects are of.
    pub a: PromptSet,
    /// The other.
    pub b: PromptSet,
    /// How it was made.
    pub settings: ContrastSettings,
    /// What each SAE has found.
    pub saes: Vec<SaeContrast>,
}

impl ContrastReport {
    /// Of one model and two sets.
    pub fn new(
        model: ModelDescription,
        [a, b]: [PromptSet; 2],
        settings: ContrastSettings,
        saes: Vec<SaeContrast>,
    ) -> Self {
        Self {
            model,
            a,
            b,
            settings,
            saes,
        }
    }

    /// The strongest features of all SAEs, as (SAE, row): of each the first so many, the strongest first.
    pub fn strongest(&self, most: usize) -> Vec<(usize, usize)> {
        let by = self.settings.rank_by;
        let firsts = self.saes.iter().enumerate().flat_map(|(at, sae)| {
            let rows = sae.order.iter().take(most);
            rows.map(move |&row| (at, row))
        });
        let mut all: Vec<_> = firsts.collect();
        let tested = |&(sae, row): &(usize, usize)| {
            self.saes[sae].rows[row].stats.n_fired() >= self.settings.min_fired
        };
        let strength = |&(sae, row): &(usize, usize)| by.strength(&self.saes[sae].rows[row].stats);
        // Stable: equals stay in the order of SAEs and features.
        all.sort_by(|x, y| {
            let by_strength = strength(y).total_cmp(&strength(x));
            tested(y).cmp(&tested(x)).then(by_strength)
        });
        all.truncate(most);
        all
    }
}

/// One of the two sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PromptSet {
    /// Where it is from.
    pub source: String,
    /// Prompts.
    pub n_prompts: usize,
    /// Their tokens that count.
    pub n_tokens: usize,
    /// Prompts that were cut at the context size.
    pub n_cut: usize,
}

impl PromptSet {
    /// Prompts from a file.
    pub fn new(source: &str, n_prompts: usize, n_tokens: usize, n_cut: usize) -> Self {
        Self {
            source: source.to_owned(),
            n_prompts,
            n_tokens,
            n_cut,
        }
    }
}

/// How a contrast was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ContrastSettings {
    /// Whether the prompts are pairs.
    pub paired: bool,
    /// How the tokens of a prompt become one value: `max`, `mean` or `last`.
    pub reduce: &'static str,
    /// Whether every special token was left out, and not only the BOS at the start.
    pub exclude_special_tokens: bool,
    /// Whether prompts went through the model's chat template.
    pub chat: bool,
    /// The system message.
    pub system: Option<String>,
    /// Text around the prompts.
    pub template: Option<String>,
    /// Permutations for `p_permutation`.
    pub permutations: usize,
    /// What they were drawn from.
    pub seed: u64,
    /// Prompts in which a tested feature is not zero, at the least.
    pub min_fired: usize,
    /// What features are ranked by.
    pub rank_by: RankBy,
    /// The q up to which a difference is called significant.
    pub alpha: f64,
}

impl Default for ContrastSettings {
    fn default() -> Self {
        Self {
            paired: false,
            reduce: "max",
            exclude_special_tokens: false,
            chat: false,
            system: None,
            template: None,
            permutations: 1000,
            seed: 0,
            min_fired: 5,
            rank_by: RankBy::CohensD,
            alpha: 0.05,
        }
    }
}

/// What one SAE has found.
#[derive(Debug, Serialize)]
#[non_exhaustive]
pub struct SaeContrast {
    /// The SAE, as it was given.
    pub sae: String,
    /// The layer of its hook.
    pub layer: Option<usize>,
    /// Its hook.
    pub hook_name: String,
    /// Features that it has.
    pub d_sae: usize,
    /// Features that are not zero in some prompt.
    pub n_features: usize,
    /// Features that were tested.
    pub n_tested: usize,
    /// Features with a q of at most `alpha`.
    pub n_significant: usize,
    /// The strongest features.
    pub top: Vec<ContrastRow>,
    /// Probes on few features.
    pub probes: Vec<Probe>,
    /// Every feature, in ascending order.
    #[serde(skip)]
    pub rows: Vec<ContrastRow>,
    /// Places in `rows`, the strongest first.
    #[serde(skip)]
    pub order: Vec<usize>,
    /// The strongest features in detail, for the page.
    #[serde(skip)]
    pub cards: Vec<Card>,
    /// Pages of its features.
    #[serde(skip)]
    pub links: Option<Links>,
}

/// A feature with the texts of its tokens.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ContrastRow {
    /// The statistics.
    #[serde(flatten)]
    pub stats: FeatureContrast,
    /// The token of its maximum in `a`.
    pub top_token_a: Option<String>,
    /// The token of its maximum in `b`.
    pub top_token_b: Option<String>,
}

impl ContrastRow {
    /// An effect for people: infinite where each set has one value, and not the same.
    pub(super) fn effect(&self, by: RankBy) -> String {
        match by.value(&self.stats) {
            Some(value) => number(value, 3),
            None if self.stats.is_constant() && self.stats.difference() > 0.0 => "∞".to_owned(),
            None if self.stats.is_constant() => "−∞".to_owned(),
            None => "—".to_owned(),
        }
    }

    /// A feature with its tokens.
    pub fn new(
        stats: FeatureContrast,
        top_token_a: Option<String>,
        top_token_b: Option<String>,
    ) -> Self {
        Self {
            stats,
            top_token_a,
            top_token_b,
        }
    }
}

impl SaeContrast {
    /// Of an SAE at a hook; `rows` are those of `found`, in its order, and `n_top` of them go into the JSON.
    pub fn new(
        (sae, hook_name, layer, d_sae): (String, String, Option<usize>, usize),
        found: &Contrast,
        rows: Vec<ContrastRow>,
        settings: &ContrastSettings,
        n_top: usize,
    ) -> Self {
        let order = ranked(&found.features, settings.rank_by, settings.min_fired);
        Self {
            sae,
            layer,
            hook_name,
            d_sae,
            n_features: found.features.len(),
            n_tested: found.n_tested,
            n_significant: found.n_significant(settings.alpha),
            top: order
                .iter()
                .take(n_top)
                .map(|&at| rows[at].clone())
                .collect(),
            probes: Vec::new(),
            rows,
            order,
            cards: Vec::new(),
            links: None,
        }
    }
}

/// A feature in detail.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Card {
    /// Its place in [`SaeContrast::rows`].
    pub row: usize,
    /// The values of the prompts of `a` and `b` in which it is not zero.
    pub values: [Vec<f32>; 2],
    /// The prompts of `a` and `b` in which it is largest.
    pub prompts: [Vec<ShownPrompt>; 2],
}

impl Card {
    /// A feature with its values and its prompts.
    pub fn new(row: usize, values: [Vec<f32>; 2], prompts: [Vec<ShownPrompt>; 2]) -> Self {
        Self {
            row,
            values,
            prompts,
        }
    }
}

/// A prompt to be shown: its tokens, and the feature on each.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ShownPrompt {
    /// The prompt, counted from 0 within its set.
    pub prompt: usize,
    /// Its tokens' texts.
    pub tokens: Vec<String>,
    /// The feature on each token; 0 on those that do not count.
    pub values: Vec<f32>,
}

impl ShownPrompt {
    /// A prompt with as many values as tokens.
    ///
    /// # Panics
    /// If there are more or fewer.
    pub fn new(prompt: usize, tokens: Vec<String>, values: Vec<f32>) -> Self {
        assert_eq!(tokens.len(), values.len(), "a value for each token");
        Self {
            prompt,
            tokens,
            values,
        }
    }
}
