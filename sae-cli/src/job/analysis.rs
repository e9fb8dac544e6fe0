//! What `sae analyze` of one SAE and of several have in common.

use super::bad_rows::Log;
use super::model::describe;
use super::outputs::check_text_file;
use super::rows::{RowError, Rows};
use super::saes::each_layer;
use super::targets::Targets;
use super::text::{self, TextInput};
use crate::args::Global;
use crate::args::analyze::Args;
use crate::args::packing::PackingChoice;
use crate::error::UsageError;
use anyhow::{Result, bail};
use dataset_stream::{Budget, StreamOptions, Tokenizer};
use llama_hooked::Llama;
use sae_backend::ComputeDevice;
use sae_core::{RunDir, SaeMetadata};
use sae_llama::resolve::FoundModel;
use sae_metrics::{Evaluation, Masking, PromptCheck};
use sae_report::{
    DataDescription, Described, Facts, Links, Nominal, Published, Recorded, Report, SaeDescription,
    Signs, Timings, of_place, warnings_of_checks,
};
use std::path::{Path, PathBuf};

/// The report's name for the demo's parts.
const BUNDLED: &str = "bundled demo";
/// The notebook's own prompt check.
pub(crate) const PROMPT: (&str, &str) = (
    "When John and Mary went to the shops, John gave the bag to",
    " Mary",
);

/// The runs that were named, each layer and each SAE of a release by itself; none for the demo.
pub(crate) fn paths(args: &Args) -> Result<Vec<PathBuf>> {
    let (option, named) = match args.sae.as_slice() {
        [] => ("RUN", &args.run),
        _ => ("--sae", &args.sae),
    };
    if named.is_empty() && args.several.layers.is_some() {
        bail!(UsageError(
            "--layers: is for a {layer} in RUN, and no RUN is given".to_owned()
        ));
    }
    each_layer(option, named, args.several.layers.as_ref())
}

/// The files that are written, which must not be among those that are read.
pub(crate) fn targets(args: &Args, files: &[PathBuf], global: &Global) -> Result<Targets> {
    if let Some(path) = &global.json {
        check_text_file("--json", path)?;
    }
    if args.tokens.is_some() {
        args.text.none_but_shard()?;
    }
    let own = files.iter().map(|path| ("--out", path.as_path()));
    let on_bad_row = args.text.on_bad_row();
    let targets = Targets::new(global, own.chain(on_bad_row.file()))?;
    targets.spare(&args.tokens)?;
    Ok(targets)
}

/// A problem with the report's folder, with the option that it is about.
pub(crate) fn in_flags(png: bool, error: sae_report::ReportError) -> anyhow::Error {
    use sae_report::ReportError::{Folder, Write};
    match error {
        Write(error) => super::outputs::in_flags("--out", error),
        error @ Folder { .. } => error.into(),
        error if png => anyhow::Error::new(error).context("--png"),
        error => error.into(),
    }
}

/// `--features-page`.
pub(crate) fn links(page: &Path, out: &Path) -> Result<Links> {
    let shown = || format!("--features-page {}", page.display());
    Links::page(page, out).map_err(|error| match error {
        sae_report::LinksError::NoPage(_) => UsageError(format!("{}: {error}", shown())).into(),
        other => anyhow::Error::new(other).context(shown()),
    })
}

/// The command that makes pages of the features of the same SAE on the same text.
pub(crate) fn by_command(args: &Args, run: Option<&Path>, report: &Report) -> Links {
    let run = run.map(|run| run.display().to_string());
    // As from the root of the repository, where the demo's configuration names its model.
    let run = run.as_deref().unwrap_or("demo/run");
    let mut words = vec!["sae", "dashboard", "--sae", run];
    let tokens = args.tokens.as_ref().map(|path| path.display().to_string());
    if let Some(tokens) = &tokens {
        words.extend(["--tokens", tokens]);
    } else {
        let dataset = args
            .dataset
            .as_deref()
            .or(Some(report.data.dataset.as_str()));
        let dataset = dataset.filter(|name| *name != BUNDLED);
        words.extend(["--dataset", dataset.unwrap_or("demo/text")]);
    }
    for (option, value) in [("--model", &args.place.model), ("--hook", &args.place.hook)] {
        words.extend(
            value
                .as_deref()
                .into_iter()
                .flat_map(|value| [option, value]),
        );
    }
    Links::by_command(&words)
}

/// The text, as the notebook packs it.
pub(crate) fn input(
    args: &Args,
    dataset: String,
    context_size: usize,
    prepend_bos: bool,
    global: &Global,
) -> TextInput {
    let mut options = StreamOptions::new(context_size);
    options.prepend_bos = prepend_bos;
    options.budget = Budget::Sequences(args.sequences);
    options.threads = global.threads();
    TextInput {
        dataset,
        text: args.text.clone(),
        options,
    }
}

