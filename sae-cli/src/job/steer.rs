//! Steering from the arguments: SAEs at their hooks, and what is done to which feature.

use crate::args::place::PlaceArgs;
use crate::args::steer::{PartChoice, SteerArgs};
use crate::error::UsageError;
use crate::job::run::{find_at, load};
use anyhow::{Context, Result, bail};
use dataset_stream::Tokenizer;
use llama_hooked::LlamaConfig;
use sae_backend::ComputeDevice;
use sae_core::RunDir;
use sae_dashboard::figures::Figures;
use sae_interventions::{FeatureFigures, Part, SteerSpec, SteeredSae, Steering, Window};
use sae_llama::plan::Work;
use sae_report::steering::{EditRow, SteeredRun, SteeringReport};
use std::path::{Path, PathBuf};

/// The SAEs that steer, in the order of the call.
pub(crate) struct Steer<'a> {
    args: &'a SteerArgs,
    /// As they were given.
    names: Vec<String>,
    runs: Vec<RunDir>,
    /// Of each, its edits.
    edits: Vec<Vec<&'a SteerSpec>>,
    /// Of each, if they were given.
    figures: Vec<Figures>,
}

impl<'a> Steer<'a> {
    /// Finds them, here or on the Hub; `None` if there are none.
    pub(crate) fn find(args: &'a SteerArgs, quiet: bool) -> Result<Option<Self>> {
        if args.sae.is_empty() {
            return Ok(None);
        }
        if args.steer.is_empty() && !args.no_error_term {
            bail!(UsageError(
                "--sae: nothing is done with it; give --steer FEATURE=EDIT, or --no-error-term"
                    .to_owned()
            ));
        }
        if !args.figures.is_empty() && args.figures.len() != args.sae.len() {
            bail!(UsageError(format!(
                "--figures: {} for {} SAEs; give one for each --sae, in their order",
                args.figures.len(),
                args.sae.len()
            )));
        }
        let mut edits = vec![Vec::new(); args.sae.len()];
        for spec in &args.steer {
            edits[which(spec, &args.sae)?].push(spec);
        }
        let place = PlaceArgs {
            model: None,
            hook: None,
            files: args.files.clone(),
        };
        let runs = args.sae.iter().map(|path| find_at(path, &place, quiet));
        let runs = runs.collect::<Result<Vec<_>>>()?;
        let figures = args.figures.iter().zip(&runs).map(|(path, run)| {
            let figures = Figures::read(path).context("--figures")?;
            check(&figures, run).with_context(|| format!("--figures {}", path.display()))?;
            Ok(figures)
        });
        Ok(Some(Self {
            args,
            names: args.sae.iter().map(|p| p.display().to_string()).collect(),
            figures: figures.collect::<Result<_>>()?,
            runs,
            edits,
        }))
    }

