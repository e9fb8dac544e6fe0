//! `sae bench`

use crate::args::Global;
use crate::args::bench::Args;
use crate::error::UsageError;
use crate::job::labelled::{DataSet, files};
use crate::job::model::{describe, find_model};
use crate::job::outputs::{check_folder, check_text_file};
use crate::job::targets::Targets;
use crate::job::{device, plan, run, saebench};
use crate::terminal;
use crate::terminal::Clock;
use crate::terminal::progress::Bar;
use anyhow::{Context, Result, bail};
use llama_hooked::HookPoint;
use sae_bench::{
    Class, Decoder, Perturbation, Seeded, SparseProbing, Tpp, sparse_probing, tpp, tpp_probes,
};
use sae_core::Sae;
use sae_llama::contrast::{
    Contrasting, HookRead, PromptOptions, PromptTokenizer, PromptTokens, TrainHooks, planned,
};
use sae_llama::plan::Part;
use sae_report::saebench::{BenchReport, BenchSettings, DataSetBench};
use serde_json::{Value, json};

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let targets = targets(args, global)?;
    targets.spare(files(args))?;
    let on = device::choose(global)?;
    let run = run::find_at(&args.sae, &args.place, global.quiet)?;
    let metadata = &run.cfg.metadata;
    let model = find_model(args.place.model.as_deref(), Some(metadata), global.quiet)?;
    targets.spare(run.files().into_iter().chain(model.paths()))?;
    let config = model.config()?;
    let context_size = args.context_size as usize;
    if context_size > config.max_position_embeddings {
        bail!(UsageError(format!(
            "--context-size: the model was trained for {} tokens at most",
            config.max_position_embeddings
        )));
    }
    let mut options = PromptOptions::new(context_size, config.vocab_size);
    options.prepend_bos = metadata.prepend_bos.unwrap_or(true);
    options.exclude_special_tokens = true;
    let tokenizer = PromptTokenizer::new(&model.tokenizer()?, options)?;
    let mut clock = Clock::new();
    let mut chance = Seeded::new(args.seed);
    let sets = args.data.iter();
    let sets = sets.map(|data| DataSet::read(data, args, &mut chance));
    let sets: Vec<DataSet> = sets.collect::<Result<_>>()?;
    let tokens = sets.iter().map(|set| set.tokens(&tokenizer));
    let tokens: Vec<Vec<PromptTokens>> = tokens.collect::<Result<_>>()?;
    let tokenize_s = clock.lap();

    let point: HookPoint = metadata.hook_name.as_deref().unwrap_or_default().parse()?;
    let read = HookRead::new(point).with_head(metadata.hook_head_index);
    let hooks = TrainHooks::new(&config, &[read])?;
    let all = tokens.concat();
    let runs = [run];
    let planned = planned(&config, &on, &hooks, &runs, &all)?;
    let mut work = planned.work;
    let means = (all.len() * runs[0].cfg.d_in * 4 * 2) as u64;
    work.besides.push(Part::new("means of texts", means));
    drop(all);
    let Some(plan) = plan::settle(&work, &args.memory, &on, global)? else {
        return Ok(());
    };
    let llama = model.load_layers(&on, plan.placement, Some(hooks.layers()))?;
    let saes = [run::load(&runs[0], &on)?];
    let mut described = describe(&model.name, &llama, &on);
    described.n_layers = config.n_layers;
    let mut job = Contrasting::new(&llama, &hooks, &saes)?;
    job.tokens_at_once = plan.rows_at_once * plan.context_size;
    job.groups_at_once = (plan.batch_size / plan.rows_at_once).max(1);
    let load_s = clock.lap();

    let with_tpp = !args.no_tpp && writes_where_it_reads(&saes[0]);
    let (mut run_s, mut probe_s) = (0.0, 0.0);
    let mut found = Vec::new();
    for (set, tokens) in sets.iter().zip(&tokens) {
        let bar = Bar::new(global.quiet, "texts", Some(set.len() as u64), 1);
        let pooled = job.pooled(tokens, &mut bar.prompts())?;
        drop(bar);
        let shape = (runs[0].cfg.d_sae, context_size);
        let classes = set.classes((tokens, &pooled), shape)?;
        drop(pooled);
        run_s += clock.lap();
        let of_set = bench(args, &classes, with_tpp.then_some(&saes[0]), &mut chance);
        let (probes, perturbed) = of_set.with_context(|| set.name.clone())?;
        let counts = (set.n_train, set.n_test);
        found.push(DataSetBench::new(&set.name, counts, probes, perturbed));
        probe_s += clock.lap();
    }

    let sizes = [args.train_size, args.test_size, args.context_size].map(|n| n as usize);
    let settings = BenchSettings::new(&described.name, args.seed, sizes, &ks(args), &ns(args));
    let report = BenchReport::new(settings, found);
    let sae_cfg: Value = serde_json::from_str(&runs[0].cfg.to_json())?;
    let written = write(args, &report, &sae_cfg)?;
    let timings =
        json!({ "tokenize_s": tokenize_s, "load_s": load_s, "run_s": run_s, "probe_s": probe_s });
    let mut result = serde_json::to_value(&report)?;
    result["model"] = serde_json::to_value(&described)?;
    result["files"] = json!(written);
    result["plan"] = serde_json::to_value(&plan)?;
    result["timings"] = timings;
    result["warnings"] = json!(terminal::warnings());
    global.output().emit_as_it_is(&report.text(), &result)
}

