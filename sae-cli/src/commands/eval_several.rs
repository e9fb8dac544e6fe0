//! `sae eval` of several SAEs

use crate::args::Global;
use crate::args::eval::Args;
use crate::job::eval_state::{Resumption, Sums};
use crate::job::evaluation::{
    COUNT, budget, eval_cfg, made_from, protocol, rows, targets, warnings,
};
use crate::job::model::{describe, find_model, warn_if_too_long};
use crate::job::rows::Rows;
use crate::job::saes::all_published;
use crate::job::saes::{find_all, same_model, warn_of_other_rows};
use crate::job::several::{Group, Save, Several, places, shapes, take};
use crate::job::text::{rows_of, too_short};
use crate::job::token_origin::warn_of_another_tokenizer;
use crate::job::{device, plan, saebench};
use crate::terminal;
use crate::terminal::progress::Bar;
use anyhow::Result;
use sae_core::{RunDir, Sae};
use sae_llama::ReconstructionPath;
use sae_llama::plan::{Plan, Work};
use sae_llama::resolve::FoundModel;
use sae_metrics::{Evaluation, EvaluationProgress, Observer, Report};
use sae_report::saebench::CoreMetrics;
use sae_report::{
    EvalCfg, EvalOutcome, EvalTimings, Evaluated, EvaluatedSeveral, Forward, ModelDescription,
    Published, Together,
};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::time::Instant;

pub(super) fn run(args: &Args, paths: &[PathBuf], global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    let bench_files = saebench::files(args.saebench.as_deref(), paths)?;
    let targets = targets(args, csv_to_stdout, &bench_files, global)?;
    let on = device::choose(global)?;
    let given = args.input.place.model.as_deref();
    let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    let published = all_published(paths)?;
    let runs = find_all(paths, &args.input.place, global.quiet)?;
    same_model(&runs, &names, given)?;
    let metadata = &runs[0].cfg.metadata;
    let found = find_model(given, Some(metadata), global.quiet)?;
    let files = runs.iter().flat_map(RunDir::files);
    targets.spare(files.chain(found.paths()))?;
    let config = found.config()?;
    let places = places(&config, &runs)?;
    let budget = budget(args);
    let mut resumption = Resumption::open(args.resume.as_deref(), args.checkpoint_every)?;
    let place = resumption.place();
    let opened = rows(args, metadata, &found, budget, place, global, &targets);
    let (mut rows, context_size, bad_rows) = resumption.advise(opened)?;
    warn_of_other_rows(&runs, &names, args.input.tokens.is_some(), context_size);
    let most = rows.n_rows().or(rows_of(budget, context_size));
    let mut work = Work::new(&config, &on, context_size);
    work.rows = most;
    work.text_bytes = rows.memory_bytes();
    // A batch of another size would sum in another order.
    let given = args.input.batch_size.map(|n| n as usize);
    work.batch_size = given.or(resumption.batch_size());
    let (at_once, together) = args.several.how();
    let how = (resumption.sae_at_once().or(at_once), together);
    let shapes = shapes(&runs, &places)?;
    let settled = plan::settle_groups(&work, &shapes, how, &args.input.memory, &on, global)?;
    let Some((plan, groups)) = settled else {
        return Ok(());
    };

    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(context_size, &model);
    let data = args.input.tokens.as_deref();
    let data = data.or(args.input.dataset.as_deref().map(Path::new));
    warn_of_another_tokenizer(data, &found, &model);
    let mut options = protocol(args, &plan, &found, &model)?;
    options.legacy_bytes = resumption.legacy_bytes();
    let load_s = start.elapsed().as_secs_f64();

    let several = Several {
        runs: &runs,
        places: &places,
        model: &model,
        plan: &plan,
        options: &options,
        path: ReconstructionPath::evaluated,
        on: &on,
    };
    let job = Job {
        args,
        paths,
        bench_files: &bench_files,
        names: &names,
        published: &published,
        several: &several,
        found: &found,
        described: describe(&found.name, &model, &on),
        context_size,
    };
    let n_rows = most.map(|rows| rows * groups.len() as u64);
    let bar = Bar::new(global.quiet, "evaluating", n_rows, context_size);
    let mut observer = bar.evaluation();
    let all = job.measure_all(&groups, &mut rows, &mut resumption, &mut observer)?;
    drop(observer);
    drop(bar);
    let left_out_now = bad_rows.finish()?;
    let bad_rows = rows.bad_rows().unwrap_or(left_out_now);
    let load_s = load_s + all.load_s;
    let evaluate_s = start.elapsed().as_secs_f64() - load_s;
    let timings = EvalTimings { load_s, evaluate_s };
    // What is missing was not measured, for want of a row.
    let measured: Option<Vec<Measured>> = all.saes.into_iter().collect();
    let Some(measured) = measured else {
        let dataset = args.input.dataset.as_deref().unwrap_or_default();
        return Err(too_short(dataset, context_size));
    };
    let of_saes = measured.into_iter().enumerate();
    let of_saes = of_saes.map(|(at, measured)| job.of_sae(at, measured, bad_rows, timings));
    let of_saes = of_saes.collect::<Result<Vec<_>>>()?;
    let order = groups.concat();
    let together = all.sums.together.map(|statistics| {
        let order = order.iter().map(|&at| names[at].clone());
        Together::new(order.collect(), &statistics)
    });
    let result = EvaluatedSeveral {
        saes: of_saes,
        order,
        together,
        forward: Forward::new(all.sums.block_tokens, all.block_tokens_alone),
        plan: plan.clone(),
        timings,
        warnings: terminal::warnings(),
    };
    emit(args, &result, csv_to_stdout, global)?;
    resumption.done()
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

/// What the figures are made of.
struct Job<'a> {
    args: &'a Args,
    paths: &'a [PathBuf],
    bench_files: &'a [PathBuf],
    names: &'a [String],
    published: &'a [Option<Published>],
    several: &'a Several<'a>,
    found: &'a FoundModel,
    described: ModelDescription,
    context_size: usize,
}

