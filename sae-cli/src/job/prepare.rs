//! The start of `sae dashboard` and `sae serve`: a model, an SAE, rows of tokens and the activations on them.

use super::masking::masking;
use super::model::{describe, find_model, warn_if_too_long};
use super::targets::Targets;
use super::text::{self, TextInput};
use super::token_origin::{open_table, warn_of_another_tokenizer};
use super::work_folder::{WorkFolder, tokenised, tokens_of, warn_if_fewer, within};
use super::{device, plan, run};
use crate::args::Global;
use crate::args::source::SourceArgs;
use crate::terminal::Clock;
use crate::terminal::progress::Bar;
use anyhow::Result;
use dataset_stream::{Budget, StreamOptions, TokenTable, Tokenizer};
use llama_hooked::Llama;
use sae_core::{RunDir, Sae};
use sae_dashboard::{ActivationLog, Source};
use sae_interventions::compare_bytes;
use sae_llama::dashboard::Logging;
use sae_llama::fingerprint;
use sae_llama::plan::{Part, Plan, Work};
use sae_llama::resolve::FoundModel;
use sae_metrics::Masking;
use sae_report::ModelDescription;
use serde_json::{Value, json};

/// Rows of text unless told otherwise: half a million tokens at a context size of 256.
const SEQUENCES: u64 = 2048;

/// Everything that is needed to log what fires, and to say what it means.
pub(crate) struct Prepared {
    pub(crate) run: RunDir,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) table: TokenTable,
    pub(crate) model: Llama,
    pub(crate) sae: Sae,
    pub(crate) plan: Plan,
    pub(crate) work: WorkFolder,
    pub(crate) source: Source,
    /// The model, as JSON says it.
    pub(crate) described: ModelDescription,
    pub(crate) tokenize_s: f64,
    pub(crate) load_s: f64,
    /// Everything that the activations depend on; files by their content.
    pub(crate) made_from: Value,
    pub(crate) masking: Masking,
    pub(crate) found: FoundModel,
    n_rows: usize,
}

/// Tokens whose keys and values are in memory, and those that are compared.
#[derive(Clone, Copy)]
pub(crate) struct Continued {
    pub(crate) kept: usize,
    pub(crate) compared: usize,
}

/// Finds, tokenises and loads; nothing if only the plan was asked for. `continued`: what continuing texts takes besides, if they are.
pub(crate) fn prepare(
    args: &SourceArgs,
    targets: &Targets,
    global: &Global,
    continued: Option<Continued>,
) -> Result<Option<Prepared>> {
    let on = device::choose(global)?;
    let run = run::find_at(&args.sae, &args.input.place, global.quiet)?;
    let metadata = Some(&run.cfg.metadata);
    let found = find_model(args.input.place.model.as_deref(), metadata, global.quiet)?;
    targets.spare(run.files().into_iter().chain(found.paths()))?;
    let tokenizer = found.tokenizer()?;
    let work = WorkFolder::new(args.work.as_deref())?;
    let mut clock = Clock::new();
    let table = if let Some(path) = &args.input.tokens {
        open_table(path)?
    } else {
        let input = input(args, &run, global)?;
        let made_before = tokens_of(work.path()).exists();
        let table = tokenised(
            &input,
            &tokenizer,
            ("--work", work.path()),
            targets,
            global.quiet,
        )?;
        if made_before {
            warn_if_fewer(&input, &table, work.path());
        }
        table
    };
    let n_rows = within(text::budget(args.sequences, args.input.max_tokens), &table)?;
    let tokenize_s = clock.lap();

    let config = found.config()?;
    let mut planned = Work::new(&config, &on, table.context_size()).with_sae(&run)?;
    planned.rows = Some(n_rows as u64);
    planned.batch_size = args.input.batch_size.map(|n| n as usize);
    if let Some(Continued { kept, compared }) = continued {
        // No more than a model reads, on each of two sides.
        let kept = kept.min(2 * config.max_position_embeddings);
        let bytes = planned.key_bytes(kept as u64);
        planned.besides.push(Part::new("KV cache", bytes));
        let bytes = compare_bytes(&config, compared);
        planned.besides.push(Part::new("comparison", bytes));
    }
    let Some(plan) = plan::settle(&planned, &args.input.memory, &on, global)? else {
        return Ok(None);
    };
    let model = found.load(&on, plan.placement)?;
    warn_if_too_long(table.context_size(), &model);
    warn_of_another_tokenizer(args.input.tokens.as_deref(), &found, &model);
    let sae = run::load(&run, &on)?;
    let masking = masking(&args.masking, &found, model.config())?;
    let described = describe(&found.name, &model, &on);
    let mut nameless = serde_json::to_value(&described)?;
    nameless["name"].take();
    let own_tokens = tokens_of(work.path());
    let made_from = json!({
        "sae_cfg": serde_json::from_str::<Value>(&run.cfg.to_json())?,
        "model": nameless,
        "convention": masking.to_string(),
        "rows": n_rows,
        "sae_weights": fingerprint([&run.weights])?,
        "model_weights": fingerprint(&found.files.weights)?,
        "tokens": fingerprint([args.input.tokens.as_ref().unwrap_or(&own_tokens)])?,
    });
    Ok(Some(Prepared {
        source: source(args, &run, &found, table.context_size(), &masking),
        described,
        made_from,
        load_s: clock.lap(),
        run,
        tokenizer,
        table,
        model,
        sae,
        plan,
        work,
        tokenize_s,
        masking,
        found,
        n_rows,
    }))
}

