//! `sae train`

use crate::args::Global;
use crate::args::train::Args;
use crate::job::model::{find_model, warn_if_too_long};
use crate::job::outputs::check_folder;
use crate::job::targets::Targets;
use crate::job::token_origin::warn_of_another_tokenizer;
use crate::job::train::{
    CE_SCORE, Data, Expected, OutFolder, Outcome, Planned, Stoppable, Watch, at_once,
    buffer_tokens, model_hooks, planned, settle, shares, whole_model, work,
};
use crate::job::{device, plan};
use crate::terminal;
use anyhow::{Context, Result, anyhow, ensure};
use dataset_stream::TokenTable;
use llama_hooked::Placement;
use sae_backend::ComputeDevice;
use sae_core::SaeLoadOptions;
use sae_llama::plan::Plan;
use sae_llama::resolve::FoundModel;
use sae_llama::train::{HeldOut, ModelActivations};
use sae_llama::{difference, fingerprint};
use sae_metrics::Masking;
use sae_train::{Activations, CheckpointError, RunConfig, Session, SessionOptions};
use serde_json::{Map, Value, json};
use std::ops::Range;
use std::time::Instant;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let config = settle(args, None)?;
    let targets = Targets::new(global, [("--out", args.out.as_path())])?;
    targets.spare(args.tokens.iter().chain(&args.config))?;
    let on = device::choose(global)?;
    let found = find_model(config.model_name.as_deref(), None, global.quiet)?;
    targets.spare(found.paths())?;
    let model_config = found.config()?;
    let mut hooks = None;
    let runs = planned(args, &config, |named| {
        let made = model_hooks(named, &model_config)?;
        Ok(hooks.insert(made).widths().to_vec())
    })?;
    let hooks = hooks.context("no hooks were asked for")?;
    let expected = Expected::new(args, &config, &runs)?;
    let at_once = at_once(&config, expected.context_size);
    let buffer_tokens = buffer_tokens(args, &config, expected.context_size);
    let sizes = (at_once, buffer_tokens);
    let work = work(&config, &runs, &hooks, &model_config, &expected, sizes, &on);
    // Before anything is written.
    let plan = plan::settle(&work, &args.memory, &on, global).map_err(in_settings)?;
    let Some(plan) = plan else {
        return Ok(());
    };
    let out = open_out(args, &runs)?;
    let data = Data::open(
        expected,
        args,
        &config,
        &found,
        out.path(),
        &targets,
        global,
    )?;
    let context_size = data.context_size();
    let start = Instant::now();
    let rows = data.held_out();
    let held_out = if rows.is_empty() {
        None
    } else {
        let whole = match plan.placement {
            Placement::Streamed => Placement::Streamed,
            Placement::Resident => whole_model(&model_config, &on),
        };
        Some(held_out(
            &found,
            data.table(),
            rows,
            whole,
            &on,
            plan.batch_size,
        )?)
    };
    let model = match &held_out {
        // One copy of the weights serves both.
        Some(held_out)
            if shares(&model_config, true, &on) && plan.placement == Placement::Resident =>
        {
            held_out.model().clone()
        }
        _ => found.load_layers(&on, plan.placement, Some(hooks.layers()))?,
    };
    warn_if_too_long(context_size, &model);
    warn_of_another_tokenizer(args.tokens.as_deref(), &found, &model);
    let session = session_options(args, &config, buffer_tokens);
    let mut made_from = made_from(&runs, &data.made_from()?, &session, at_once, &on)?;
    made_from["model_weights"] = json!(fingerprint(&found.files.weights)?);
    let tokens = data.into_tokens(at_once, &config, &found)?;
    Ready {
        args,
        global,
        session,
        made_from,
        dataset: config.dataset_path,
        context_size,
        runs,
        out,
        on,
        source: ModelActivations::new(model, hooks, tokens),
        held_out,
        plan,
        start,
        note: None,
    }
    .train()
}

/// Everything that training takes, wherever activations come from.
pub(super) struct Ready<'a, A> {
    pub(super) args: &'a Args,
    pub(super) global: &'a Global,
    pub(super) session: SessionOptions,
    /// Everything that the runs depend on.
    pub(super) made_from: Value,
    pub(super) dataset: Option<String>,
    pub(super) context_size: usize,
    pub(super) runs: Vec<Planned>,
    pub(super) out: OutFolder,
    pub(super) on: ComputeDevice,
    pub(super) source: A,
    pub(super) held_out: Option<HeldOut>,
    pub(super) plan: Plan,
    /// When loading began.
    pub(super) start: Instant,
    /// A line below the result.
    pub(super) note: Option<&'static str>,
}

impl<A: Activations> Ready<'_, A> {
    /// Trains, and prints what came of it.
    pub(super) fn train(self) -> Result<()> {
        let Self {
            args,
            global,
            runs,
            out,
            on,
            ..
        } = self;
        let dataset = self.dataset.as_deref();
        let started = runs
            .iter()
            .map(|run| run.start(&on, self.context_size, dataset));
        let started = started.collect::<Result<Vec<_>>>()?;
        let made_from = self.made_from;
        let mut session = Session::new(&self.session, Stoppable(self.source), started)?;
        if let Some(checkpoint) = out.latest()?.filter(|_| args.resume) {
            session
                .resume(&checkpoint, &made_from)
                .map_err(|error| in_words(error, &made_from))?;
            tracing::info!("going on from {}", checkpoint.display());
        }
        let load_s = self.start.elapsed().as_secs_f64();
        let held_out = self.held_out;
        let held_out = held_out.map(|rows| (rows, SaeLoadOptions::new(&on.device)));
        let mut watch = Watch::new(
            args,
            &runs,
            &out,
            &session,
            held_out,
            made_from,
            global.quiet,
        )?;
        watch.train(&mut session)?;
        let train_s = self.start.elapsed().as_secs_f64() - load_s;
        let outcomes = watch.finish(&session)?;
        let mut text = table(&outcomes, train_s);
        let mut result = json!({
            "out": args.out,
            "runs": outcomes,
            "plan": self.plan,
            "timings": { "load_s": load_s, "train_s": train_s },
            "warnings": terminal::warnings(),
        });
        if let Some(note) = self.note {
            text.push_str(&format!("{note}\n"));
            result["note"] = json!(note);
        }
        global.output().emit(&text, &result)
    }
}

