//! Several SAEs measured in one run of the model, or in as many as there are groups of them.

use super::eval_state::Sums;
use super::run;
use crate::terminal::interrupt;
use anyhow::{Context, Result};
use llama_hooked::{Llama, LlamaConfig};
use sae_backend::ComputeDevice;
use sae_core::{RunDir, Sae, SaeConfig};
use sae_llama::plan::{Plan, SaeAt, SaeShape};
use sae_llama::{LlamaPlaces, Place, ReconstructionPath, Spliced};
use sae_metrics::{
    Evaluation, EvaluationProgress, MultiEvaluation, Observer, ProtocolOptions, evaluate_multi_more,
};
use std::time::Instant;

/// Where each SAE sits.
pub(crate) fn places(config: &LlamaConfig, runs: &[RunDir]) -> Result<Vec<Place>> {
    let place = |run: &RunDir| {
        let place = Place::new(config, &run.cfg).and_then(|place| {
            place.check(config, &run.cfg)?;
            Ok(place)
        });
        let dir = run.dir.display();
        place.with_context(|| format!("the SAE of {dir} does not fit the model"))
    };
    runs.iter().map(place).collect()
}

/// The sizes of the SAEs with their places, for the plan.
pub(crate) fn shapes(runs: &[RunDir], places: &[Place]) -> Result<Vec<SaeAt>> {
    let shapes = runs.iter().zip(places);
    let shapes = shapes.map(|(run, &place)| Ok(SaeAt::new(SaeShape::of(run)?, place)));
    shapes.collect()
}

/// Writes down what has been measured so far.
pub(crate) type Save<'a> = &'a mut dyn FnMut(&Sums) -> Result<()>;
/// The same, with the place in the rows.
pub(crate) type SaveAt<'a, I> = &'a mut dyn FnMut(&Sums, &I) -> Result<()>;

/// What every group of SAEs is measured with.
pub(crate) struct Several<'a> {
    pub(crate) runs: &'a [RunDir],
    pub(crate) places: &'a [Place],
    pub(crate) model: &'a Llama,
    pub(crate) plan: &'a Plan,
    pub(crate) options: &'a ProtocolOptions,
    /// What comes in the activation's place.
    pub(crate) path: fn(&SaeConfig) -> ReconstructionPath,
    pub(crate) on: &'a ComputeDevice,
}

/// SAEs that are in memory at the same time.
pub(crate) struct Group<'a> {
    of: &'a Several<'a>,
    /// Their numbers.
    pub(crate) members: &'a [usize],
    pub(crate) model: LlamaPlaces,
    /// Each with the number of its place.
    pub(crate) saes: Vec<(usize, Sae)>,
    pub(crate) load_s: f64,
}

impl Several<'_> {
    /// Nothing measured yet.
    pub(crate) fn sums(&self, together: bool) -> Sums {
        let d_saes = self.runs.iter().map(|run| run.cfg.d_sae);
        Sums::new(d_saes, self.options.legacy_bytes, together)
    }

    /// Loads the SAEs of a group.
    pub(crate) fn load<'a>(&'a self, members: &'a [usize]) -> Result<Group<'a>> {
        let start = Instant::now();
        let places: Vec<Place> = members.iter().map(|&at| self.places[at]).collect();
        let model = LlamaPlaces::new(self.model, &places).rows_at_once(self.plan.rows_at_once);
        let saes = members.iter().map(|&at| {
            let number = model.number(self.places[at]).unwrap_or_default();
            Ok((number, run::load(&self.runs[at], self.on)?))
        });
        let saes = saes.collect::<Result<_>>()?;
        Ok(Group {
            of: self,
            members,
            model,
            saes,
            load_s: start.elapsed().as_secs_f64(),
        })
    }

    /// Measures one group after the other on the same rows, and calls `each` after each. Rows that a group has been measured on before are skipped.
    /// `save` is called every so many rows, and after each group.
    pub(crate) fn measure_all(
        &self,
        groups: &[Vec<usize>],
        rows: &[Vec<u32>],
        sums: &mut Sums,
        (every, save): (u64, Save),
        observer: &mut impl Observer<EvaluationProgress>,
        mut each: impl FnMut(&Group, &mut Sums) -> Result<()>,
    ) -> Result<()> {
        for (done, members) in groups.iter().enumerate() {
            let group = self.load(members)?;
            let mut observer = |progress: &EvaluationProgress| {
                let mut progress = *progress;
                progress.sequences += (done * rows.len()) as u64;
                observer.observe(&progress)
            };
            let skipped = members.first().map_or(0, |&at| sums.rows_of(at));
            let rest = rows.iter().skip(skipped as usize).cloned();
            let mut rest = rest.map(|row| interrupt::check().map(|()| row));
            let mut save_part = |sums: &Sums, _: &_| save(sums);
            group.measure(&mut rest, sums, (every, &mut save_part), &mut observer)?;
            save(sums)?;
            each(&group, sums)?;
        }
        Ok(())
    }
}

impl Group<'_> {
    /// Adds to what has been measured on earlier rows, and calls `save` every so many rows.
    pub(crate) fn measure<E, I>(
        &self,
        rows: &mut I,
        sums: &mut Sums,
        (every, save): (u64, SaveAt<I>),
        observer: &mut impl Observer<EvaluationProgress>,
    ) -> Result<()>
    where
        E: std::error::Error + Send + Sync + 'static,
        I: Iterator<Item = Result<Vec<u32>, E>>,
    {
        let Some(&first) = self.members.first() else {
            return Ok(());
        };
        let spliced = self.saes.iter();
        let spliced =
            spliced.map(|(number, sae)| (*number, Spliced::new(sae, (self.of.path)(sae.cfg()))));
        let spliced: Vec<_> = spliced.collect();
        loop {
            let (before, counted) = (sums.rows_of(first), self.model.block_tokens());
            let taken = self.members.iter().map(|&at| take(&mut sums.saes[at]));
            let mut found = MultiEvaluation::new(taken.collect(), sums.together.take());
            let part = rows
                .by_ref()
                .take(usize::try_from(every).unwrap_or(usize::MAX));
            evaluate_multi_more(
                &self.model,
                &spliced,
                part,
                self.of.options,
                &mut found,
                observer,
            )?;
            for (&at, evaluation) in self.members.iter().zip(found.saes) {
                sums.saes[at] = evaluation;
            }
            sums.together = found.together;
            sums.block_tokens += self.model.block_tokens() - counted;
            if sums.rows_of(first) - before < every {
                return Ok(());
            }
            save(sums, rows)?;
        }
    }

    /// Tokens that would have gone through a block of the model in evaluations of each SAE alone.
    pub(crate) fn block_tokens_alone(&self, sums: &Sums) -> u64 {
        let each = self.members.iter().zip(&self.saes);
        each.map(|(&at, &(number, _))| {
            let of = &sums.saes[at];
            let with_losses = of.reconstruction.tokens.seen;
            let without = of.sparsity.tokens.seen - with_losses;
            let place = self.model.place(number);
            self.model.block_tokens_alone(place, with_losses, without)
        })
        .sum()
    }
}

/// What was measured of an SAE; nothing is left in its place.
pub(crate) fn take(evaluation: &mut Evaluation) -> Evaluation {
    std::mem::replace(evaluation, Evaluation::new(0, 0))
}
