//! `sae eval` of several SAEs

use crate::args::Global;
use crate::args::eval::Args;
use crate::error::UsageError;
use crate::job::evaluation::{budget, eval_cfg, protocol, rows, targets, warnings};
use crate::job::model::{describe, find_model, warn_if_too_long};
use crate::job::rows::Rows;
use crate::job::saes::{find_all, same_model, warn_of_other_rows};
use crate::job::text::{rows_of, too_short};
use crate::job::token_origin::warn_of_another_tokenizer;
use crate::job::{device, plan, run, saebench};
use crate::terminal;
use crate::terminal::interrupt;
use crate::terminal::progress::Bar;
use anyhow::{Context, Result, bail};
use llama_hooked::{Llama, LlamaConfig};
use sae_backend::ComputeDevice;
use sae_core::{RunDir, Sae};
use sae_llama::plan::{Plan, SaeAt, SaeShape, Work};
use sae_llama::resolve::{FoundModel, published};
use sae_llama::{LlamaPlaces, Place, ReconstructionPath, Spliced};
use sae_metrics::{
    EvaluationProgress, Observer, ProtocolOptions, ReconstructionStatistics, Report, evaluate_multi,
};
use sae_report::saebench::CoreMetrics;
use sae_report::{
    EvalOutcome, EvalTimings, Evaluated, EvaluatedSeveral, Forward, ModelDescription, Published,
    Together,
};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) fn run(args: &Args, paths: &[PathBuf], global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    if args.resume.is_some() {
        bail!(UsageError(
            "--resume: is of one SAE; leave it out, or evaluate one SAE at a time".to_owned()
        ));
    }
    let bench_files = saebench::files(args.saebench.as_deref(), paths)?;
    let targets = targets(args, csv_to_stdout, &bench_files, global)?;
    let on = device::choose(global)?;
    let given = args.input.place.model.as_deref();
    let names: Vec<_> = paths.iter().map(|p| p.display().to_string()).collect();
    let all_published = all_published(paths)?;
    let runs = find_all(paths, &args.input.place, global.quiet)?;
    same_model(&runs, &names, given)?;
    let metadata = &runs[0].cfg.metadata;
    let found = find_model(given, Some(metadata), global.quiet)?;
    let files = runs.iter().flat_map(RunDir::files);
    targets.spare(files.chain(found.paths()))?;
    let config = found.config()?;
    let places = places(&config, &runs)?;
    let budget = budget(args);
    let (mut rows, context_size, bad_rows) =
        rows(args, metadata, &found, budget, None, global, &targets)?;
    warn_of_other_rows(&runs, &names, args.input.tokens.is_some(), context_size);
    let most = rows.n_rows().or(rows_of(budget, context_size));
    let mut work = Work::new(&config, &on, context_size);
    work.rows = most;
    work.text_bytes = rows.memory_bytes();
    work.batch_size = args.input.batch_size.map(|n| n as usize);
    let shapes = runs.iter().zip(&places);
    let shapes = shapes.map(|(run, &place)| Ok(SaeAt::new(SaeShape::of(run)?, place)));
    let saes: Vec<SaeAt> = shapes.collect::<Result<_>>()?;
    let at_once = args.sae_at_once.map(|n| n as usize);
    let how = (at_once, args.together);
    let settled = plan::settle_groups(&work, &saes, how, &args.input.memory, &on, global)?;
    let Some((plan, groups)) = settled else {
        return Ok(());
    };

    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(context_size, &model);
    let data = args.input.tokens.as_deref();
    let data = data.or(args.input.dataset.as_deref().map(Path::new));
    warn_of_another_tokenizer(data, &found, &model);
    let options = protocol(args, &plan, &found, &model)?;
    let load_s = start.elapsed().as_secs_f64();

    let job = Job {
        args,
        paths,
        bench_files: &bench_files,
        names: &names,
        published: &all_published,
        runs: &runs,
        places: &places,
        model: &model,
        found: &found,
        plan: &plan,
        options: &options,
        on: &on,
    };
    let n_rows = most.map(|rows| rows * groups.len() as u64);
    let bar = Bar::new(global.quiet, "evaluating", n_rows, context_size);
    let mut observer = bar.evaluation();
    let all = job.measure_all(&groups, &mut rows, most.unwrap_or(0), &mut observer)?;
    drop(observer);
    drop(bar);
    let left_out_now = bad_rows.finish()?;
    let bad_rows = rows.bad_rows().unwrap_or(left_out_now);
    let load_s = load_s + all.load_s;
    let evaluate_s = start.elapsed().as_secs_f64() - load_s;
    let timings = EvalTimings { load_s, evaluate_s };
    let described = describe(&found.name, &model, &on);
    let together = all.together;
    // What is missing was not measured, for want of a row.
    let measured: Option<Vec<Measured>> = all.saes.into_iter().collect();
    let Some(measured) = measured else {
        let dataset = args.input.dataset.as_deref().unwrap_or_default();
        return Err(too_short(dataset, context_size));
    };
    let of_saes = measured.into_iter().enumerate().map(|(at, measured)| {
        let how = (described.clone(), context_size, bad_rows);
        job.of_sae(at, measured, how, timings)
    });
    let of_saes = of_saes.collect::<Result<Vec<_>>>()?;
    let order = groups.concat();
    let together = together.map(|statistics: ReconstructionStatistics| {
        let order = order.iter().map(|&at| names[at].clone());
        Together::new(order.collect(), &statistics)
    });
    let result = EvaluatedSeveral {
        saes: of_saes,
        order,
        together,
        forward: all.forward,
        plan: plan.clone(),
        timings,
        warnings: terminal::warnings(),
    };
    emit(args, &result, csv_to_stdout, global)
}

