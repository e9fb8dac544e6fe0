//! `sae contrast`

use crate::args::Global;
use crate::args::contrast::Args;
use crate::error::UsageError;
use crate::job::contrast::{Saes, Sets, Shown, found, read, reduce, settings};
use crate::job::model::{describe, find_model};
use crate::job::outputs::{check_text_file, in_flags};
use crate::job::targets::Targets;
use crate::job::{device, plan};
use crate::terminal;
use crate::terminal::Clock;
use crate::terminal::progress::Bar;
use anyhow::{Context, Result, bail};
use dataset_stream::Tokenizer;
use sae_contrast::{
    ContrastOptions, Groups, Observations, Probe, ProbeError, ProbeOptions, contrast, probes,
};
use sae_llama::contrast::{Contrasting, planned};
use sae_report::contrast::{
    ContrastFolder, ContrastFolderError, ContrastReport, ContrastSettings, SaeContrast,
    contrast_terminal, contrast_warnings,
};
use serde_json::{Value, json};
use std::mem::take;
use std::path::Path;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let (folder, targets) = targets(args, global)?;
    let sets = read(args)?;
    targets.spare(&sets.files)?;
    targets.spare(args.prompt.system.iter().chain(&args.prompt.chat_template))?;
    targets.spare(&args.dashboard)?;
    let on = device::choose(global)?;
    let saes = Saes::find(args, global.quiet)?;
    let links = saes.links(&args.out)?;
    let metadata = saes.metadata();
    let model = find_model(args.place.model.as_deref(), Some(metadata), global.quiet)?;
    let files = saes.runs.iter().flat_map(sae_core::RunDir::files);
    targets.spare(files.chain(model.paths()))?;
    let (config, tokenizer) = (model.config()?, model.tokenizer()?);
    let groups = sets.groups;
    let bos = metadata.prepend_bos.unwrap_or(true);
    let (options, settings) = settings(args, &model, &config, bos, groups.paired())?;
    let hooks = saes.hooks(&config)?;
    let mut clock = Clock::new();
    let sets = sets.tokens(&tokenizer, options)?;
    let tokenize_s = clock.lap();

    let planned = planned(&config, &on, &hooks, &saes.runs, &sets.tokens)?;
    let Some(plan) = plan::settle(&planned.work, &args.memory, &on, global)? else {
        return Ok(());
    };
    let llama = model.load_layers(&on, plan.placement, Some(hooks.layers()))?;
    let weights = saes.load(&on)?;
    let mut described = describe(&model.name, &llama, &on);
    // Of which only those below the hooks were loaded.
    described.n_layers = config.n_layers;
    let mut job = Contrasting::new(&llama, &hooks, &weights)?;
    job.tokens_at_once = plan.rows_at_once * plan.context_size;
    job.keep_rows = planned.keep_rows;
    job.groups_at_once = (plan.batch_size / plan.rows_at_once).max(1);
    let load_s = clock.lap();
    let bar = Bar::new(global.quiet, "prompts", Some(groups.n() as u64), 1);
    let mut reduced = job.reduce(&sets.tokens, reduce(args.reduce), &mut bar.prompts())?;
    drop(bar);
    let run_s = clock.lap();

    let mut of_saes = Vec::new();
    let mut observed = Vec::new();
    for (at, prompts) in reduced.values.iter_mut().map(take).enumerate() {
        let of_sae = Observations::new(saes.runs[at].cfg.d_sae, &prompts);
        let of_sae = of_sae.with_context(|| saes.names[at].clone())?;
        drop(prompts);
        let parts = (&saes, at, &of_sae);
        of_saes.push(one(args, parts, &sets, &groups, &tokenizer, &settings)?);
        observed.push(of_sae);
    }
    let mut report = ContrastReport::new(described, sets.described.clone(), settings, of_saes);
    for (sae, links) in report.saes.iter_mut().zip(links) {
        sae.links = Some(links);
    }
    let statistics_s = clock.lap();
    let most = (args.top as usize, args.examples as usize);
    let shown = Shown::new(&report, &observed, &groups, most);
    let bar = Bar::new(global.quiet, "examples", None, 1);
    let examples = job.examples(
        &sets.tokens,
        &reduced,
        &shown.wanted(&report),
        &mut bar.prompts(),
    )?;
    drop(bar);
    shown.put_into(
        &mut report,
        &examples,
        (&observed, &groups),
        &sets,
        &tokenizer,
    );
    let examples_s = clock.lap();

    for warning in contrast_warnings(&report) {
        tracing::warn!("{warning}");
    }
    let timings = json!({
        "tokenize_s": tokenize_s, "load_s": load_s, "run_s": run_s, "statistics_s": statistics_s, "examples_s": examples_s,
    });
    let result = result(args, &report, &json!({ "plan": plan, "timings": timings }))?;
    folder.write(&report, &result, &terminal::warnings())?;
    let text = contrast_terminal(&report, &args.out.join("index.html"));
    global.output().emit_as_it_is(&text, &result)
}

/// What one SAE has found.
fn one(
    args: &Args,
    (saes, at, observed): (&Saes, usize, &Observations),
    sets: &Sets,
    groups: &Groups,
    tokenizer: &Tokenizer,
    settings: &ContrastSettings,
) -> Result<SaeContrast> {
    let mut options = ContrastOptions::default();
    options.permutations = settings.permutations;
    options.seed = settings.seed;
    options.min_fired = settings.min_fired;
    let contrast = contrast(observed, groups, &options)?;
    let rows = found(&contrast, sets, groups, tokenizer);
    let name = saes.names[at].clone();
    let about = (name, saes.hook_name(at), saes.layer(at), observed.d_sae());
    let mut of_sae = SaeContrast::new(about, &contrast, rows, settings, args.top as usize);
    of_sae.probes = probed(args, observed, groups)?;
    Ok(of_sae)
}

/// `--probe`.
fn probed(args: &Args, observed: &Observations, groups: &Groups) -> Result<Vec<Probe>> {
    if args.probe.is_empty() {
        return Ok(Vec::new());
    }
    let mut options = ProbeOptions::default();
    options.ks = args.probe.iter().map(|&k| k as usize).collect();
    options.seed = args.tests.seed;
    probes(observed, groups, &options).map_err(|error| match error {
        error @ ProbeError::TooFew { .. } => UsageError(format!("--probe: {error}")).into(),
        error => error.into(),
    })
}

/// The JSON: the report, and what belongs to the call.
fn result(args: &Args, report: &ContrastReport, more: &Value) -> Result<Value> {
    let mut result = serde_json::to_value(report)?;
    result["plan"] = more["plan"].clone();
    result["timings"] = more["timings"].clone();
    result["out"] = json!(args.out);
    result["warnings"] = json!(terminal::warnings());
    Ok(result)
}

/// The files that are written, which must not be among those that are read.
fn targets(args: &Args, global: &Global) -> Result<(ContrastFolder, Targets)> {
    if args.out == Path::new("-") {
        bail!(UsageError(
            "--out -: a contrast is a folder of files and does not go to stdout; give the name of a folder, and --json for the figures".to_owned()
        ));
    }
    let folder = ContrastFolder::make(&args.out).map_err(|error| match error {
        ContrastFolderError::Write(error) => in_flags("--out", error),
        other => other.into(),
    })?;
    if let Some(path) = &global.json {
        check_text_file("--json", path)?;
    }
    let files = folder.files();
    let own = files.iter().map(|path| ("--out", path.as_path()));
    let targets = Targets::new(global, own)?;
    Ok((folder, targets))
}
