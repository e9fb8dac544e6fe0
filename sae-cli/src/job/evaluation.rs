//! What `sae eval` of one SAE and of several have in common.

use super::bad_rows::Log;
use super::masking::masking;
use super::outputs::{check_file, check_text_file};
use super::rows::{RowPlace, Rows};
use super::targets::Targets;
use super::text::{self, TextInput};
use super::token_origin::rows_begin_with_bos;
use crate::args::Global;
use crate::args::eval::Args;
use crate::error::UsageError;
use anyhow::{Result, bail};
use dataset_stream::{Budget, StreamOptions};
use llama_hooked::Llama;
use sae_core::{RunDir, Sae, SaeMetadata};
use sae_llama::plan::{Plan, logit_bytes};
use sae_llama::resolve::FoundModel;
use sae_llama::{Place, fingerprint};
use sae_metrics::{Evaluation, FeatureWeights, ProtocolOptions, Report};
use sae_report::{EvalCfg, Nominal, Published, Recorded, Signs, of_place};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The rows to measure, as far as the arguments say.
pub(crate) fn budget(args: &Args) -> Budget {
    match text::budget(args.sequences, args.input.max_tokens) {
        Budget::Everything if args.input.dataset.is_some() => Budget::Sequences(128),
        budget => budget,
    }
}

/// What looks wrong.
pub(crate) fn warnings(
    args: &Args,
    run: &RunDir,
    found: &FoundModel,
    evaluation: &Evaluation,
    published: Option<&Published>,
) -> Vec<String> {
    let bos = begins_with_bos(args, run, found);
    let nominal = nominal(run, published);
    let signs = Signs::new(evaluation, run.cfg.d_sae, nominal, bos).warnings();
    signs.into_iter().chain(of_place(&run.cfg)).collect()
}

/// What messages call the number of SAEs.
pub(crate) const COUNT: &str = "count of SAEs";

/// Everything that an SAE's figures depend on: files by their content, not by their names.
pub(crate) fn made_from(
    args: &Args,
    run: &RunDir,
    found: &FoundModel,
    sae_cfg: &Value,
    eval_cfg: &EvalCfg<Plan>,
) -> Result<Value> {
    Ok(json!({
        COUNT: 1,
        "sae_cfg": sae_cfg,
        "eval_cfg": eval_cfg.nameless(),
        "sae_weights": fingerprint([&run.weights])?,
        "model_weights": fingerprint(&found.files.weights)?,
        "tokens": fingerprint(&args.input.tokens)?,
    }))
}

/// Whether rows begin with BOS, where that is known.
pub(crate) fn begins_with_bos(args: &Args, run: &RunDir, found: &FoundModel) -> Option<bool> {
    match &args.input.tokens {
        Some(path) => rows_begin_with_bos(path, found),
        None => run.cfg.metadata.prepend_bos,
    }
}

/// The L0 to expect.
pub(crate) fn nominal(run: &RunDir, published: Option<&Published>) -> Option<Nominal> {
    let recorded = run.log_sparsity.as_ref().and_then(Recorded::new);
    Nominal::of(&run.cfg, published, recorded.as_ref())
}

/// How the SAE is evaluated, as JSON says it.
pub(crate) fn eval_cfg(
    args: &Args,
    sae: &Path,
    (model, context_size, reconstruction): (sae_report::ModelDescription, usize, &'static str),
    options: &ProtocolOptions,
    place: Place,
) -> EvalCfg<Plan> {
    EvalCfg {
        sae: Some(sae.display().to_string()),
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
        reconstruction_sequences: options.reconstruction_rows,
        packing: args
            .input
            .dataset
            .is_some()
            .then(|| args.input.packing.name()),
        convention: options.masking.to_string(),
        reconstruction,
        read_hook: place.read().to_string(),
        write_hook: place.write().to_string(),
        outcome: None,
    }
}

/// How the protocol goes about it.
pub(crate) fn protocol(
    args: &Args,
    plan: &Plan,
    found: &FoundModel,
    model: &Llama,
) -> Result<ProtocolOptions> {
    let mut options = ProtocolOptions::default();
    options.masking = masking(&args.masking, found, model.config())?;
    options.batch_size = plan.batch_size;
    options.reconstruction_rows = args.reconstruction_sequences;
    options.logit_bytes = logit_bytes(sae_backend::is_cpu(&model.device())) as usize;
    Ok(options)
}

/// The files that are written, which must not be among those that are read.
pub(crate) fn targets(
    args: &Args,
    csv_to_stdout: bool,
    saebench: &[PathBuf],
    global: &Global,
) -> Result<Targets> {
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
    let parts = args.parts.as_deref().map(|path| ("--parts", path));
    if let Some(path) = &args.page {
        check_file("--page", path)?;
    }
    let csv = args.csv.as_deref().map(|path| ("--csv", path));
    let page = args.page.as_deref().map(|path| ("--page", path));
    let state = args.resume.as_deref().map(|path| ("--resume", path));
    let own = csv
        .into_iter()
        .chain(page)
        .chain(state)
        .chain(saebench.iter().map(|path| ("--saebench", path.as_path())))
        .chain(parts)
        .chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    targets.spare(&args.input.tokens)?;
    Ok(targets)
}

/// The rows: how many tokens each has, and what is left out.
pub(crate) fn rows(
    args: &Args,
    metadata: &SaeMetadata,
    model: &FoundModel,
    budget: Budget,
    place: Option<RowPlace>,
    global: &Global,
    targets: &Targets,
) -> Result<(Rows, usize, Log)> {
    if let Some(path) = &args.input.tokens {
        let (mut rows, context_size) = Rows::table(path, args.input.text.shard, budget)?;
        if let Some(RowPlace::Table(taken)) = place {
            rows.skip_taken(taken);
        }
        return Ok((rows, context_size, Log::default()));
    }
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
    let state = match place {
        Some(RowPlace::Stream(state)) => Some(*state),
        _ => None,
    };
    let (stream, log) = input.open_at(state, &model.tokenizer()?, targets)?;
    Ok((Rows::Stream(Box::new(stream)), context_size, log))
}

/// Everything measured, with the figures of the weights.
pub(crate) fn report(evaluation: &Evaluation, sae: &Sae) -> Report {
    let mut report = Report::new(Some(&evaluation.sparsity), Some(&evaluation.reconstruction));
    report.feature_metrics.weights = figures_of_weights(sae);
    report
}

/// A figure of each feature's weights.
pub(crate) fn figures_of_weights(sae: &Sae) -> FeatureWeights {
    let weights = sae.feature_weights();
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
    FeatureWeights {
        encoder_norm: wide(weights.encoder_norm),
        encoder_bias: wide(weights.encoder_bias.unwrap_or_default()),
        encoder_decoder_cosine_sim: wide(weights.encoder_decoder_cosine_sim.unwrap_or_default()),
    }
}

/// As [`report`], of a layer of a dictionary of several.
pub(crate) fn report_of_layer(evaluation: &Evaluation, b_enc: Vec<f32>) -> Report {
    let mut report = Report::new(Some(&evaluation.sparsity), Some(&evaluation.reconstruction));
    report.feature_metrics.weights.encoder_bias = b_enc.into_iter().map(f64::from).collect();
    report
}
