//! Which features make a token likely after one's own text.

use super::answers::in_full;
use super::{Live, Prepared};
use anyhow::{Context, Error, Result, bail};
use llama_hooked::Placement;
use sae_backend::format_bytes;
use sae_interventions::{
    AttributeError, AttributeOptions, AttributeProgress, Attribution, PlacedSae, Prompts,
    SaeAttribution, attribute, gradient_bytes,
};
use sae_serve::{
    AttributeRequest, AttributeResponse, AttributedFeature, AttributedTotal, PromptError,
    PromptToken, Stop,
};
use std::ops::ControlFlow;

impl Live {
    pub(super) fn attributed(
        &self,
        request: &AttributeRequest,
        stop: &Stop,
    ) -> Result<AttributeResponse, PromptError> {
        let invalid = |error: Error| PromptError::Invalid(in_full(&error));
        let (prompts, placed) = self.attributable(request).map_err(invalid)?;
        let mut options = AttributeOptions::default();
        options.components = false;
        options.most = request.top;
        let mut observer = |_: &AttributeProgress| {
            if stop.is_set() {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        };
        let model = &self.prepared.model;
        let found = attribute(model, &prompts, &[placed], &options, &mut observer);
        let Attribution {
            metric,
            value,
            mut saes,
            ..
        } = found.map_err(|error| match error {
            AttributeError::Stopped(_) => PromptError::Stopped,
            other => invalid(other.into()),
        })?;
        let sae = saes.remove(0);
        let token = |id| self.spelled(id);
        Ok(AttributeResponse {
            tokens: self.counted(&prompts.clean),
            answer: Some(token(prompts.answer)),
            against: prompts.against.map(token),
            metric: metric.to_owned(),
            value,
            ..response(sae)
        })
    }

    /// The prompt and the SAE in its place, if gradients can be had here.
    fn attributable(&self, request: &AttributeRequest) -> Result<(Prompts, PlacedSae)> {
        let Prepared {
            model, sae, plan, ..
        } = &self.prepared;
        let config = model.config();
        if plan.placement == Placement::Streamed {
            bail!(
                "the model's weights are streamed from their files here, and gradients need all {} of them in memory at once: start sae serve with more --memory and without --stream-layers",
                format_bytes(config.memory(model.dtype()).weights)
            );
        }
        let placed = PlacedSae::new(config, sae)
            .context("effects of this SAE's features on the next token cannot be found")?;
        let ids = self.ids(&request.text)?;
        if ids.is_empty() {
            bail!("the text has no tokens");
        }
        let (needed, room) = (
            gradient_bytes(config, model.dtype(), &placed, ids.len()),
            plan.room(),
        );
        if needed > room {
            bail!(
                "the text has {} tokens, for which gradients take about {}, and {} of {} ({}) are free for them: shorten the text, or start sae serve with more --memory",
                ids.len(),
                format_bytes(needed),
                format_bytes(room),
                format_bytes(plan.limit_bytes),
                plan.limit_from
            );
        }
        let prompts = Prompts::from_ids(ids, None, request.answer, request.against)?;
        prompts.check(config.vocab_size)?;
        Ok((prompts, placed))
    }

    /// Tokens with what is known of their places.
    pub(super) fn counted(&self, ids: &[u32]) -> Vec<PromptToken> {
        let tokens = ids.iter().enumerate().map(|(place, &id)| {
            let mut token = self.spelled(id);
            token.counts = self.prepared.masking.in_statistics(place, id);
            token
        });
        tokens.collect()
    }
}

/// What the answer says of the SAE.
fn response(sae: SaeAttribution) -> AttributeResponse {
    let feature = |f: &sae_interventions::FeatureEffect| AttributedFeature {
        feature: f.feature,
        position: f.position,
        activation: f.activation,
        effect: f.effect,
    };
    let total = |t: &sae_interventions::FeatureTotal| AttributedTotal {
        feature: t.feature,
        effect: t.effect,
        n_positions: t.n_positions,
    };
    AttributeResponse {
        n_active: sae.n_active,
        features: sae.features.iter().map(feature).collect(),
        totals: sae.totals.iter().map(total).collect(),
        sum: sae.completeness.sum,
        measured: sae.completeness.measured,
        hook_name: sae.hook_name,
        write_hook: sae.write_hook,
        by_position: sae.by_position,
        error: sae.error,
        bias: sae.bias,
        ..AttributeResponse::default()
    }
}
