//! `sae merge`

use crate::args::Global;
use crate::args::merge::Args;
use crate::error::UsageError;
use crate::job::outputs::check_file;
use crate::job::parts::{EvalPart, Joined, join};
use crate::job::targets::Targets;
use crate::terminal;
use anyhow::{Result, bail};
use sae_llama::resolve::published;
use sae_metrics::Report;
use sae_report::{Merged, Published, Shards, Signs, csv, table};
use serde_json::{Value, json};
use std::path::Path;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let own = [("--out", &args.out), ("--csv", &args.csv)];
    let own = own.map(|(option, path)| path.as_deref().map(|path| (option, path)));
    for (option, path) in own.iter().flatten() {
        check_file(option, path)?;
    }
    Targets::new(global, own.into_iter().flatten())?.spare(&args.parts)?;
    let is_part = |path: &Path| path.extension().is_some_and(|ending| ending == "cbor");
    let joined = join(&args.parts)?;
    if let Some(path) = args.out.as_deref().filter(|path| is_part(path)) {
        if args.csv.is_some() {
            bail!(UsageError(
                "--csv: figures come with --out FILE.json or without --out; a part has none"
                    .to_owned()
            ));
        }
        return merged_part(path, &joined.part, global);
    }
    if let Some(lacks) = joined.lacks() {
        if !args.allow_missing {
            bail!("{lacks}; give their parts too, or --allow-missing for figures without them");
        }
        tracing::warn!("{lacks}; the figures are of the others");
    }
    let merged = figures(joined)?;
    if let Some(path) = &args.csv {
        whole_file::write(path, csv(&merged.figures.metrics).as_bytes())?;
    }
    if let Some(path) = &args.out {
        let text = serde_json::to_string_pretty(&merged)? + "\n";
        whole_file::write(path, text.as_bytes())?;
    }
    let text = table(&merged.figures.metrics);
    global.output().emit_as_it_is(&text, &merged)
}

/// The parts as one.
fn merged_part(path: &Path, part: &EvalPart, global: &Global) -> Result<()> {
    part.write(path)?;
    let n = part.shards.len();
    let text = format!("{n} of {} shards in {}\n", part.of, path.display());
    let result = json!({
        "part": path,
        "rows": part.evaluation.sparsity.tokens.sequences,
        "shards": { "of": part.of, "merged": part.shards },
    });
    global.output().emit(&text, &result)
}

/// The figures, as of one worker.
fn figures(joined: Joined) -> Result<Merged> {
    let Joined { part, missing } = joined;
    let (evaluation, mut about) = (part.evaluation, part.about);
    let name = about.eval_cfg["sae"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let d_sae = evaluation.sparsity.density.d_sae();
    let signs = Signs::new(&evaluation, d_sae, about.nominal, about.begins_with_bos);
    let found = part.warnings.into_iter().chain(signs.warnings());
    for warning in found.chain(about.place_warning.take()) {
        tracing::warn!("{warning}");
    }
    let mut figures = Report::new(Some(&evaluation.sparsity), Some(&evaluation.reconstruction));
    figures.feature_metrics.weights = about.weights;
    if let Value::Object(cfg) = &mut about.eval_cfg {
        let rows = evaluation.sparsity.tokens.sequences;
        cfg.insert("n_sequences".to_owned(), rows.into());
        cfg.insert("bad_rows".to_owned(), part.bad_rows.into());
    }
    Ok(Merged {
        figures,
        sae_cfg: about.sae_cfg,
        published: published(Path::new(&name))?.map(Published::from),
        eval_cfg: about.eval_cfg,
        shards: Shards {
            of: part.of,
            merged: part.shards,
            missing,
        },
        warnings: terminal::warnings(),
    })
}
