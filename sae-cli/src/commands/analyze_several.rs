//! `sae analyze` of several SAEs: one run of the model, and a report of each.

use crate::args::Global;
use crate::args::analyze::Args;
use crate::error::UsageError;
use crate::job::analysis::{
    Measured, PROMPT, by_command, in_flags, input, rows, targets, text, with_bos,
};
use crate::job::eval_state::Sums;
use crate::job::model::{find_model, warn_if_too_long};
use crate::job::question::ask;
use crate::job::saes::{all_published, find_all, same_model, warn_of_other_rows};
use crate::job::several::{Group, Save, Several, places, shapes, take};
use crate::job::targets::Targets;
use crate::job::token_origin::warn_of_another_tokenizer;
use crate::job::{device, plan, run};
use crate::terminal;
use crate::terminal::Clock;
use crate::terminal::progress::Bar;
use anyhow::{Result, bail};
use dataset_stream::Tokenizer;
use sae_backend::ComputeDevice;
use sae_core::RunDir;
use sae_llama::plan::{Plan, SaeAt, Work, logit_bytes};
use sae_llama::resolve::RunPart;
use sae_llama::{Question, ReconstructionPath};
use sae_metrics::{Masking, PromptCheck, ProtocolOptions, ReconstructionStatistics};
use sae_report::{
    Forward, Links, Report, ReportFolders, SaeReport, SeveralReports, Timings, Together,
    TogetherReport,
};
use std::path::{Path, PathBuf};

pub(super) fn run(args: &Args, paths: &[PathBuf], global: &Global) -> Result<()> {
    if paths.is_empty() {
        bail!(UsageError(
            "--together: which SAEs? name their runs".to_owned()
        ));
    }
    if args.features_page.is_some() {
        bail!(UsageError(
            "--features-page: is of one SAE; leave it out, or analyze one SAE at a time".to_owned()
        ));
    }
    let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    let folders = ReportFolders::make(&args.out, &names, args.png);
    let folders = folders.map_err(|error| in_flags(args.png, error))?;
    let targets = targets(args, &folders.files(), global)?;
    let job = Job {
        args,
        paths,
        names: &names,
        folders: folders.names(),
    };
    let Some(reports) = job.measure(global, &targets)? else {
        return Ok(());
    };
    let links = reports.saes.iter().zip(paths);
    let links: Vec<Links> = links
        .map(|(of, path)| by_command(args, Some(path), &of.report))
        .collect();
    folders.write(&reports, &links)?;
    let text = reports.text(&args.out);
    global.output().emit_as_it_is(&text, &reports)
}

/// What is asked of the model and the SAEs.
fn question(args: &Args, tokenizer: &Tokenizer) -> Result<Question> {
    let asked = args.prompt.as_deref().zip(args.answer.as_deref());
    let (prompt, answer) = asked.unwrap_or(PROMPT);
    ask(tokenizer, prompt, answer, true)
}

/// How the notebook measures.
fn notebook(prepend_bos: bool, batch_size: usize, on: &ComputeDevice) -> ProtocolOptions {
    let mut options = ProtocolOptions::default();
    options.masking = Masking::Notebook { prepend_bos };
    options.batch_size = batch_size;
    options.logit_bytes = logit_bytes(on.is_cpu()) as usize;
    options
}

struct Job<'a> {
    args: &'a Args,
    paths: &'a [PathBuf],
    names: &'a [String],
    folders: &'a [String],
}

/// What comes of an SAE; what looks wrong is not in the report yet.
type Found = (Report, Vec<String>);

