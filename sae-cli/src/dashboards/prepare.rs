//! What `sae dashboard` and `sae serve` start from: a model, an SAE, rows of tokens and what fires on them.

use super::logging::Logging;
use super::rows::{WorkFolder, tokenised, tokens_of, within};
use crate::UsageError;
use crate::cli::Global;
use crate::clock::Clock;
use crate::commands::{Place, split};
use crate::device::Chosen;
use crate::fingerprint::fingerprint;
use crate::inputs::{self, FoundModel, PackingChoice, TextInput};
use crate::masking_args::MaskingArgs;
use crate::plan::{MemoryArgs, Plan, Work};
use crate::targets::Targets;
use crate::text_args::TextArgs;
use crate::token_origin::{open_table, warn_of_another_tokenizer};
use anyhow::{Result, bail};
use clap::ArgGroup;
use dataset_stream::{Budget, StreamOptions, TokenTable, Tokenizer};
use llama_hooked::Llama;
use sae_core::{RunDir, Sae};
use sae_dashboard::{ActivationLog, Source};
use sae_metrics::Masking;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Rows of text, if nobody says: half a million tokens at a context size of 256.
const SEQUENCES: u64 = 2048;

/// What is common to both commands.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("data").args(["dataset", "tokens"]).required(true))]
pub(crate) struct SourceArgs {
    /// The SAE's run: a folder, or on the Hub organisation/name[@revision][:folder]
    #[arg(long, value_name = "DIR|ID")]
    pub(crate) sae: PathBuf,
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    memory: MemoryArgs,
    /// Text: a file, a folder or a pattern, or a data set on the Hub
    #[arg(long, value_name = "SRC")]
    pub(crate) dataset: Option<String>,
    /// Rows of token ids, as `sae tokenize` writes them: .safetensors, .parquet, or a folder of shards
    #[arg(long, value_name = "FILE|DIR")]
    pub(crate) tokens: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) text: TextArgs,
    /// Tokens in a row; by default what cfg.json says
    #[arg(long, value_name = "N", conflicts_with = "tokens", value_parser = inputs::context_sizes())]
    context_size: Option<usize>,
    /// How documents become rows
    #[arg(
        long,
        value_enum,
        default_value = "notebook",
        conflicts_with = "tokens"
    )]
    packing: PackingChoice,
    /// Rows per forward pass
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    batch_size: Option<u32>,
    /// Stop after this many rows; 2048 of text by default, all of a file of tokens
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sequences: Option<u64>,
    /// Stop after as many whole rows as have this many tokens together
    #[arg(long, value_name = "N", conflicts_with = "sequences", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,
    #[command(flatten)]
    masking: MaskingArgs,
    /// Keep the tokens and the activations in this folder, and go on from what is there after an interruption
    #[arg(long, value_name = "DIR")]
    pub(crate) work: Option<PathBuf>,
}

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
    pub(crate) described: Value,
    pub(crate) tokenize_s: f64,
    pub(crate) load_s: f64,
    /// What the activations depend on; files by what they hold.
    pub(crate) made_from: Value,
    masking: Masking,
    n_rows: usize,
}

