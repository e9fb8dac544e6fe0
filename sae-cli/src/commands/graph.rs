//! `sae graph`

use crate::args::Global;
use crate::args::files::FilesArgs;
use crate::args::graph::Args;
use crate::job::model::find_model;
use crate::job::outputs::check_folder;
use crate::job::targets::Targets;
use crate::job::{device, graph as job, run};
use crate::terminal::interrupt::Interrupted;
use crate::terminal::progress::GraphBar;
use anyhow::Result;
use sae_attribution_graph::{AttributeError, Labels, Summary, ViewerGraph, attribute};
use sae_llama::resolve::RunPart;
use sae_report::{GraphPage, graph_page};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The result: what was found, and where it is.
#[derive(Serialize)]
struct Outcome {
    #[serde(flatten)]
    summary: Summary,
    graph: PathBuf,
    page: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let on = device::choose(global)?;
    let slug = job::slug(args)?;
    let [file, page] = ["json", "html"].map(|ending| args.out.join(format!("{slug}.{ending}")));
    if !args.out.is_dir() {
        check_folder("--out", &args.out)?;
    }
    ViewerGraph::check_folder(&args.out)?;
    let targets = Targets::new(
        global,
        [("--out", file.as_path()), ("--out", page.as_path())],
    )?;
    // The first says which model, where the call does not.
    let first = job::names(&args.sae[..1], 1);
    let first = match args.model {
        Some(_) => None,
        None => Some(run::find(
            Path::new(&first[0]),
            &FilesArgs::default(),
            RunPart::All,
            global.quiet,
        )?),
    };
    let metadata = first.as_ref().map(|run| &run.cfg.metadata);
    let found = find_model(args.model.as_deref(), metadata, global.quiet)?;
    let config = found.config()?;
    let names = job::names(&args.sae, config.n_layers);
    let transcoders = job::transcoders(&names, &config, global.quiet)?;
    targets.spare(found.paths())?;
    targets.spare(transcoders.runs().iter().flat_map(sae_core::RunDir::files))?;
    let tokenizer = found.tokenizer()?;
    let tokens = job::tokens(args, &tokenizer)?;
    let mut options = job::options(args, &tokenizer)?;
    let sizes = (&config, tokens.len());
    let Some((plan, rest)) = job::settle(&transcoders, sizes, &options, args, (&on, global))?
    else {
        return Ok(());
    };
    options.limit_bytes = Some(rest);

    let model = found.load(&on, plan.placement)?;
    crate::job::model::warn_if_too_long(tokens.len(), &model);
    let mut bar = GraphBar::new(global.quiet);
    let graph = attribute(&model, &transcoders, &tokens, &options, &mut bar.observer());
    drop(bar);
    let graph = graph.map_err(|error| match error {
        AttributeError::Stopped => Interrupted.into(),
        other => anyhow::Error::from(other),
    })?;
    let pruned = graph.prune(&job::pruning(args));
    let scan = args.scan.as_deref().unwrap_or(&found.name);
    let mut labels = Labels::new(&graph, &slug, scan, |id| tokenizer.token_text(id));
    labels.prompt = args.prompt.clone();
    let viewer = ViewerGraph::new(&graph, &pruned, &labels);
    let summary = Summary::new(&graph, &viewer, &labels.logit_tokens);
    viewer.write(&args.out)?;
    let mut shown = GraphPage::from_json(&viewer.to_json())?;
    (shown.replacement, shown.completeness) =
        (summary.scores.replacement, summary.scores.completeness);
    shown.n_active = Some(summary.n_active as u64);
    whole_file::write(&page, graph_page(&shown).as_bytes())?;
    let text = format!("{}{}\n", summary.text(), page.display());
    let outcome = Outcome {
        summary,
        graph: file,
        page,
    };
    global.output().emit(&text, &outcome)
}