/// Writes the files, and prints the table.
pub(super) fn emit(
    args: &Args,
    result: &EvaluatedSeveral<Plan>,
    csv_to_stdout: bool,
    global: &Global,
) -> Result<()> {
    let csv = result.csv();
    if let Some(path) = args.csv.as_ref().filter(|_| !csv_to_stdout) {
        whole_file::write(path, csv.as_bytes())?;
    }
    if let Some(path) = &args.page {
        whole_file::write(path, result.page().as_bytes())?;
    }
    let text = if csv_to_stdout { csv } else { result.text() };
    global.output().emit_as_it_is(&text, result)
}

/// The figures of each as published, of those given by their names in releases.
fn all_published(paths: &[PathBuf]) -> Result<Vec<Option<Published>>> {
    let of = |path: &PathBuf| Ok(published(path)?.map(Published::from));
    paths.iter().map(of).collect()
}

/// Where each SAE sits.
fn places(config: &LlamaConfig, runs: &[RunDir]) -> Result<Vec<Place>> {
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

/// What every group of SAEs is measured with.
struct Job<'a> {
    args: &'a Args,
    paths: &'a [PathBuf],
    bench_files: &'a [PathBuf],
    names: &'a [String],
    published: &'a [Option<Published>],
    runs: &'a [RunDir],
    places: &'a [Place],
    model: &'a Llama,
    found: &'a FoundModel,
    plan: &'a Plan,
    options: &'a ProtocolOptions,
    on: &'a ComputeDevice,
}

/// The figures of an SAE. What they were made of takes far more memory, and is gone before the next group.
struct Measured {
    figures: Report,
    core: Option<CoreMetrics>,
    warnings: Vec<String>,
    n_sequences: u64,
}

/// The figures of all SAEs, or of a group; none of an SAE without a row.
#[derive(Default)]
struct All {
    saes: Vec<Option<Measured>>,
    together: Option<ReconstructionStatistics>,
    forward: Forward,
    load_s: f64,
}

