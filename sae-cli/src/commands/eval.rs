//! `sae eval`

use super::{eval_layers, eval_several};
use crate::args::Global;
use crate::args::eval::Args;
use crate::error::UsageError;
use crate::job::eval_state::Resumption;
use crate::job::evaluation::{
    begins_with_bos, budget, eval_cfg, figures_of_weights, made_from, nominal, protocol, rows,
    targets, warnings,
};
use crate::job::model::{describe, find_model, warn_if_too_long};
use crate::job::parts::{About, EvalPart, PartFile, asked};
use crate::job::saes::{each_layer, each_of_sets};
use crate::job::text::{rows_of, too_short};
use crate::job::token_origin::warn_of_another_tokenizer;
use crate::job::{device, layers, plan, run, saebench};
use crate::terminal;
use crate::terminal::progress::Bar;
use anyhow::{Result, bail};
use sae_backend::ComputeDevice;
use sae_core::{RunDir, Sae};
use sae_llama::plan::{Plan, Work};
use sae_llama::resolve::{FoundModel, published};
use sae_llama::{ReconstructionPath, Spliced};
use sae_report::{EvalCfg, EvalOutcome, EvalTimings, Evaluated, Published, csv, of_place, table};
use serde_json::{Value, json};
use std::path::Path;
use std::time::Instant;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let paths = each_layer("--sae", &args.sae, args.several.layers.as_ref())?;
    if let Some((path, dir)) = layers::find(&paths)? {
        return eval_layers::run(args, path, &dir, global);
    }
    let paths = each_of_sets(paths, args.input.place.files.layer);
    let [path] = paths.as_slice() else {
        if args.parts.is_some() {
            bail!(UsageError(
                "--parts: takes one SAE at a time; call it once for each".to_owned()
            ));
        }
        return eval_several::run(args, &paths, global);
    };
    if args.several.together || args.page.is_some() {
        return eval_several::run(args, &paths, global);
    }
    one(args, path, global)
}

/// Of one SAE.
fn one(args: &Args, path: &Path, global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    let files = saebench::files(args.saebench.as_deref(), &[path.to_owned()])?;
    let targets = targets(args, csv_to_stdout, &files, global)?;
    let on = device::choose(global)?;
    let place = &args.input.place;
    let run = run::find_at(path, place, global.quiet)?;
    let budget = budget(args);
    let metadata = Some(&run.cfg.metadata);
    let found = find_model(place.model.as_deref(), metadata, global.quiet)?;
    targets.spare(run.files().into_iter().chain(found.paths()))?;
    let mut resumption = Resumption::open(args.resume.as_deref(), args.checkpoint_every)?;
    let metadata = &run.cfg.metadata;
    let begin = resumption.place();
    let opened = rows(args, metadata, &found, budget, begin, global, &targets);
    let (mut rows, context_size, bad_rows) = resumption.advise(opened)?;
    let part = part(args, &run, &found, &on, context_size)?;
    if let Some((file, _, Some(done))) = &part {
        return emit_part(file, done, true, global);
    }
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
    let mut options = protocol(args, &plan, &found, &model)?;
    options.legacy_bytes = resumption.legacy_bytes();
    let by = ReconstructionPath::evaluated(sae.cfg());
    let described = describe(&found.name, &model, &on);
    let how = (described, context_size, by.formula());
    let mut eval_cfg = eval_cfg(args, path, how, &options, split.place());
    let sae_cfg: Value = serde_json::from_str(&run.cfg.to_json())?;
    let made_from = match &args.resume {
        Some(_) => made_from(args, &run, &found, &sae_cfg, &eval_cfg)?,
        None => Value::Null,
    };
    let load_s = start.elapsed().as_secs_f64();

    let bar = Bar::new(global.quiet, "evaluating", most, context_size);
    let spliced = Spliced::new(&sae, by);
    let mut observer = bar.evaluation();
    let with = (&options, &made_from);
    let evaluation = resumption.evaluate(&split, &spliced, &mut rows, with, &mut observer)?;
    drop(observer);
    drop(bar);
    let left_out_now = bad_rows.finish()?;
    let evaluate_s = start.elapsed().as_secs_f64() - load_s;
    let n_sequences = evaluation.sparsity.tokens.sequences;
    if n_sequences == 0 {
        let dataset = args.input.dataset.as_deref().unwrap_or_default();
        return Err(too_short(dataset, context_size));
    }

    let bad_rows = rows.bad_rows().unwrap_or(left_out_now);
    let published = published(path)?.map(Published::from);
    if let Some((file, asked, _)) = part {
        let bos = begins_with_bos(args, &run, &found);
        let about = about(&run, &sae, eval_cfg, published.as_ref(), bos)?;
        let part = EvalPart::new(asked, file.shard, evaluation, bad_rows, about);
        part.write(&file.path)?;
        emit_part(&file, &part, false, global)?;
        return resumption.done();
    }
    eval_cfg.outcome = Some(EvalOutcome {
        n_sequences,
        plan,
        bad_rows,
    });
    let folder = args.saebench.as_deref();
    let (figures, core) = saebench::figures(folder, &evaluation, &sae, options.batch_size);
    let warnings = warnings(args, &run, &found, &evaluation, published.as_ref());
    for warning in saebench::with_doubts(warnings, core.as_ref()) {
        tracing::warn!("{warning}");
    }
    let result = Evaluated {
        figures,
        sae_cfg,
        published,
        eval_cfg,
        timings: EvalTimings { load_s, evaluate_s },
        warnings: terminal::warnings(),
    };
    saebench::write((files.first(), core.as_ref()), path, &run, &result.eval_cfg)?;
    emit(args, &result, csv_to_stdout, global)?;
    resumption.done()
}

