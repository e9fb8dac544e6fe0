//! `sae dashboard`

use crate::args::Global;
use crate::args::dashboard::Args;
use crate::job::prepare::{Prepared, prepare};
use crate::job::run::split;
use crate::job::targets::Targets;
use crate::terminal::Clock;
use crate::terminal::progress::Features;
use anyhow::{Result, bail};
use sae_dashboard::assemble::{Collected, Content, Format, Places, ShownWeights};
use sae_dashboard::export::Logged;
use sae_dashboard::export::questions::QuestionOptions;
use sae_dashboard::labels::{Label, LabelSubject, Labels};
use sae_dashboard::{ActivationLog, CollectOptions, Summary};
use sae_llama::dashboard::{Rows, Spelling, shown_weights};
use sae_llama::difference;
use serde_json::{Map, json};
use std::path::{Path, PathBuf};
use whole_file::follow;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let targets = targets(args, global)?;
    let Some(prepared) = prepare(&args.source, &targets, global, None)? else {
        return Ok(());
    };
    let id = args
        .format
        .id(&prepared.source, &prepared.run.cfg.metadata)?;
    // Before the text goes through the model, which takes long.
    let labels = labels(args, &prepared)?;
    let mut clock = Clock::new();
    let log = if args.merge.is_empty() {
        prepared.log(&args.source, global.quiet)?
    } else {
        merged(&args.merge, &prepared)?
    };
    let encode_s = clock.lap();
    let Some(out) = args.out.as_deref().filter(|_| !args.log_only) else {
        return logged(&log, prepared.work.path(), global);
    };

    let summary = Summary::of(&log)?;
    let features = args.features.features(&summary.n_fired)?;
    let split = split(&prepared.model, &prepared.run)?;
    let shows_features = args.format.formats().iter().any(|f| f.shows_features());
    let weights = if shows_features {
        shown_weights(&split, &prepared.sae, &features, args.raw_lens, None)
    } else {
        ShownWeights::none()
    };
    let contexts = Rows(&prepared.table);
    let collected = Collected {
        log: &log,
        contexts: &contexts,
        summary: &summary,
        features: &features,
    };
    let mut overview = collected.overview(prepared.source.clone(), &weights);
    overview.labels = labels;
    let mut places = Places::new(args.format.formats(), &follow(out))?;
    let spelling = Spelling(&prepared.tokenizer);
    let mut logged = Logged::new(&log, &contexts, &summary);
    logged.memory = args.gather.0;
    let asked = questions(args);
    let sinks = places.sinks(&Content {
        overview: &overview,
        vocabulary: &spelling,
        w_dec: prepared.sae.w_dec(),
        id: id.as_ref(),
        logged,
        questions: &asked,
    })?;
    if shows_features {
        let bar = Features::new(global.quiet, features.len());
        collected.run(&options(args), weights, sinks, &mut bar.observer())?;
    } else {
        Collected::<Rows<'_>>::run_without_features(sinks)?;
    }
    places.finish()?;
    let collect_s = clock.lap();

    let outputs = places.outputs();
    let n_dead = summary.n_fired.iter().filter(|&&n| n == 0).count();
    let Prepared {
        tokenize_s, load_s, ..
    } = prepared;
    let result = json!({
        "sae": args.source.sae,
        "model": prepared.described,
        "n_features": features.len(),
        "n_dead": n_dead,
        "n_contexts": log.n_contexts(),
        "n_tokens": summary.n_tokens,
        "n_activations": log.n_entries(),
        "convention": prepared.source.convention,
        "plan": prepared.plan,
        "timings": { "tokenize_s": tokenize_s, "load_s": load_s, "encode_s": encode_s, "collect_s": collect_s },
        "out": out,
        "outputs": outputs
            .iter()
            .map(|(format, path)| (format.name().to_owned(), json!(path)))
            .collect::<Map<_, _>>(),
    });
    let mut text = format!(
        "{} features from {} tokens ({n_dead} of {} never fire)\n",
        features.len(),
        summary.n_tokens,
        summary.n_fired.len(),
    );
    for (format, path) in outputs {
        let path = path.display();
        text += &match format {
            Format::Html => format!("open {path}\n"),
            other => format!("{} in {path}\n", other.name()),
        };
    }
    global.output().emit(&text, &result)
}

fn labels(args: &Args, prepared: &Prepared) -> Result<Vec<Label>> {
    let Some(path) = &args.labels else {
        return Ok(Vec::new());
    };
    let subject = LabelSubject::of(&prepared.source, prepared.sae.cfg().d_sae as u32);
    Ok(Labels::read(path, &subject)?.into_vec())
}

/// The logs of shards, which must have been made of what is given here.
fn merged(dirs: &[PathBuf], prepared: &Prepared) -> Result<ActivationLog> {
    let logs: Vec<_> = dirs.iter().map(|dir| dir.join("log")).collect();
    let log = ActivationLog::open(&logs)?;
    if let Some(difference) = difference("", &log.info().made_from, &prepared.made_from) {
        bail!(
            "--merge {}: was made with another {difference}; give what it was made with",
            dirs[0].display()
        );
    }
    Ok(log)
}

fn options(args: &Args) -> CollectOptions {
    let mut options = CollectOptions::default();
    options.before = args.before;
    options.after = args.after;
    options.seed = args.seed;
    options.memory = args.gather.0;
    options
}

fn questions(args: &Args) -> QuestionOptions {
    let mut options = QuestionOptions::default();
    options.min_windows = args.format.min_windows as usize;
    options.seed = args.seed;
    options
}

/// Says what `--log-only` has made.
fn logged(log: &ActivationLog, work: &Path, global: &Global) -> Result<()> {
    let (n_contexts, n_activations) = (log.n_contexts(), log.n_entries());
    let text = format!(
        "{n_contexts} contexts, {n_activations} activations in {}\n",
        work.display()
    );
    let result = json!({ "n_contexts": n_contexts, "n_activations": n_activations, "work": work });
    global.output().emit(&text, &result)
}

/// The files that are written, which must not be among those that are read. Also refuses options that contradict each other.
fn targets(args: &Args, global: &Global) -> Result<Targets> {
    args.source.check()?;
    let on_bad_row = args.source.input.text.on_bad_row();
    let out = args.out.as_deref().map(|path| ("--out", path));
    let work = args.source.work.as_deref().map(|path| ("--work", path));
    let own = out.into_iter().chain(work).chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    targets.spare(&args.source.input.tokens)?;
    targets.spare(&args.merge)?;
    targets.spare(&args.labels)?;
    let out = args.out.as_deref().filter(|_| !args.log_only);
    args.format.check(out.map(follow).as_deref())?;
    Ok(targets)
}