/// The folder to write, which nobody has finished.
pub(super) fn open_out(args: &Args, runs: &[Planned]) -> Result<OutFolder> {
    if !args.out.exists() {
        check_folder("--out", &args.out)?;
    }
    let out = OutFolder::open(&args.out, runs.len() == 1, args.resume)?;
    let finished = runs.iter().all(|run| out.run(&run.name).is_finished());
    ensure!(
        !(args.resume && finished),
        "--resume: {} is finished; nothing is left to do",
        out.path().display()
    );
    Ok(out)
}

pub(super) fn session_options(
    args: &Args,
    config: &RunConfig,
    buffer_tokens: usize,
) -> SessionOptions {
    let batch = config.options.train_batch_size_tokens;
    let mut options = SessionOptions::new(batch, buffer_tokens, config.options.seed);
    options.mixing_fraction = config
        .activations_mixing_fraction
        .unwrap_or(options.mixing_fraction);
    options.epochs = args.epochs;
    options
}

/// Everything that the runs depend on: files by their content, not by their names.
pub(super) fn made_from(
    runs: &[Planned],
    data: &Value,
    options: &SessionOptions,
    at_once: usize,
    on: &ComputeDevice,
) -> Result<Value> {
    let settings = runs
        .iter()
        .map(|run| Ok((run.name.clone(), run.made_from()?)));
    Ok(json!({
        "settings": settings.collect::<Result<Map<_, _>>>()?,
        "dtype": format!("{:?}", on.dtype),
        "data": data,
        "train_batch_size_tokens": options.batch_tokens,
        "buffer_tokens": options.buffer_tokens,
        "activations_mixing_fraction": options.mixing_fraction,
        "store_batch_size_prompts": at_once,
        "order (seed)": options.seed,
    }))
}

/// A refusal for memory, with the setting that helps.
pub(super) fn in_settings(error: anyhow::Error) -> anyhow::Error {
    let text = error.to_string();
    let with = text
        .replace("--batch-size", "--store-batch-size-prompts")
        .replace(
            "a smaller --context-size, a smaller SAE",
            "fewer --store-batch-size-prompts or --buffer-tokens, --eval-sequences 0, a smaller SAE",
        );
    if with == text { error } else { anyhow!(with) }
}

/// A checkpoint of other settings: which.
fn in_words(error: CheckpointError, now: &Value) -> anyhow::Error {
    match &error {
        CheckpointError::Other { path, made_from } => anyhow!(
            "--resume: {} was begun with another {}; give what it was begun with, or another --out",
            path.display(),
            difference("", made_from, now).unwrap_or_default()
        ),
        _ => error.into(),
    }
}

/// The rows that are kept back, and the whole model to evaluate on.
pub(super) fn held_out(
    found: &FoundModel,
    table: &TokenTable,
    rows: Range<usize>,
    placement: Placement,
    on: &ComputeDevice,
    batch_size: usize,
) -> Result<HeldOut> {
    let config = found.config()?;
    let model = found.load(on, placement)?;
    let masking = match &found.files.tokenizer {
        Some(_) => Masking::exclude(found.tokenizer()?.special().structural()),
        None => Masking::exclude(config.bos_token_id),
    };
    Ok(HeldOut::new(model, table, rows, masking, batch_size)?)
}

/// What came of the runs, a line each.
fn table(outcomes: &[Outcome], train_s: f64) -> String {
    let mut text = String::new();
    let width = outcomes
        .iter()
        .map(|run| run.name.len())
        .max()
        .unwrap_or(0)
        .max(4);
    text.push_str(&format!(
        "{:width$}  {:>11}  {:>12}  {:>8}  {:>9}  {:>6}  {:>9}\n",
        "run", "tokens", "loss", "L0", "explained", "dead", "CE score"
    ));
    for run in outcomes {
        let of = |name: &str| run.last.get(name).and_then(serde_json::Value::as_f64);
        let show = |value: Option<f64>, digits: usize| {
            value.map_or("-".to_owned(), |x| format!("{x:.digits$}"))
        };
        let score = run
            .evaluation
            .as_ref()
            .and_then(|figures| figures.get(CE_SCORE)?.as_f64());
        text.push_str(&format!(
            "{:width$}  {:>11}  {:>12}  {:>8}  {:>9}  {:>6}  {:>9}\n",
            run.name,
            run.tokens,
            show(of("losses/overall_loss"), 3),
            show(of("metrics/l0"), 1),
            show(of("metrics/explained_variance"), 4),
            show(of("sparsity/dead_features"), 0),
            show(score, 4),
        ));
    }
    let tokens = outcomes.iter().map(|run| run.tokens).max().unwrap_or(0);
    text.push_str(&format!(
        "{:.0} tokens a second\n",
        tokens as f64 / train_s.max(1e-9)
    ));
    for run in outcomes {
        text.push_str(&format!("{}\n", run.folder.display()));
    }
    text
}