impl Job<'_> {
    fn measure(&self, global: &Global, targets: &Targets) -> Result<Option<SeveralReports<Plan>>> {
        let (args, names) = (self.args, self.names);
        let (mut whole, mut clock) = (Clock::new(), Clock::new());
        let mut timings = Timings::default();
        let on = device::choose(global)?;
        let (runs, recorded) = self.runs(global.quiet)?;
        let given = args.place.model.as_deref();
        same_model(&runs, names, given)?;
        let known = all_published(self.paths)?;
        // Rows are made as the first SAE has them.
        let metadata = &runs[0].cfg.metadata;
        let (table, dataset, context_size) = text(args, args.dataset.as_deref(), metadata)?;
        let mut prepend_bos = metadata.prepend_bos.unwrap_or(true);
        let found = find_model(given, Some(metadata), global.quiet)?;
        targets.spare(runs.iter().flat_map(RunDir::files).chain(found.paths()))?;
        let config = found.config()?;
        let places = places(&config, &runs)?;
        let tokenizer = found.tokenizer()?;
        let question = question(args, &tokenizer)?;
        warn_of_other_rows(&runs, names, args.tokens.is_some(), context_size);
        let input = input(args, dataset, context_size, prepend_bos, global);
        let (rows, bad_rows) = rows(&input, table, &tokenizer, args.sequences, targets)?;
        timings.tokenize_s = clock.lap();
        let mut work = Work::new(&config, &on, context_size);
        work.rows = Some(rows.len() as u64);
        let saes = shapes(&runs, &places)?;
        let Some((plan, groups)) = self.settle(work, &saes, &on, global)? else {
            return Ok(None);
        };
        let model = found.load(&on, plan.placement)?;
        warn_if_too_long(context_size, &model);
        question.warn_if_too_long(model.config());
        warn_of_another_tokenizer(Some(Path::new(&input.dataset)), &found, &model);
        timings.load_model_s = clock.lap();
        let rows_with_bos = with_bos(&rows, &tokenizer);
        // Rows that were made elsewhere are as they are.
        if args.tokens.is_some() {
            prepend_bos = rows_with_bos == rows.len() as u64;
        }
        let options = notebook(prepend_bos, plan.batch_size, &on);
        let several = Several {
            runs: &runs,
            places: &places,
            model: &model,
            plan: &plan,
            options: &options,
            path: |_| ReconstructionPath::Forward,
            on: &on,
        };
        let measured = Measured {
            args,
            found: &found,
            model: &model,
            on: &on,
            dataset: &input.dataset,
            context_size,
            prepend_bos,
            rows_with_bos,
            bad_rows,
            masking: &options.masking,
        };
        let mut reports: Vec<Option<Found>> = runs.iter().map(|_| None).collect();
        let (mut prompt_together, mut alone) = (None, 0);
        let mut each = |group: &Group, sums: &mut Sums| {
            timings.load_sae_s += group.load_s;
            timings.evaluate_s += clock.lap() - group.load_s;
            alone += group.block_tokens_alone(sums);
            let saes = group.saes.iter().map(|(number, sae)| (*number, sae));
            let saes: Vec<_> = saes.collect();
            let said =
                question.ask_several(&tokenizer, &group.model, &saes, args.several.together)?;
            prompt_together = said.together;
            for (&at, prompt) in group.members.iter().zip(said.saes) {
                let evaluation = take(&mut sums.saes[at]);
                let (run, unset) = ((&runs[at], recorded[at].as_deref()), Timings::default());
                let known = known[at].as_ref();
                reports[at] = Some(measured.report(run, known, &evaluation, prompt, unset));
            }
            timings.prompt_s += clock.lap();
            Ok(())
        };
        let mut sums = several.sums(args.several.together);
        let n_rows = Some((rows.len() * groups.len()) as u64);
        let bar = Bar::new(global.quiet, "evaluating", n_rows, context_size);
        let mut nothing = |_: &Sums| Ok(());
        let save = (u64::MAX, &mut nothing as Save);
        let mut observer = bar.evaluation();
        several.measure_all(&groups, &rows, &mut sums, save, &mut observer, &mut each)?;
        drop(observer);
        drop(bar);
        timings.total_s = whole.lap();
        let order = groups.concat();
        let together = self.together(&order, sums.together.zip(prompt_together));
        let (saes, warnings) = self.with_warnings(reports, timings, global);
        Ok(Some(SeveralReports {
            saes,
            order,
            together,
            forward: Forward::new(sums.block_tokens, alone),
            plan,
            timings,
            warnings,
        }))
    }

    /// The plan, and the groups that the SAEs go in.
    fn settle(
        &self,
        mut work: Work,
        saes: &[SaeAt],
        on: &ComputeDevice,
        global: &Global,
    ) -> Result<Option<(Plan, Vec<Vec<usize>>)>> {
        let args = self.args;
        work.batch_size = args.batch_size.map(|n| n as usize);
        plan::settle_groups(&work, saes, args.several.how(), &args.memory, on, global)
    }

    /// All SAEs in place at once, if that was measured.
    fn together(
        &self,
        order: &[usize],
        found: Option<(ReconstructionStatistics, PromptCheck)>,
    ) -> Option<TogetherReport> {
        let (statistics, prompt) = found?;
        let order = order.iter().map(|&at| self.names[at].clone());
        let all = Together::new(order.collect(), &statistics);
        Some(TogetherReport::new(all, prompt))
    }

    /// The SAEs, and the hook that the configuration of each names.
    fn runs(&self, quiet: bool) -> Result<(Vec<RunDir>, Vec<Option<String>>)> {
        let place = &self.args.place;
        let hook = |run: &RunDir| run.cfg.metadata.hook_name.clone();
        if let ([path], Some(_)) = (self.paths, &place.hook) {
            let found = run::find(path, &place.files, RunPart::All, quiet)?;
            let recorded = vec![hook(&found)];
            return Ok((vec![run::placed(found, place)?], recorded));
        }
        let runs = find_all(self.paths, place, quiet)?;
        let recorded = runs.iter().map(hook).collect();
        Ok((runs, recorded))
    }

    /// The reports with all warnings, and the warnings of all, with the SAE's name where they are of one.
    fn with_warnings(
        &self,
        reports: Vec<Option<Found>>,
        timings: Timings,
        global: &Global,
    ) -> (Vec<SaeReport>, Vec<String>) {
        let shared = terminal::warnings();
        let mut all = shared.clone();
        let reports = reports.into_iter().flatten().enumerate();
        let reports = reports.map(|(at, (mut report, found))| {
            for warning in &found {
                let warning = format!("{}: {warning}", self.names[at]);
                // Elsewhere the summary on stdout says them.
                if global.output().is_json_alone() {
                    tracing::warn!("{warning}");
                }
                all.push(warning);
            }
            report.timings = timings;
            report.warnings = shared.iter().cloned().chain(found).collect();
            SaeReport::new(self.folders[at].clone(), report)
        });
        let reports = reports.collect();
        (reports, all)
    }
}