/// The figures of an SAE. What they were made of takes far more memory, and is gone before the next group.
struct Measured {
    figures: Report,
    core: Option<CoreMetrics>,
    warnings: Vec<String>,
    n_sequences: u64,
}

/// The figures of all SAEs; none of an SAE without a row.
struct All {
    saes: Vec<Option<Measured>>,
    sums: Sums,
    block_tokens_alone: u64,
    load_s: f64,
}

impl Job<'_> {
    /// Measures one group after the other.
    fn measure_all(
        &self,
        groups: &[Vec<usize>],
        rows: &mut Rows,
        resumption: &mut Resumption,
        observer: &mut impl Observer<EvaluationProgress>,
    ) -> Result<All> {
        let several = self.several;
        let begin = rows.place();
        // More than one group needs the rows more than once.
        let kept = match groups {
            [_] => Vec::new(),
            _ => rows.collect::<Result<Vec<_>, _>>()?,
        };
        let new = several.sums(self.args.several.together);
        let n_saes = several.runs.len();
        let mut all = All {
            saes: (0..n_saes).map(|_| None).collect(),
            sums: new.clone(),
            block_tokens_alone: 0,
            load_s: 0.0,
        };
        let made_from = if resumption.is_kept() {
            self.made_from((groups.len() > 1).then_some(kept.len()))?
        } else {
            Value::Null
        };
        let at_once = groups.first().map_or(1, Vec::len);
        let sizes = (several.options.batch_size, at_once);
        let mut sums = resumption.begin(new, &made_from, sizes)?;
        let every = resumption.rows_at_once();
        let forget = !resumption.is_kept();
        let mut each = |group: &Group, sums: &mut Sums| {
            all.load_s += group.load_s;
            all.block_tokens_alone += group.block_tokens_alone(sums);
            for (&at, (_, sae)) in group.members.iter().zip(&group.saes) {
                let evaluation = &mut sums.saes[at];
                if evaluation.sparsity.tokens.sequences > 0 {
                    all.saes[at] = Some(self.measured(at, evaluation, sae));
                }
                if forget {
                    take(evaluation);
                }
            }
            Ok(())
        };
        if let [members] = groups {
            let group = several.load(members)?;
            let mut save = |sums: &Sums, rows: &Rows| resumption.save(sums, rows.place());
            group.measure(rows, &mut sums, (every, &mut save), observer)?;
            each(&group, &mut sums)?;
        } else {
            let mut save = |sums: &Sums| resumption.save(sums, begin.clone());
            let save = (every, &mut save as Save);
            several.measure_all(groups, &kept, &mut sums, save, observer, each)?;
        }
        all.sums = sums;
        Ok(all)
    }

    /// The figures of one SAE.
    fn measured(&self, at: usize, evaluation: &Evaluation, sae: &Sae) -> Measured {
        let (folder, published) = (self.args.saebench.as_deref(), self.published[at].as_ref());
        let batch_size = self.several.options.batch_size;
        let (figures, core) = saebench::figures(folder, evaluation, sae, batch_size);
        let run = &self.several.runs[at];
        let warnings = warnings(self.args, run, self.found, evaluation, published);
        Measured {
            figures,
            warnings: saebench::with_doubts(warnings, core.as_ref()),
            core,
            n_sequences: evaluation.sparsity.tokens.sequences,
        }
    }

    /// Everything that the figures depend on. `rows`: how many there are, where one group after the other goes over all of them.
    fn made_from(&self, rows: Option<usize>) -> Result<Value> {
        let mut all = Map::new();
        all.insert(COUNT.to_owned(), self.paths.len().into());
        all.insert("together".to_owned(), self.args.several.together.into());
        all.insert(
            "sae_at_once".to_owned(),
            self.args.several.sae_at_once.into(),
        );
        all.insert("rows".to_owned(), rows.into());
        for (at, run) in self.several.runs.iter().enumerate() {
            let sae_cfg = serde_json::from_str(&run.cfg.to_json())?;
            let of = made_from(self.args, run, self.found, &sae_cfg, &self.eval_cfg(at))?;
            all.insert(format!("SAE {}", at + 1), of);
        }
        Ok(all.into())
    }

    fn eval_cfg(&self, at: usize) -> EvalCfg<Plan> {
        let (path, place) = (&self.paths[at], self.several.places[at]);
        let formula = ReconstructionPath::evaluated(&self.several.runs[at].cfg).formula();
        let how = (self.described.clone(), self.context_size, formula);
        eval_cfg(self.args, path, how, self.several.options, place)
    }

    /// An SAE's part of the JSON, as of it alone. Its warnings are given, with its name.
    fn of_sae(
        &self,
        at: usize,
        measured: Measured,
        bad_rows: u64,
        timings: EvalTimings,
    ) -> Result<Evaluated<Plan>> {
        let mut eval_cfg = self.eval_cfg(at);
        eval_cfg.outcome = Some(EvalOutcome {
            n_sequences: measured.n_sequences,
            plan: self.several.plan.clone(),
            bad_rows,
        });
        let to = (self.bench_files.get(at), measured.core.as_ref());
        let run = &self.several.runs[at];
        saebench::write(to, &self.paths[at], run, &eval_cfg)?;
        for warning in &measured.warnings {
            tracing::warn!("{}: {warning}", self.names[at]);
        }
        Ok(Evaluated {
            figures: measured.figures,
            sae_cfg: serde_json::from_str(&self.several.runs[at].cfg.to_json())?,
            published: self.published[at],
            eval_cfg,
            timings,
            warnings: measured.warnings,
        })
    }
}