/// The evaluations of one data set.
fn bench(
    args: &Args,
    classes: &[Class],
    sae: Option<&Sae>,
    chance: &mut Seeded,
) -> Result<(Vec<sae_bench::ClassProbes>, Option<Tpp>)> {
    let mut options = SparseProbing::default();
    options.ks = ks(args);
    let probes = sparse_probing(classes, &options, chance)?;
    let Some(sae) = sae else {
        return Ok((probes, None));
    };
    let mut options = Perturbation::default();
    options.ns = ns(args);
    let trained = tpp_probes(classes, &options, chance)?;
    let products = trained
        .iter()
        .map(|probe| sae.decoder_products(&probe.weights));
    let decoder = Decoder::new(products.collect(), sae.features_of_zeros())?;
    let perturbed = tpp(classes, &trained, &decoder, &options, chance)?;
    Ok((probes, Some(perturbed)))
}

fn ks(args: &Args) -> Vec<usize> {
    args.k.iter().map(|&k| k as usize).collect()
}

fn ns(args: &Args) -> Vec<usize> {
    args.n.iter().map(|&n| n as usize).collect()
}

fn writes_where_it_reads(sae: &Sae) -> bool {
    if sae.writes_where_it_reads() {
        return true;
    }
    tracing::warn!(
        "targeted probe perturbation is left out: this SAE writes elsewhere than it reads, or scales each token by itself, so that a feature cannot be taken out of a mean"
    );
    false
}

/// SAEBench's files, and the CSV.
fn write(args: &Args, report: &BenchReport, sae_cfg: &Value) -> Result<Vec<String>> {
    let name = saebench::name(&args.sae)?;
    let results = [
        Some(report.sparse_probing(&name, sae_cfg.clone())),
        report.tpp(&name, sae_cfg.clone()),
    ];
    let mut written = Vec::new();
    for result in results.into_iter().flatten() {
        let folder = args.out.join(result.eval_type_id);
        std::fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let file = folder.join(name.file_name());
        whole_file::write(&file, result.to_json().as_bytes())?;
        written.push(file.display().to_string());
    }
    if let Some(path) = &args.csv {
        whole_file::write(path, report.csv().as_bytes())?;
    }
    Ok(written)
}

/// The files that are written, which must not be among those that are read.
fn targets(args: &Args, global: &Global) -> Result<Targets> {
    if !args.out.is_dir() {
        check_folder("--out", &args.out)?;
    }
    if let Some(path) = &args.csv {
        check_text_file("--csv", path)?;
    }
    let name = saebench::name(&args.sae)?.file_name();
    let own = ["sparse_probing", "tpp"].map(|folder| args.out.join(folder).join(&name));
    let own = own.iter().map(|path| ("--out", path.as_path()));
    Targets::new(
        global,
        own.chain(args.csv.as_deref().map(|path| ("--csv", path))),
    )
}