/// The text and how to make rows of it.
fn input(args: &SourceArgs, run: &RunDir, global: &Global) -> Result<TextInput> {
    let metadata = &run.cfg.metadata;
    let context_size = text::context_size(args.input.context_size, metadata)?;
    let budget = match text::budget(args.sequences, args.input.max_tokens) {
        Budget::Everything => Budget::Sequences(SEQUENCES),
        budget => budget,
    };
    Ok(TextInput {
        dataset: text::dataset(args.input.dataset.as_deref(), metadata)?,
        text: args.input.text.clone(),
        options: {
            let mut options = StreamOptions::new(context_size);
            options.packing = args.input.packing.packing();
            options.prepend_bos = metadata.prepend_bos.unwrap_or(true);
            options.budget = budget;
            options.threads = global.threads();
            options
        },
    })
}

fn source(
    args: &SourceArgs,
    run: &RunDir,
    found: &FoundModel,
    context_size: usize,
    masking: &Masking,
) -> Source {
    let metadata = &run.cfg.metadata;
    let tokens = args
        .input
        .tokens
        .as_deref()
        .map(|path| path.display().to_string());
    Source {
        model: found.name.clone(),
        sae: args.sae.display().to_string(),
        architecture: run.cfg.architecture.name().to_owned(),
        hook_name: metadata.hook_name.clone().unwrap_or_default(),
        dataset: args.input.dataset.clone().or(tokens).unwrap_or_default(),
        context_size: context_size as u32,
        convention: masking.to_string(),
    }
}

impl Prepared {
    /// The activations on the rows, from the work folder or by running the model.
    pub(crate) fn log(&self, args: &SourceArgs, quiet: bool) -> Result<ActivationLog> {
        let split = run::split(&self.model, &self.run)?.rows_at_once(self.plan.rows_at_once);
        let shard = args.input.text.shard;
        let logging = Logging {
            split: &split,
            sae: &self.sae,
            table: &self.table,
            masking: &self.masking,
            batch_size: self.plan.batch_size,
            shard,
            n_rows: self.n_rows,
        };
        let dir = self.work.log();
        let rows = shard.map_or(self.n_rows, |s| {
            (s.index() as usize..self.n_rows)
                .step_by(s.of() as usize)
                .len()
        });
        let context_size = self.table.context_size();
        let bar = Bar::new(quiet, "encoding", Some(rows as u64), context_size);
        logging.run(&dir, self.made_from.clone(), &mut bar.logging())?;
        Ok(ActivationLog::open(&[dir])?)
    }
}