impl Job<'_> {
    /// Measures one group after the other. `n_rows`: how many rows there are, for the observer.
    fn measure_all(
        &self,
        groups: &[Vec<usize>],
        rows: &mut Rows,
        n_rows: u64,
        observer: &mut impl Observer<EvaluationProgress>,
    ) -> Result<All> {
        if let [group] = groups {
            let mut all = self.measure(group, rows, observer)?;
            let mut saes: Vec<_> = self.runs.iter().map(|_| None).collect();
            for (at, measured) in group.iter().zip(all.saes) {
                saes[*at] = measured;
            }
            all.saes = saes;
            return Ok(all);
        }
        // More than one group needs the rows more than once.
        let kept = rows.collect::<Result<Vec<_>, _>>()?;
        let mut all = All::default();
        all.saes.resize_with(self.runs.len(), || None);
        for (done, group) in groups.iter().enumerate() {
            let mut observer = |progress: &EvaluationProgress| {
                let mut progress = *progress;
                progress.sequences += done as u64 * n_rows;
                observer.observe(&progress)
            };
            let rows = kept.iter().cloned();
            let rows = rows.map(|row| interrupt::check().map(|()| row));
            let found = self.measure(group, rows, &mut observer)?;
            for (at, measured) in group.iter().zip(found.saes) {
                all.saes[*at] = measured;
            }
            all.load_s += found.load_s;
            all.forward.add(&found.forward);
        }
        Ok(all)
    }

    /// Loads the SAEs of a group, and measures them, in the order of the group.
    fn measure<E: std::error::Error + Send + Sync + 'static>(
        &self,
        group: &[usize],
        rows: impl Iterator<Item = Result<Vec<u32>, E>>,
        observer: &mut impl Observer<EvaluationProgress>,
    ) -> Result<All> {
        let start = Instant::now();
        let loaded = group.iter().map(|&at| run::load(&self.runs[at], self.on));
        let saes: Vec<Sae> = loaded.collect::<Result<_>>()?;
        let load_s = start.elapsed().as_secs_f64();
        let places: Vec<Place> = group.iter().map(|&at| self.places[at]).collect();
        let model = LlamaPlaces::new(self.model, &places).rows_at_once(self.plan.rows_at_once);
        let spliced = places.iter().zip(&saes).map(|(&place, sae)| {
            let number = model.number(place).unwrap_or_default();
            (
                number,
                Spliced::new(sae, ReconstructionPath::evaluated(sae.cfg())),
            )
        });
        let spliced: Vec<_> = spliced.collect();
        let together = self.args.together;
        let found = evaluate_multi(&model, &spliced, rows, self.options, together, observer)?;
        let first = found.saes.first();
        let with_losses = first.map_or(0, |of| of.reconstruction.tokens.seen);
        let without = first.map_or(0, |of| of.sparsity.tokens.seen - with_losses);
        let alone = |&place: &Place| model.block_tokens_alone(place, with_losses, without);
        let alone = places.iter().map(alone);
        let forward = Forward::new(model.block_tokens(), alone.sum());
        let measured = group.iter().zip(&saes).zip(found.saes);
        let measured = measured.map(|((&at, sae), evaluation)| {
            let n_sequences = evaluation.sparsity.tokens.sequences;
            (n_sequences > 0).then(|| {
                let folder = self.args.saebench.as_deref();
                let batch_size = self.options.batch_size;
                let (figures, core) = saebench::figures(folder, &evaluation, sae, batch_size);
                let published = self.published[at].as_ref();
                let warnings = warnings(
                    self.args,
                    &self.runs[at],
                    self.found,
                    &evaluation,
                    published,
                );
                Measured {
                    figures,
                    warnings: saebench::with_doubts(warnings, core.as_ref()),
                    core,
                    n_sequences,
                }
            })
        });
        Ok(All {
            saes: measured.collect(),
            together: found.together,
            forward,
            load_s,
        })
    }

    /// An SAE's part of the JSON, as of it alone. Its warnings are given, with its name.
    fn of_sae(
        &self,
        at: usize,
        measured: Measured,
        (model, context_size, bad_rows): (ModelDescription, usize, u64),
        timings: EvalTimings,
    ) -> Result<Evaluated<Plan>> {
        let (path, place) = (&self.paths[at], self.places[at]);
        let formula = ReconstructionPath::evaluated(&self.runs[at].cfg).formula();
        let how = (model, context_size, formula);
        let mut eval_cfg = eval_cfg(self.args, path, how, self.options, place);
        eval_cfg.outcome = Some(EvalOutcome {
            n_sequences: measured.n_sequences,
            plan: self.plan.clone(),
            bad_rows,
        });
        let to = (self.bench_files.get(at), measured.core.as_ref());
        saebench::write(to, path, &self.runs[at], &eval_cfg)?;
        for warning in &measured.warnings {
            tracing::warn!("{}: {warning}", self.names[at]);
        }
        Ok(Evaluated {
            figures: measured.figures,
            sae_cfg: serde_json::from_str(&self.runs[at].cfg.to_json())?,
            published: self.published[at],
            eval_cfg,
            timings,
            warnings: measured.warnings,
        })
    }
}