/// What all SAEs are measured on, and how.
pub(crate) struct Measured<'a> {
    pub(crate) args: &'a Args,
    pub(crate) found: &'a FoundModel,
    pub(crate) model: &'a Llama,
    pub(crate) on: &'a ComputeDevice,
    pub(crate) dataset: &'a str,
    pub(crate) context_size: usize,
    pub(crate) prepend_bos: bool,
    pub(crate) rows_with_bos: u64,
    pub(crate) bad_rows: u64,
    pub(crate) masking: &'a Masking,
}

impl Measured<'_> {
    /// The report of an SAE, and what looks wrong in it, which is not in the report yet. `hook_recorded`: the hook in cfg.json, whatever --hook
    /// says.
    pub(crate) fn report(
        &self,
        (run, hook_recorded): (&RunDir, Option<&str>),
        published: Option<&Published>,
        evaluation: &Evaluation,
        prompt: PromptCheck,
        timings: Timings,
    ) -> (Report, Vec<String>) {
        let (args, cfg, prepend_bos) = (self.args, &run.cfg, self.prepend_bos);
        let mut data = describe_data(args, self.dataset.to_owned(), evaluation);
        data.context_size = self.context_size;
        (data.prepend_bos, data.bad_rows) = (prepend_bos, self.bad_rows);
        let recorded = run.log_sparsity.as_ref().and_then(Recorded::new);
        let nominal = Nominal::of(cfg, published, recorded.as_ref());
        let facts = Facts {
            hook_recorded,
            rows_with_bos: self.rows_with_bos,
            context_size: self.context_size,
            model_positions: self.model.config().max_position_embeddings,
            n_layers: self.model.config().n_layers,
            ..Facts::measured(cfg, evaluation)
        };
        let mut sae = SaeDescription::of(run);
        let mut model = describe(&self.found.name, self.model, self.on);
        if args.is_demo() {
            // By that name, not by the folder it was unpacked to.
            BUNDLED.clone_into(&mut sae.path);
            if args.place.model.is_none() {
                BUNDLED.clone_into(&mut model.name);
            }
        }
        let described = Described {
            sae,
            model,
            data,
            recorded,
            nominal,
        };
        let mut report = Report::new(described, evaluation, self.masking, prompt, timings);
        report.checks = facts.checks();
        let made_here = args.tokens.is_none().then_some(prepend_bos);
        let mut found = Signs::new(evaluation, cfg.d_sae, nominal, made_here).warnings();
        found.extend(of_place(cfg));
        found.extend(warnings_of_checks(&report.checks));
        (report, found)
    }
}

/// The text for the report: the demo's by that name.
fn describe_data(args: &Args, dataset: String, evaluation: &Evaluation) -> DataDescription {
    let is_bundled = args.is_demo() && args.dataset.is_none() && args.tokens.is_none();
    let mut data = DataDescription::default();
    data.dataset = if is_bundled {
        BUNDLED.to_owned()
    } else {
        dataset
    };
    data.sequences = evaluation.sparsity.tokens.sequences;
    data.tokens = evaluation.sparsity.tokens.seen;
    let made_here = args.tokens.is_none();
    data.packing = made_here.then(|| PackingChoice::Notebook.name());
    data
}

/// How many rows begin with BOS.
pub(crate) fn with_bos(rows: &[Vec<u32>], tokenizer: &Tokenizer) -> u64 {
    let begins = |row: &&Vec<u32>| row.first().copied() == tokenizer.bos();
    rows.iter().filter(begins).count() as u64
}

/// Rows that are ids already, what they or the text are called, and how many tokens each has.
pub(crate) fn text(
    args: &Args,
    dataset: Option<&str>,
    metadata: &SaeMetadata,
) -> Result<(Option<Rows>, String, usize)> {
    if let Some(path) = &args.tokens {
        let budget = Budget::Sequences(args.sequences);
        let (table, context_size) = Rows::table(path, args.text.shard, budget)?;
        return Ok((Some(table), path.display().to_string(), context_size));
    }
    let dataset = text::dataset(dataset, metadata)?;
    Ok((
        None,
        dataset,
        text::context_size(args.context_size, metadata)?,
    ))
}

/// All rows, of the table if there is one, and how many of the data set's were left out.
pub(crate) fn rows(
    input: &TextInput,
    table: Option<Rows>,
    tokenizer: &Tokenizer,
    sequences: u64,
    targets: &Targets,
) -> Result<(Vec<Vec<u32>>, u64)> {
    let (rows, bad_rows) = if let Some(table) = table {
        (table, Log::default())
    } else {
        let (stream, log) = input.open(tokenizer, targets)?;
        (Rows::Stream(Box::new(stream)), log)
    };
    let rows = rows.collect::<Result<Vec<_>, RowError>>()?;
    let bad_rows = bad_rows.finish()?;
    let context_size = input.options.context_size;
    if rows.is_empty() {
        return Err(input.too_short());
    }
    if (rows.len() as u64) < sequences {
        tracing::warn!(
            "measured on {} rows of {context_size} tokens: there are no more (--sequences is {sequences})",
            rows.len()
        );
    }
    Ok((rows, bad_rows))
}
