//! `sae eval`

use crate::args::Global;
use crate::args::eval::Args;
use crate::error::UsageError;
use crate::job::bad_rows::Log;
use crate::job::eval_state::Resumption;
use crate::job::masking::masking;
use crate::job::model::{describe, find_model, warn_if_too_long};
use crate::job::outputs::check_text_file;
use crate::job::rows::{RowPlace, Rows};
use crate::job::targets::Targets;
use crate::job::text::{self, TextInput, rows_of, too_short};
use crate::job::token_origin::{rows_begin_with_bos, warn_of_another_tokenizer};
use crate::job::{device, plan, run};
use crate::terminal;
use crate::terminal::progress::Bar;
use anyhow::{Result, bail};
use dataset_stream::{Budget, StreamOptions};
use sae_core::{RunDir, Sae};
use sae_llama::plan::{LOGITS, Plan, Work};
use sae_llama::resolve::FoundModel;
use sae_llama::{ReconstructionPath, Spliced, SplitLlama, fingerprint};
use sae_metrics::{Evaluation, FeatureWeights, ProtocolOptions, Report};
use sae_report::{
    EvalCfg, EvalOutcome, EvalTimings, Evaluated, Nominal, Recorded, Signs, csv, of_place, table,
};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    let targets = targets(args, csv_to_stdout, global)?;
    let on = device::choose(global)?;
    let place = &args.input.place;
    let run = run::find_at(&args.input.sae, place, global.quiet)?;
    let budget = match text::budget(args.sequences, args.input.max_tokens) {
        Budget::Everything if args.input.dataset.is_some() => Budget::Sequences(128),
        budget => budget,
    };
    let metadata = Some(&run.cfg.metadata);
    let found = find_model(place.model.as_deref(), metadata, global.quiet)?;
    targets.spare(run.files().into_iter().chain(found.paths()))?;
    let mut resumption = Resumption::open(args.resume.as_deref(), args.checkpoint_every)?;
    let opened = rows(args, &run, &found, budget, &resumption, global, &targets);
    let (mut rows, context_size, bad_rows) = resumption.advise(opened)?;
    let most = rows.n_rows().or(rows_of(budget, context_size));
    let mut work = Work::new(&found.config()?, &on, context_size).with_sae(&run)?;
    work.rows = most;
    work.text_bytes = rows.memory_bytes();
    // A batch of another size would sum in another order.
    let given = args.input.batch_size.map(|n| n as usize);
    work.batch_size = given.or(resumption.batch_size());
    let Some(plan) = plan::settle(&work, &args.input.memory, &on, global)? else {
        return Ok(());
    };

    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(context_size, &model);
    let data = args.input.tokens.as_deref();
    let data = data.or(args.input.dataset.as_deref().map(Path::new));
    warn_of_another_tokenizer(data, &found, &model);
    let split = run::split(&model, &run)?.rows_at_once(plan.rows_at_once);
    let sae = run::load(&run, &on)?;
    let mut options = ProtocolOptions::default();
    options.masking = masking(&args.masking, &found, model.config())?;
    options.batch_size = plan.batch_size;
    options.logit_bytes = LOGITS as usize;
    options.legacy_bytes = resumption.legacy_bytes();
    let model = describe(&found.name, &model, &on);
    let mut eval_cfg = eval_cfg(args, model, context_size, &options, &split);
    let sae_cfg: Value = serde_json::from_str(&run.cfg.to_json())?;
    let made_from = match &args.resume {
        Some(_) => made_from(args, &run, &found, &sae_cfg, &eval_cfg)?,
        None => Value::Null,
    };
    let load_s = start.elapsed().as_secs_f64();

    let bar = Bar::new(global.quiet, "evaluating", most, context_size);
    let spliced = Spliced::new(&sae, ReconstructionPath::DecodeEncode);
    let mut observer = bar.evaluation();
    let evaluation = resumption.evaluate(
        &split,
        &spliced,
        &mut rows,
        &options,
        &made_from,
        &mut observer,
    )?;
    drop(observer);
    drop(bar);
    let left_out_now = bad_rows.finish()?;
    let evaluate_s = start.elapsed().as_secs_f64() - load_s;
    let n_sequences = evaluation.sparsity.tokens.sequences;
    if n_sequences == 0 {
        let dataset = args.input.dataset.as_deref().unwrap_or_default();
        return Err(too_short(dataset, context_size));
    }

    eval_cfg.outcome = Some(EvalOutcome {
        n_sequences,
        plan,
        bad_rows: rows.bad_rows().unwrap_or(left_out_now),
    });
    warn(args, &run, &found, &evaluation);
    let result = Evaluated {
        figures: report(&evaluation, &sae),
        sae_cfg,
        eval_cfg,
        timings: EvalTimings { load_s, evaluate_s },
        warnings: terminal::warnings(),
    };
    let csv = csv(&result.figures.metrics);
    if let Some(path) = args.csv.as_ref().filter(|_| !csv_to_stdout) {
        whole_file::write(path, csv.as_bytes())?;
    }
    let table = format!(
        "{}\nconvention: {}\nreconstruction: decode(encode(x))\n",
        table(&result.figures.metrics),
        options.masking
    );
    let text = if csv_to_stdout { csv } else { table };
    global.output().emit_as_it_is(&text, &result)?;
    resumption.done()
}

