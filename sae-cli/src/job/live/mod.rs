//! The pages of `sae serve`: features as they are asked for, and one's own text.

mod answers;
mod attributed;
mod contrasted;
mod steered;
mod texts;

use super::prepare::Prepared;
use super::run::split;
use anyhow::Result;
use chat_template::ChatTemplate;
use llama_hooked::generate::GenerationConfig;
use sae_dashboard::assemble::Collected;
use sae_dashboard::labels::LabelFile;
use sae_dashboard::page::overview_bytes;
use sae_dashboard::{ActivationLog, CollectOptions, Feature, Summary, collect};
use sae_llama::SplitLlama;
use sae_llama::dashboard::{Rows, Spelling, shown_weights};
use sae_llama::features::TextFeatures;
use sae_progress::Unobserved;
use std::sync::Mutex;
pub(crate) use steered::{KEPT_TOKENS, MOST_NEW};
use texts::LastTexts;

/// A model, an SAE and a log of what fires, for as long as the program runs.
pub(crate) struct Live {
    prepared: Prepared,
    split: SplitLlama,
    features: TextFeatures,
    log: ActivationLog,
    summary: Summary,
    norms: Vec<f32>,
    raw_lens: bool,
    overview: Vec<u8>,
    labels: Option<Mutex<LabelFile>>,
    last: LastTexts,
    template: Option<ChatTemplate>,
    generation: GenerationConfig,
}

impl Live {
    pub(crate) fn new(
        prepared: Prepared,
        log: ActivationLog,
        labels: Option<LabelFile>,
        raw_lens: bool,
    ) -> Result<Self> {
        let split = split(&prepared.model, &prepared.run)?;
        let template = steered::template(&prepared.found);
        let generation = prepared.found.generation_config()?;
        let summary = Summary::of(&log)?;
        let features: Vec<u32> = (0..log.info().d_sae).collect();
        let weights = shown_weights(&split, &prepared.sae, &features, raw_lens, None);
        let collected = Collected {
            log: &log,
            contexts: &Rows(&prepared.table),
            summary: &summary,
            features: &features,
        };
        let overview = collected.overview(prepared.source.clone(), &weights);
        Ok(Self {
            overview: overview_bytes(&overview, &Spelling(&prepared.tokenizer))?,
            norms: weights.norms().to_vec(),
            features: TextFeatures::new(&split, &prepared.sae),
            prepared,
            split,
            log,
            summary,
            raw_lens,
            labels: labels.map(Mutex::new),
            last: LastTexts::default(),
            template,
            generation,
        })
    }

    fn collect(&self, index: u32) -> Result<Feature> {
        let (sae, norms) = (&self.prepared.sae, self.norms.clone());
        let mut weights = shown_weights(&self.split, sae, &[index], self.raw_lens, Some(norms));
        let mut found = None;
        collect(
            &self.log,
            &self.summary,
            &Rows(&self.prepared.table),
            &[index],
            &CollectOptions::default(),
            &mut Unobserved,
            |part| {
                found = Some(weights.join(0, part));
                Ok(())
            },
        )?;
        Ok(found.expect("the feature that was asked for"))
    }
}