/// The part to write, if it is one: where, what it is made from, and what is there already.
fn part(
    args: &Args,
    run: &RunDir,
    found: &FoundModel,
    on: &ComputeDevice,
    context_size: usize,
) -> Result<Option<(PartFile, Value, Option<EvalPart>)>> {
    let Some(folder) = &args.parts else {
        return Ok(None);
    };
    let asked = asked(args, run, found, on, context_size)?;
    let file = PartFile::new(folder, args.input.text.shard)?;
    let done = if args.input.memory.plan {
        None
    } else {
        file.found(&asked)?
    };
    Ok(Some((file, asked, done)))
}

/// What a part says of the SAE, besides what was measured. No shard is in it: parts are merged.
fn about(
    run: &RunDir,
    sae: &Sae,
    mut eval_cfg: EvalCfg<Plan>,
    published: Option<&Published>,
    begins_with_bos: Option<bool>,
) -> Result<About> {
    eval_cfg.shard = None;
    Ok(About {
        sae_cfg: serde_json::from_str(&run.cfg.to_json())?,
        eval_cfg: serde_json::to_value(&eval_cfg)?,
        weights: figures_of_weights(sae),
        nominal: nominal(run, published),
        begins_with_bos,
        place_warning: of_place(&run.cfg),
    })
}

/// Says where the part is.
fn emit_part(file: &PartFile, part: &EvalPart, kept: bool, global: &Global) -> Result<()> {
    let rows = part.evaluation.sparsity.tokens.sequences;
    let how = if kept { ", there already" } else { "" };
    let text = format!("{rows} rows in {}{how}\n", file.path.display());
    let result = json!({
        "part": file.path,
        "rows": rows,
        "kept": kept,
        "shards": { "of": part.of, "merged": part.shards },
    });
    global.output().emit(&text, &result)
}

/// Writes the CSV, and prints the table.
fn emit(args: &Args, result: &Evaluated<Plan>, csv_to_stdout: bool, global: &Global) -> Result<()> {
    let csv = csv(&result.figures.metrics);
    if let Some(path) = args.csv.as_ref().filter(|_| !csv_to_stdout) {
        whole_file::write(path, csv.as_bytes())?;
    }
    let table = format!(
        "{}\nconvention: {}\nreconstruction: {}\n",
        table(&result.figures.metrics),
        result.eval_cfg.convention,
        result.eval_cfg.reconstruction
    );
    let published = result.published.as_ref().map(Published::text);
    let published = published.filter(|text| !text.is_empty());
    let published = published.map_or(String::new(), |text| format!("as published: {text}\n"));
    let text = if csv_to_stdout {
        csv
    } else {
        table + &published
    };
    global.output().emit_as_it_is(&text, result)
}