impl SourceArgs {
    /// Complains of options that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        if self.tokens.is_some() {
            self.text.none_but_shard()?;
        } else if self.text.shard.is_some() {
            bail!(UsageError(
                "--shard: give the rows by --tokens, so that all workers speak of the same ones"
                    .to_owned()
            ));
        }
        Ok(())
    }

    /// Finds, tokenises and loads; nothing if only the plan was asked for.
    pub(crate) fn prepare(&self, targets: &Targets, global: &Global) -> Result<Option<Prepared>> {
        let on = Chosen::new(global)?;
        let run = self.place.open(&self.sae, global.quiet)?;
        let found = self
            .place
            .find_model(Some(&run.cfg.metadata), global.quiet)?;
        targets.spare(inputs::run_files(&run).into_iter().chain(found.paths()))?;
        let tokenizer = found.tokenizer()?;
        let work = WorkFolder::new(self.work.as_deref())?;
        let mut clock = Clock::new();
        let table = if let Some(path) = &self.tokens {
            open_table(path)?
        } else {
            let input = self.input(&run, global)?;
            tokenised(&input, &tokenizer, work.path(), targets, global.quiet)?
        };
        let n_rows = within(inputs::budget(self.sequences, self.max_tokens), &table)?;
        let tokenize_s = clock.lap();

        let planned = Work {
            rows: Some(n_rows as u64),
            batch_size: self.batch_size.map(|n| n as usize),
            ..Work::new(&found.config()?, &on, table.context_size())
        };
        let Some(plan) = planned.with_sae(&run)?.settle(&self.memory, &on, global)? else {
            return Ok(None);
        };
        let model = found.load(&on, plan.placement)?;
        inputs::warn_if_too_long(table.context_size(), &model);
        warn_of_another_tokenizer(self.tokens.as_deref(), &found, &model);
        let sae = inputs::load_sae(&run, &on)?;
        let masking = self.masking.masking(&found, model.config())?;
        let described = found.describe(&model, &on);
        let mut nameless = described.clone();
        nameless["name"].take();
        let own_tokens = tokens_of(work.path());
        let made_from = json!({
            "sae_cfg": serde_json::from_str::<Value>(&run.cfg.to_json())?,
            "model": nameless,
            "convention": masking.to_string(),
            "rows": n_rows,
            "sae_weights": fingerprint([&run.weights])?,
            "model_weights": fingerprint(&found.files.weights)?,
            "tokens": fingerprint([self.tokens.as_ref().unwrap_or(&own_tokens)])?,
        });
        Ok(Some(Prepared {
            source: self.source(&run, &found, table.context_size(), &masking),
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
            n_rows,
        }))
    }

    /// The text and how to make rows of it.
    fn input(&self, run: &RunDir, global: &Global) -> Result<TextInput> {
        let metadata = &run.cfg.metadata;
        let context_size = inputs::context_size(self.context_size, metadata)?;
        let budget = match inputs::budget(self.sequences, self.max_tokens) {
            Budget::Everything => Budget::Sequences(SEQUENCES),
            budget => budget,
        };
        Ok(TextInput {
            dataset: inputs::dataset(self.dataset.as_deref(), metadata)?,
            text: self.text.clone(),
            options: StreamOptions {
                packing: self.packing.packing(),
                prepend_bos: metadata.prepend_bos.unwrap_or(true),
                budget,
                threads: global.threads(),
                ..StreamOptions::new(context_size)
            },
        })
    }

    fn source(
        &self,
        run: &RunDir,
        found: &FoundModel,
        context_size: usize,
        masking: &Masking,
    ) -> Source {
        let metadata = &run.cfg.metadata;
        let tokens = self
            .tokens
            .as_deref()
            .map(|path| path.display().to_string());
        Source {
            model: found.name.clone(),
            sae: self.sae.display().to_string(),
            architecture: run.cfg.architecture.name().to_owned(),
            hook_name: metadata.hook_name.clone().unwrap_or_default(),
            dataset: self.dataset.clone().or(tokens).unwrap_or_default(),
            context_size: context_size as u32,
            convention: masking.to_string(),
        }
    }
}

impl Prepared {
    /// What fires on the rows, from the work folder or by running the model.
    pub(crate) fn log(&self, args: &SourceArgs, quiet: bool) -> Result<ActivationLog> {
        let split = split(&self.model, &self.run)?.rows_at_once(self.plan.rows_at_once);
        let logging = Logging {
            split: &split,
            sae: &self.sae,
            table: &self.table,
            masking: &self.masking,
            batch_size: self.plan.batch_size,
            shard: args.text.shard,
            n_rows: self.n_rows,
        };
        let dir = self.work.log();
        logging.run(&dir, self.made_from.clone(), quiet)?;
        Ok(ActivationLog::open(&[dir])?)
    }
}
