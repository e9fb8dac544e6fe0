//! `sae eval` of a cross-layer transcoder or a crosscoder: each of its layers as an SAE

use super::eval_several::emit;
use crate::args::Global;
use crate::args::eval::Args;
use crate::error::UsageError;
use crate::job::device;
use crate::job::evaluation::{budget, eval_cfg, protocol, report_of_layer, rows, targets};
use crate::job::layers::{Settled, layer_cfg, metadata, places, settle};
use crate::job::model::{describe, find_model, warn_if_too_long};
use crate::job::text::{rows_of, too_short};
use crate::job::token_origin::{rows_begin_with_bos, warn_of_another_tokenizer};
use crate::terminal;
use crate::terminal::progress::Bar;
use anyhow::{Result, bail};
use sae_backend::ComputeDevice;
use sae_core::{MultiLayer, MultiLayerDir, SaeLoadOptions};
use sae_llama::plan::{Plan, Work};
use sae_llama::resolve::FoundModel;
use sae_llama::{LlamaPlaces, Place, SplicedLayers};
use sae_metrics::{Evaluation, evaluate_ensemble};
use sae_report::{
    EvalCfg, EvalOutcome, EvalTimings, Evaluated, EvaluatedSeveral, Forward, Signs, Together,
};
use std::path::Path;
use std::time::Instant;

pub(super) fn run(args: &Args, path: &Path, dir: &MultiLayerDir, global: &Global) -> Result<()> {
    let csv_to_stdout = args.csv.as_deref() == Some(Path::new("-"));
    refuse(args, dir)?;
    let targets = targets(args, csv_to_stdout, &[], global)?;
    let on = device::choose(global)?;
    let place = &args.input.place;
    let metadata = metadata(dir);
    let found = find_model(place.model.as_deref(), Some(&metadata), global.quiet)?;
    targets.spare(dir.files.iter().cloned().chain(found.paths()))?;
    let config = found.config()?;
    let places = places(&config, dir, place.hook.as_deref())?;
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
    let dictionary = load(dir, &on, keeps)?;
    let options = protocol(args, &plan, &found, &model)?;
    let load_s = start.elapsed().as_secs_f64();

    let split = LlamaPlaces::new(&model, &places).rows_at_once(plan.rows_at_once);
    let numbers = places.iter().map(|&place| split.number(place));
    let spliced = SplicedLayers::new(&dictionary, numbers.flatten().collect());
    let bar = Bar::new(global.quiet, "evaluating", most, context_size);
    let mut observer = bar.evaluation();
    let measured = evaluate_ensemble(
        &split,
        &spliced,
        &mut rows,
        &options,
        args.several.together,
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

    let job = Job {
        path,
        dir,
        dictionary: &dictionary,
        places: &places,
        bos: begins_with_bos(args, &found),
    };
    let bad_rows = rows.bad_rows().unwrap_or(left_out_now);
    let described = describe(&found.name, &model, &on);
    let of_layers = measured.saes.iter().enumerate().map(|(layer, evaluation)| {
        let outcome = EvalOutcome {
            n_sequences: evaluation.sparsity.tokens.sequences,
            plan: plan.clone(),
            bad_rows,
        };
        let how = (described.clone(), context_size, dictionary.formula());
        let place = places[layer];
        let name = job.name(layer);
        let mut cfg = eval_cfg(args, Path::new(&name), how, &options, place);
        cfg.outcome = Some(outcome);
        job.of_layer(layer, evaluation, cfg, timings)
    });
    let saes = of_layers.collect();
    let with_losses = measured
        .saes
        .first()
        .map_or(0, |of| of.reconstruction.tokens.seen);
    let alone = |&place| split.block_tokens_alone(place, with_losses, tokens - with_losses);
    let alone = places.iter().map(alone);
    let order: Vec<usize> = (0..places.len()).collect();
    let result = EvaluatedSeveral {
        saes,
        together: measured
            .together
            .as_ref()
            .map(|all| Together::new(order.iter().map(|&layer| job.name(layer)).collect(), all)),
        order,
        forward: Forward::new(split.block_tokens(), alone.sum()),
        plan,
        timings,
        warnings: terminal::warnings(),
    };
    emit(args, &result, csv_to_stdout, global)
}

/// Loads it in the device's dtype.
fn load(dir: &MultiLayerDir, on: &ComputeDevice, keeps: bool) -> Result<MultiLayer> {
    let mut options = SaeLoadOptions::new(&on.device);
    options.dtype = on.dtype;
    let dictionary = dir.load(&options)?;
    Ok(if keeps {
        dictionary.keep_encoders()
    } else {
        dictionary
    })
}

/// Whether rows of ids that are given begin with BOS.
fn begins_with_bos(args: &Args, found: &FoundModel) -> Option<bool> {
    let path = args.input.tokens.as_ref()?;
    rows_begin_with_bos(path, found)
}

/// Refuses what only SAEs have.
fn refuse(args: &Args, dir: &MultiLayerDir) -> Result<()> {
    let refused = [
        ("--resume", args.resume.is_some()),
        ("--sae-at-once", args.several.sae_at_once.is_some()),
        ("--parts", args.parts.is_some()),
    ];
    if args.saebench.is_some() {
        bail!(UsageError(
            "--saebench: SAEBench has no results for dictionaries of several layers; leave it out"
                .to_owned()
        ));
    }
    if let Some((option, _)) = refused.iter().find(|(_, given)| *given) {
        bail!(UsageError(format!(
            "{option}: the layers of a {} are measured in one run of the model; leave it out",
            dir.cfg.kind.name()
        )));
    }
    Ok(())
}

/// What the figures of every layer are made with.
struct Job<'a> {
    path: &'a Path,
    dir: &'a MultiLayerDir,
    dictionary: &'a MultiLayer,
    places: &'a [Place],
    bos: Option<bool>,
}

impl Job<'_> {
    /// What a layer is called in the output.
    fn name(&self, layer: usize) -> String {
        format!("{}#{layer}", self.path.display())
    }

    /// A layer's part of the JSON, as of an SAE. Its warnings are given, with its name.
    fn of_layer(
        &self,
        layer: usize,
        evaluation: &Evaluation,
        eval_cfg: EvalCfg<Plan>,
        timings: EvalTimings,
    ) -> Evaluated<Plan> {
        let signs = Signs::new(evaluation, self.dir.cfg.d_sae, None, self.bos);
        let warnings: Vec<String> = signs.warnings().into_iter().collect();
        for warning in &warnings {
            tracing::warn!("{}: {warning}", self.name(layer));
        }
        Evaluated {
            figures: report_of_layer(evaluation, self.dictionary.b_enc(layer)),
            sae_cfg: layer_cfg(&self.dir.cfg, layer, self.places[layer]),
            published: None,
            eval_cfg,
            timings,
            warnings,
        }
    }
}