/// Warns about what looks wrong.
fn warn(args: &Args, run: &RunDir, found: &FoundModel, evaluation: &Evaluation) {
    let bos = match &args.input.tokens {
        Some(path) => rows_begin_with_bos(path, found),
        None => run.cfg.metadata.prepend_bos,
    };
    let recorded = run.log_sparsity.as_ref().and_then(Recorded::new);
    let nominal = Nominal::of(&run.cfg, recorded.as_ref());
    let signs = Signs::new(evaluation, run.cfg.d_sae, nominal, bos).warnings();
    for warning in signs.into_iter().chain(of_place(&run.cfg)) {
        tracing::warn!("{warning}");
    }
}

/// How the SAE is evaluated, as JSON says it.
fn eval_cfg(
    args: &Args,
    model: sae_report::ModelDescription,
    context_size: usize,
    options: &ProtocolOptions,
    split: &SplitLlama,
) -> EvalCfg<Plan> {
    EvalCfg {
        sae: Some(args.input.sae.display().to_string()),
        model,
        dataset: args.input.dataset.clone(),
        tokens: args
            .input
            .tokens
            .as_ref()
            .map(|path| path.display().to_string()),
        shard: args.input.text.shard.map(|shard| shard.to_string()),
        context_size,
        batch_size: options.batch_size,
        packing: args
            .input
            .dataset
            .is_some()
            .then(|| args.input.packing.name()),
        convention: options.masking.to_string(),
        reconstruction: "decode(encode(x))",
        read_hook: split.read().to_string(),
        write_hook: split.write().to_string(),
        outcome: None,
    }
}

/// Everything that figures depend on: files by their content, not by their names.
fn made_from(
    args: &Args,
    run: &RunDir,
    found: &FoundModel,
    sae_cfg: &Value,
    eval_cfg: &EvalCfg<Plan>,
) -> Result<Value> {
    Ok(json!({
        "sae_cfg": sae_cfg,
        "eval_cfg": eval_cfg.nameless(),
        "sae_weights": fingerprint([&run.weights])?,
        "model_weights": fingerprint(&found.files.weights)?,
        "tokens": fingerprint(&args.input.tokens)?,
    }))
}

/// The files that are written, which must not be among those that are read.
fn targets(args: &Args, csv_to_stdout: bool, global: &Global) -> Result<Targets> {
    if let Some(path) = &args.csv {
        check_text_file("--csv", path)?;
        if csv_to_stdout && global.json.as_deref() == Some(Path::new("-")) {
            bail!(UsageError(
                "--csv - and --json both go to stdout: give one of them a file".to_owned()
            ));
        }
    }
    if args.input.tokens.is_some() {
        args.input.text.none_but_shard()?;
    }
    let on_bad_row = args.input.text.on_bad_row();
    if args.resume.is_some() && on_bad_row.file().is_some() {
        bail!(UsageError(
            "--resume: rows set aside before an interruption would be lost; use --on-bad-row skip"
                .to_owned()
        ));
    }
    let csv = args.csv.as_deref().map(|path| ("--csv", path));
    let state = args.resume.as_deref().map(|path| ("--resume", path));
    let own = csv.into_iter().chain(state).chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    targets.spare(&args.input.tokens)?;
    Ok(targets)
}

fn rows(
    args: &Args,
    run: &RunDir,
    model: &FoundModel,
    budget: Budget,
    resumption: &Resumption,
    global: &Global,
    targets: &Targets,
) -> Result<(Rows, usize, Log)> {
    if let Some(path) = &args.input.tokens {
        let (mut rows, context_size) = Rows::table(path, args.input.text.shard, budget)?;
        if let Some(RowPlace::Table(taken)) = resumption.place() {
            rows.skip_taken(taken);
        }
        return Ok((rows, context_size, Log::default()));
    }
    let metadata = &run.cfg.metadata;
    let context_size = text::context_size(args.input.context_size, metadata)?;
    let input = TextInput {
        dataset: text::dataset(args.input.dataset.as_deref(), metadata)?,
        text: args.input.text.clone(),
        options: {
            let mut options = StreamOptions::new(context_size);
            options.packing = args.input.packing.packing();
            options.prepend_bos = metadata.prepend_bos.unwrap_or(true);
            options.budget = budget;
            options.threads = global.threads();
            // The model is slower than any text: a little is enough.
            options.bytes_in_flight = 8 << 20;
            options
        },
    };
    let state = match resumption.place() {
        Some(RowPlace::Stream(state)) => Some(*state),
        _ => None,
    };
    let (stream, log) = input.open_at(state, &model.tokenizer()?, targets)?;
    Ok((Rows::Stream(Box::new(stream)), context_size, log))
}

/// Everything measured, with the figures of the weights.
fn report(evaluation: &Evaluation, sae: &Sae) -> Report {
    let mut report = Report::new(Some(&evaluation.sparsity), Some(&evaluation.reconstruction));
    let weights = sae.feature_weights();
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    report.feature_metrics.weights = FeatureWeights {
        encoder_norm: wide(weights.encoder_norm),
        encoder_bias: wide(weights.encoder_bias.unwrap_or_default()),
        encoder_decoder_cosine_sim: wide(weights.encoder_decoder_cosine_sim.unwrap_or_default()),
    };
    report
}
