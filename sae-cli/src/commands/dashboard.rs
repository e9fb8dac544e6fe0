//! `sae dashboard`

use super::split;
use crate::cli::Global;
use crate::clock::Clock;
use crate::dashboards::build::Collected;
use crate::dashboards::choice::Choice;
use crate::dashboards::formats::{Format, FormatArgs};
use crate::dashboards::places::{Content, Places};
use crate::dashboards::prepare::{Prepared, SourceArgs};
use crate::dashboards::tokens::Spelling;
use crate::dashboards::weights::Weights;
use crate::fingerprint::difference;
use crate::plan::Bytes;
use crate::targets::{Targets, follow};
use anyhow::{Result, bail};
use sae_dashboard::{ActivationLog, Settings, Summary};
use serde_json::{Map, json};
use std::path::{Path, PathBuf};

/// Pages that show what each feature responds to, from one pass over the text
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae dashboard --sae RUN --dataset 'pile/*.jsonl.zst' --max-tokens 500000 --out features/
  sae dashboard --sae RUN --tokens tokens.safetensors --features 200 --out features.html
  sae dashboard --sae RUN --tokens tokens/ --format html,neuronpedia,parquet --out features/
  sae dashboard --sae RUN --tokens tokens/ --work work0 --shard 0/2 --log-only
  sae dashboard --sae RUN --tokens tokens/ --merge work0 --merge work1 --out features/

The text goes through the model once, whatever the number of features. A folder holds a page for any number of them; a file ending in .html is \
one page to send to somebody, for some hundred. Several formats are folders of their names in OUT, which appears with all of them.")]
pub(crate) struct Args {
    #[command(flatten)]
    source: SourceArgs,
    /// Features that get a page: all, a number of them, a list such as 3,17,100-199, or a file with such a list
    #[arg(long, value_name = "all|N|LIST|FILE", default_value = "all")]
    features: Choice,
    /// The logit lens without the final norm's weight
    #[arg(long)]
    raw_lens: bool,
    /// Tokens shown before the one that an example is about
    #[arg(long, value_name = "N", default_value_t = 48)]
    before: usize,
    /// Tokens shown after it
    #[arg(long, value_name = "N", default_value_t = 24)]
    after: usize,
    /// What samples are drawn from
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Bytes of activations that are gathered at a time; less memory, more scans
    #[arg(long, value_name = "SIZE", default_value = "1GiB")]
    gather: Bytes,
    /// Stop once the activations are in --work: a part of the work, for --merge
    #[arg(long, requires = "work")]
    log_only: bool,
    /// Take the activations from the --work of shards, with the same --tokens, instead of running the model on text
    #[arg(long, value_name = "DIR", conflicts_with_all = ["work", "shard", "dataset"])]
    merge: Vec<PathBuf>,
    #[command(flatten)]
    format: FormatArgs,
    /// A folder; for html alone also one file that ends in .html
    #[arg(
        long,
        value_name = "DIR|FILE.html",
        required_unless_present = "log_only"
    )]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let targets = targets(args, global)?;
    let Some(prepared) = args.source.prepare(&targets, global)? else {
        return Ok(());
    };
    let id = args
        .format
        .id(&prepared.source, &prepared.run.cfg.metadata)?;
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
    let (model, sae) = (&prepared.model, &prepared.sae);
    let weights = Weights::of(model, &split, sae, &features, args.raw_lens);
    let collected = Collected {
        log: &log,
        table: &prepared.table,
        summary: &summary,
        features: &features,
    };
    let overview = collected.overview(prepared.source.clone(), &weights);
    let spelling = Spelling(&prepared.tokenizer);
    let mut places = Places::new(args.format.formats(), &follow(out))?;
    let sinks = places.sinks(&Content {
        overview: &overview,
        spelling: &spelling,
        sae,
        id: id.as_ref(),
    })?;
    collected.run(&settings(args), weights, sinks, global.quiet)?;
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

fn settings(args: &Args) -> Settings {
    Settings {
        before: args.before,
        after: args.after,
        seed: args.seed,
        memory: args.gather.0,
        ..Settings::default()
    }
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

/// What is written, which must not be among what is read; and what options contradict each other.
fn targets(args: &Args, global: &Global) -> Result<Targets> {
    args.source.check()?;
    let on_bad_row = args.source.text.on_bad_row();
    let out = args.out.as_deref().map(|path| ("--out", path));
    let work = args.source.work.as_deref().map(|path| ("--work", path));
    let own = out.into_iter().chain(work).chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    targets.spare(&args.source.tokens)?;
    targets.spare(&args.merge)?;
    let out = args.out.as_deref().filter(|_| !args.log_only);
    args.format.check(out.map(follow).as_deref())?;
    Ok(targets)
}
