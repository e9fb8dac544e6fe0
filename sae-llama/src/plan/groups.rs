//! Several SAEs that are measured in one run of the model, or in groups where they do not fit together.

use super::{Part, Plan, PlanError, SaeShape, Work, sum};
use crate::Place;
use llama_hooked::Placement;
use sae_backend::Memory;

/// Bytes of the sums over the vocabulary of one token of a run.
const SUMS: u64 = 128;
/// Tensors as wide as the residual stream, a token each: of an SAE, what it puts in place and what comes of it; of all SAEs in place at once, what
/// goes through the model and what comes of it; of a place, what a run leaves there. What the first place needs is among the work on one SAE already.
const OF_SAE: u64 = 2;
const OF_ALL: u64 = 2;
const OF_PLACE: u64 = 3;

/// An SAE's size, and where it sits.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct SaeAt {
    /// Its size.
    pub shape: SaeShape,
    /// Where it sits.
    pub place: Place,
}

impl SaeAt {
    /// An SAE of this size in this place.
    pub fn new(shape: SaeShape, place: Place) -> Self {
        Self { shape, place }
    }
}

impl Work {
    /// This work with all of these SAEs measured in one run of the model; with `together`, also all of them in place at once.
    #[must_use]
    pub fn with_saes(&self, saes: &[SaeAt], together: bool) -> Self {
        let mut work = self.clone();
        let active = |sae: &SaeShape| sae.active.map_or(sae.d_sae / 8, |n| 2 * n);
        let mut places: Vec<Place> = Vec::new();
        let mut statistics = 0;
        for SaeAt { shape, place } in saes {
            if !places.contains(place) {
                places.push(*place);
            }
            statistics += work.statistics(*shape);
            // Features are of one SAE at a time: the most of any.
            work.sae = Some(work.sae.map_or(*shape, |all| SaeShape {
                n_params: all.n_params + shape.n_params,
                d_in: all.d_in.max(shape.d_in),
                d_sae: all.d_sae.max(shape.d_sae),
                active: Some(active(&all).max(active(shape)).div_ceil(2)),
            }));
        }
        let (n, n_places) = (saes.len() as u64, places.len() as u64);
        let n_runs = n + n_places + if together { 2 } else { 0 };
        let residual = work.model.memory(work.dtype).residual_per_token;
        let all = if together { OF_ALL } else { 0 };
        let more = OF_SAE * n + all + OF_PLACE * n_places.saturating_sub(1);
        work.kept_per_row += work.context_size as u64 * (more * residual + n_runs * SUMS);
        let counted = work.sae.map_or(0, |sae| work.statistics(sae));
        let others = statistics.saturating_sub(counted);
        work.besides.push(Part::new("of the others", others));
        work
    }

    /// The plan for SAEs that are measured in one run of the model: all of them at once if they fit, else in as few groups as fit, and which SAEs
    /// each has. At most `at_once` are in a group; with `together`, all are in one.
    ///
    /// The SAEs of one hook stay side by side, so that a group shares what runs above it. The parts are those of the largest group.
    ///
    /// # Errors
    /// If not even one fits at a time, or not as many as were asked for.
    pub fn plan_groups(
        &self,
        saes: &[SaeAt],
        at_once: Option<usize>,
        together: bool,
        limit: &Memory,
        stream: bool,
    ) -> Result<(Plan, Vec<Vec<usize>>), PlanError> {
        let mut order: Vec<usize> = (0..saes.len()).collect();
        order.sort_by_key(|&at| (saes[at].place.read(), saes[at].place.write()));
        let all = saes.len().max(1);
        let most = at_once.unwrap_or(all).clamp(1, all);
        let planned = |size: usize| self.plan_size(saes, &order, size, together, limit, stream);
        if together || at_once.is_some() {
            return Ok((
                planned(if together { all } else { most })?,
                cut(&order, if together { all } else { most }),
            ));
        }
        let alone = planned(1)?;
        for size in (2..=most).rev() {
            // Streaming the weights costs more than running the model again.
            match planned(size) {
                Ok(plan)
                    if plan.placement == Placement::Resident
                        || alone.placement == Placement::Streamed =>
                {
                    return Ok((plan, cut(&order, size)));
                }
                _ => {}
            }
        }
        Ok((alone, cut(&order, 1)))
    }

    /// With groups of so many.
    fn plan_size(
        &self,
        saes: &[SaeAt],
        order: &[usize],
        size: usize,
        together: bool,
        limit: &Memory,
        stream: bool,
    ) -> Result<Plan, PlanError> {
        let mut this = self.clone();
        let groups = cut(order, size);
        if groups.len() > 1 {
            // The rows are read once, and kept for the other groups.
            let rows = self.rows.unwrap_or(0);
            let bytes = rows.saturating_mul(4 * self.context_size as u64 + 32);
            this.besides.push(Part::new("rows", bytes));
        }
        let works = groups.iter().map(|group| {
            let saes: Vec<SaeAt> = group.iter().map(|&at| saes[at]).collect();
            this.with_saes(&saes, together)
        });
        let mut works: Vec<Work> = works.collect();
        let plan = |work: &Work, stream: bool| work.plan(limit, stream);
        let first: Vec<Plan> = works
            .iter()
            .map(|work| plan(work, stream))
            .collect::<Result<_, _>>()?;
        // One model and batches of one size for all groups.
        let stream = first.iter().any(|p| p.placement == Placement::Streamed);
        let rows = first.iter().map(|plan| plan.batch_size).min();
        let mut largest: Option<Plan> = None;
        for work in &mut works {
            work.batch_size = rows;
            let plan = plan(work, stream)?;
            if largest
                .as_ref()
                .is_none_or(|old| old.total_bytes < plan.total_bytes)
            {
                largest = Some(plan);
            }
        }
        let mut plan = match largest {
            Some(plan) => plan,
            None => self.plan(limit, stream)?,
        };
        debug_assert_eq!(sum(&plan.parts), plan.total_bytes);
        plan.sae_groups = groups.iter().map(Vec::len).collect();
        Ok(plan)
    }
}

/// In groups of so many at the most.
fn cut(order: &[usize], size: usize) -> Vec<Vec<usize>> {
    order.chunks(size.max(1)).map(<[usize]>::to_vec).collect()
}
