//! Two texts of one's own, feature by feature.

use super::Live;
use anyhow::{Context, Result, bail};
use sae_llama::features::{FeatureDifference, most_different};
use sae_serve::{ContrastRequest, ContrastResponse, ContrastedFeature, Stop};
use std::collections::BTreeMap;

impl Live {
    /// `None` when `stop` says so.
    pub(super) fn contrasted(
        &self,
        request: &ContrastRequest,
        stop: &Stop,
    ) -> Result<Option<ContrastResponse>> {
        let texts = [
            (&request.text, "the first text"),
            (&request.other, "the second text"),
        ];
        let ids = texts.map(|(text, which)| {
            let ids = self.ids(text).context(which)?;
            let counts: Vec<bool> = self.in_maxima(&ids);
            if !counts.contains(&true) {
                bail!("{which}: has no tokens that count");
            }
            Ok((ids, counts))
        });
        let [first, second] = ids;
        let ids = [first?, second?];
        let mut peaks = [BTreeMap::new(), BTreeMap::new()];
        let mut shown = [Vec::new(), Vec::new()];
        for (at, (ids, counts)) in ids.iter().enumerate() {
            if stop.is_set() {
                return Ok(None);
            }
            let all = self.activations_on(ids).context(texts[at].1)?;
            peaks[at] = all.peaks(|token| counts[token]);
            shown[at] = self.tokens(ids, &all);
            for (token, counts) in shown[at].iter_mut().zip(counts) {
                token.counts = *counts;
            }
        }
        let (found, n_different) = most_different(&peaks, request.top);
        let feature = |f: &FeatureDifference| ContrastedFeature {
            index: f.feature,
            max: f.peaks.map(|peak| peak.value),
            token: f.peaks.map(|peak| peak.token),
            difference: f.difference(),
        };
        Ok(Some(ContrastResponse {
            texts: shown,
            n_different,
            features: found.iter().map(feature).collect(),
        }))
    }

    /// Which tokens of a text count: those that count in statistics, and BOS never, whose activations are no measure for the others.
    fn in_maxima(&self, ids: &[u32]) -> Vec<bool> {
        let bos = self.prepared.tokenizer.bos();
        let counts = |(place, &id): (usize, &u32)| {
            self.prepared.masking.in_statistics(place, id) && Some(id) != bos
        };
        ids.iter().enumerate().map(counts).collect()
    }
}