    /// The files that are read.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        let of_runs = self.runs.iter().flat_map(RunDir::files);
        of_runs.chain(self.args.figures.iter().cloned()).collect()
    }

    /// The work with these SAEs in place: one at a time, the largest, and the weights of all.
    pub(crate) fn planned(&self, mut work: Work) -> Result<Work> {
        let (mut resident, mut largest) = (0, work.sae);
        for run in &self.runs {
            let this = work.clone().with_sae(run)?.sae;
            resident += run.n_params()?;
            if this.map(|sae| sae.d_sae) >= largest.map(|sae| sae.d_sae) {
                largest = this;
            }
        }
        if let Some(sae) = &mut largest {
            sae.n_params = resident;
            // No statistics of activations are kept.
            sae.d_in = 0;
        }
        work.sae = largest;
        Ok(work)
    }

    /// The hook, with the weights loaded, and what is to be said of it.
    pub(crate) fn load(
        &self,
        model: &LlamaConfig,
        tokenizer: &Tokenizer,
        on: &ComputeDevice,
    ) -> Result<(Steering, SteeringReport)> {
        let (mut saes, mut described) = (Vec::new(), Vec::new());
        for (at, (run, name)) in self.runs.iter().zip(&self.names).enumerate() {
            let sae = load(run, on)?;
            let steered = SteeredSae::new(model, &sae).with_context(|| name.clone())?;
            let mut steered = steered.error_term(!self.args.no_error_term);
            let mut row = SteeredRun::new(
                name,
                steered.read().to_string(),
                steered.write().to_string(),
            );
            for spec in &self.edits[at] {
                let figures = self.figures_of(at, spec.feature);
                let resolved = spec.edit.resolved(spec.feature, figures);
                let resolved = resolved.map_err(|error| self.lacks_figures(error.into()));
                let resolved = resolved.with_context(|| format!("--steer {spec}"))?;
                steered = steered
                    .edit(spec.feature, resolved)
                    .with_context(|| format!("--steer {spec}"))?;
                row.edits.push(EditRow::new(
                    spec.feature,
                    spec.edit.to_string(),
                    resolved.to_string(),
                    resolved.unit(),
                    (figures.max, figures.mean),
                ));
            }
            saes.push(steered);
            described.push(row);
        }
        let mut window = Window::default();
        window.special_tokens = self.args.steer_special_tokens;
        let (part, part_name) = match self.args.steer_part {
            PartChoice::All => (Part::All, "all"),
            PartChoice::Prompt => (Part::Prompt, "prompt"),
            PartChoice::Generated => (Part::Generated, "generated"),
        };
        window.part = part;
        let steering = Steering::new(saes).special_tokens(tokenizer.all_special());
        let mut report = SteeringReport::new(described);
        report.error_term = !self.args.no_error_term;
        report.special_tokens = self.args.steer_special_tokens;
        report.part = part_name;
        Ok((steering.window(window)?, report))
    }

    fn figures_of(&self, sae: usize, feature: u32) -> FeatureFigures {
        let numbers = self.figures.get(sae);
        let numbers = numbers.and_then(|figures| figures.features.get(&feature));
        match numbers {
            Some(numbers) => FeatureFigures::new(
                // A feature that never fired has no maximum to be measured by.
                Some(numbers.max).filter(|max| *max > 0.0),
                Some(numbers.mean_of_all() as f32),
            ),
            None => FeatureFigures::default(),
        }
    }

    fn lacks_figures(&self, error: anyhow::Error) -> anyhow::Error {
        if self.figures.is_empty() {
            error.context("what sae dashboard wrote of the SAE has it: give --figures")
        } else {
            error
        }
    }
}

/// The SAE that an edit is of: by its path as it was given, the name of its folder, or its number from 1.
fn which(spec: &SteerSpec, saes: &[PathBuf]) -> Result<usize> {
    let there_are = || {
        let of = |(at, path): (usize, &PathBuf)| format!("{}: {}", at + 1, path.display());
        saes.iter()
            .enumerate()
            .map(of)
            .collect::<Vec<_>>()
            .join(", ")
    };
    let Some(run) = &spec.run else {
        if saes.len() == 1 {
            return Ok(0);
        }
        bail!(UsageError(format!(
            "--steer {spec}: of which SAE? write RUN:{spec}, RUN being a number, a folder's name or a path of {}",
            there_are()
        )));
    };
    let trimmed = run.trim_end_matches('/');
    let is_path = |path: &Path| path.to_string_lossy().trim_end_matches('/') == trimmed;
    let is_name = |path: &Path| {
        path.file_name()
            .is_some_and(|name| name.to_string_lossy() == trimmed)
    };
    let find = |is: &dyn Fn(&Path) -> bool| -> Vec<usize> {
        (0..saes.len()).filter(|&at| is(&saes[at])).collect()
    };
    let mut found = find(&is_path);
    if found.is_empty() {
        found = find(&is_name);
    }
    if found.is_empty() {
        let number = run.parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        found.extend(number.filter(|at| *at < saes.len()));
    }
    match found[..] {
        [at] => Ok(at),
        [] => bail!(UsageError(format!(
            "--steer {spec}: {run} is none of the SAEs {}",
            there_are()
        ))),
        _ => bail!(UsageError(format!(
            "--steer {spec}: {run} may be several of the SAEs {}; write the number",
            there_are()
        ))),
    }
}

/// Makes sure that figures are of this SAE, as far as they say.
fn check(figures: &Figures, run: &RunDir) -> Result<()> {
    let d_sae = run.cfg.d_sae;
    if let Some(found) = figures.d_sae.filter(|found| *found as usize != d_sae) {
        bail!(
            "is of an SAE with {found} features, {} has {d_sae}",
            run.dir.display()
        );
    }
    let hook = run.cfg.metadata.hook_name.as_deref();
    if let (Some(found), Some(hook)) = (figures.hook_name.as_deref(), hook)
        && !found.is_empty()
        && found != hook
    {
        bail!(
            "is of an SAE at {found}, {} is at {hook}",
            run.dir.display()
        );
    }
    Ok(())
}
