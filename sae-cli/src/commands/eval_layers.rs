//! `sae eval` of a cross-layer transcoder or a crosscoder: each of its layers as an SAE

use super::eval_several::emit;
use crate::args::Global;
use crate::args::eval::Args;
use crate::error::UsageError;
use crate::job::device;
use crate::job::evaluation::{budget, eval_cfg, report_of_layer, rows, targets};
use crate::job::layers::{Settled, layer_cfg, metadata, places, settle};
use crate::job::masking::masking;
use crate::job::model::{describe, find_model, warn_if_too_long};
use crate::job::text::{rows_of, too_short};
use crate::job::token_origin::{rows_begin_with_bos, warn_of_another_tokenizer};
use crate::terminal;
use crate::terminal::progress::Bar;
use anyhow::{Result, bail};
use sae_core::{MultiLayerDir, SaeLoadOptions};
use sae_llama::plan::{LOGITS, Work};
use sae_llama::{LlamaPlaces, SplicedLayers};
use sae_metrics::{ProtocolOptions, evaluate_ensemble};
use sae_report::{EvalOutcome, EvalTimings, Evaluated, EvaluatedSeveral, Forward, Signs, Together};
use std::path::Path;
use std::time::Instant;

pub(super) fn run(args: &Args, path: &Path, dir: MultiLayerDir, global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    let refused = [
        ("--resume", args.resume.is_some()),
        ("--sae-at-once", args.sae_at_once.is_some()),
    ];
    if let Some((option, _)) = refused.iter().find(|(_, given)| *given) {
        bail!(UsageError(format!(
            "{option}: the layers of a {} are measured in one run of the model; leave it out",
            dir.cfg.kind.name()
        )));
    }
    let targets = targets(args, csv_to_stdout, global)?;
    let on = device::choose(global)?;
    let place = &args.input.place;
    let metadata = metadata(&dir);
    let found = find_model(place.model.as_deref(), Some(&metadata), global.quiet)?;
    targets.spare(dir.files.iter().cloned().chain(found.paths()))?;
    let config = found.config()?;
    let places = places(&config, &dir, place.hook.as_deref())?;
    let budget = budget(args);
    let (mut rows, context_size, bad_rows) =
        rows(args, &metadata, &found, budget, None, global, &targets)?;
    let most = rows.n_rows().or(rows_of(budget, context_size));
    let mut work = Work::new(&config, &on, context_size);
    work.rows = most;
    work.text_bytes = rows.memory_bytes();
    work.batch_size = args.input.batch_size.map(|n| n as usize);
    let settled = settle(&work, &dir.cfg, &places, args, (&on, global))?;
    let Some(Settled { plan, keeps }) = settled else {
        return Ok(());
    };

    let start = Instant::now();
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(context_size, &model);
    let data = args.input.tokens.as_deref();
    let data = data.or(args.input.dataset.as_deref().map(Path::new));
    warn_of_another_tokenizer(data, &found, &model);
    let mut load = SaeLoadOptions::new(&on.device);
    load.dtype = on.dtype;
    let mut dictionary = dir.load(&load)?;
    if keeps {
        dictionary = dictionary.keep_encoders();
    }
    let mut options = ProtocolOptions::default();
    options.masking = masking(&args.masking, &found, model.config())?;
    options.batch_size = plan.batch_size;
    options.logit_bytes = LOGITS as usize;
    let load_s = start.elapsed().as_secs_f64();

    let split = LlamaPlaces::new(&model, &places).rows_at_once(plan.rows_at_once);
    let numbers = places.iter().map(|&place| split.number(place));
    let spliced = SplicedLayers::new(&dictionary, numbers.flatten().collect());
    let bar = Bar::new(global.quiet, "evaluating", most, context_size);
    let mut observer = bar.evaluation();
    let together = args.together;
    let measured = evaluate_ensemble(
        &split,
        &spliced,
        &mut rows,
        &options,
        together,
        &mut observer,
    )?;
    drop(observer);
    drop(bar);
    let left_out_now = bad_rows.finish()?;
    let evaluate_s = start.elapsed().as_secs_f64() - load_s;
    let timings = EvalTimings { load_s, evaluate_s };
    let tokens = measured
        .saes
        .first()
        .map_or(0, |of| of.sparsity.tokens.seen);
    if tokens == 0 {
        let dataset = args.input.dataset.as_deref().unwrap_or_default();
        return Err(too_short(dataset, context_size));
    }

    let described = describe(&found.name, &model, &on);
    let bos = args
        .input
        .tokens
        .as_ref()
        .and_then(|path| rows_begin_with_bos(path, &found));
    let name = |layer: usize| format!("{}#{layer}", path.display());
    let mut saes = Vec::new();
    for (layer, evaluation) in measured.saes.iter().enumerate() {
        let signs = Signs::new(evaluation, dir.cfg.d_sae, None, bos);
        let warnings: Vec<String> = signs.warnings().into_iter().collect();
        for warning in &warnings {
            tracing::warn!("{}: {warning}", name(layer));
        }
        let sae = name(layer);
        let how = (described.clone(), context_size, dictionary.formula());
        let mut eval_cfg = eval_cfg(args, Path::new(&sae), how, &options, places[layer]);
        eval_cfg.outcome = Some(EvalOutcome {
            n_sequences: evaluation.sparsity.tokens.sequences,
            plan: plan.clone(),
            bad_rows: rows.bad_rows().unwrap_or(left_out_now),
        });
        saes.push(Evaluated {
            figures: report_of_layer(evaluation, dictionary.b_enc(layer)),
            sae_cfg: layer_cfg(&dir.cfg, layer, places[layer]),
            eval_cfg,
            timings,
            warnings,
        });
    }
    let alone = places
        .iter()
        .map(|&place| split.block_tokens_alone(place, tokens));
    let order: Vec<usize> = (0..places.len()).collect();
    let result = EvaluatedSeveral {
        saes,
        together: measured
            .together
            .as_ref()
            .map(|all| Together::new(order.iter().map(|&layer| name(layer)).collect(), all)),
        order,
        forward: Forward::new(split.block_tokens(), alone.sum()),
        plan,
        timings,
        warnings: terminal::warnings(),
    };
    emit(args, &result, csv_to_stdout, global)
}
