//! `sae tokenize`

use super::token_output::TokenOutput;
use crate::UsageError;
use crate::checkpoint::Checkpoint;
use crate::cli::Global;
use crate::inputs::{self, PackingChoice, TextInput};
use crate::interrupt;
use crate::plan::Bytes;
use crate::progress::Bar;
use crate::targets::Targets;
use crate::text_args::TextArgs;
use crate::token_origin::warn_of_ids_of_another_tokenizer;
use anyhow::{Context, Result, bail};
use dataset_stream::{Budget, StreamOptions, StreamState};
use serde_json::json;
use std::path::PathBuf;

/// Turn text into packed rows of token ids
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae tokenize --tokenizer meta-llama/Meta-Llama-3-8B --dataset 'pile/*.jsonl.zst' \\
      --context-size 256 --max-tokens 10000000 --out tokens.safetensors
  sae tokenize --tokenizer model/ --dataset text.txt --context-size 128 --no-bos \\
      --out tokens.safetensors
  sae tokenize --tokenizer model/ --dataset org/name --context-size 1024 --resume --out tokens/

The file holds tokens, u32 [rows, context size], and how they were made, in the words of SAELens' sae_lens.json. A folder holds such \
files as shards and a manifest.json; a name that ends in .parquet is written as Parquet, with a column input_ids.")]
pub(crate) struct Args {
    /// A tokenizer.json, the folder that holds it, or a model's Hub id
    #[arg(long, value_name = "DIR|ID")]
    tokenizer: String,
    /// A file, a folder or a pattern: .jsonl, .json, .txt (also .gz, .zst), .parquet, .arrow
    #[arg(long, value_name = "SRC")]
    dataset: String,
    #[command(flatten)]
    text: TextArgs,
    /// Ids in a row, BOS included
    #[arg(long, value_name = "N", value_parser = inputs::context_sizes())]
    context_size: usize,
    /// How documents become rows
    #[arg(long, value_enum, default_value = "notebook")]
    packing: PackingChoice,
    /// No BOS at the head of the rows
    #[arg(long)]
    no_bos: bool,
    /// Stop after as many whole rows as have this many ids together
    #[arg(long, value_name = "N", conflicts_with = "sequences", value_parser = clap::value_parser!(u64).range(1..))]
    max_tokens: Option<u64>,
    /// Stop after this many rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sequences: Option<u64>,
    /// Keep OUT.part and OUT.state.json while working, and go on from them if an earlier run was interrupted
    #[arg(long)]
    resume: bool,
    /// With --resume, note the place after every so many rows
    #[arg(long, value_name = "N", default_value_t = 16_384, requires = "resume", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_every: u64,
    /// With a folder as --out, the size of its files; 256 MiB by default
    #[arg(long, value_name = "SIZE")]
    shard_size: Option<Bytes>,
    /// What to write: FILE.safetensors, FILE.parquet, or a folder of shards (no ending, or / at the end)
    #[arg(long, value_name = "FILE|DIR")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let out = TokenOutput::new(&args.out, args.shard_size, args.resume)?;
    let on_bad_row = args.text.on_bad_row();
    let own = std::iter::once(("--out", args.out.as_path())).chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    let (_, tokenizer) = inputs::tokenizer(&args.tokenizer, global.quiet)?;
    warn_of_ids_of_another_tokenizer(&args.dataset, tokenizer.path());
    let budget = inputs::budget(args.sequences, args.max_tokens);
    let input = TextInput {
        dataset: args.dataset.clone(),
        text: args.text.clone(),
        options: StreamOptions {
            packing: args.packing.packing(),
            prepend_bos: !args.no_bos,
            budget,
            threads: global.threads(),
            ..StreamOptions::new(args.context_size)
        },
    };
    if args.resume && on_bad_row.file().is_some() {
        bail!(UsageError(
            "--resume: rows set aside before an interruption would be lost; use --on-bad-row skip"
                .to_owned()
        ));
    }
    let checkpoint = args.resume.then(|| Checkpoint::beside(&out.path));
    let state = match &checkpoint {
        Some(checkpoint) => checkpoint.read()?,
        None => None,
    };
    let mut rows = state.as_ref().map_or(0, StreamState::rows);
    let opened = input.open_at(state, &tokenizer, &targets);
    let (mut stream, bad_rows) = match &checkpoint {
        Some(checkpoint) => opened.with_context(|| checkpoint.advice())?,
        None => opened?,
    };
    let metadata = input.metadata(&tokenizer);
    let mut writer = out.writer(&metadata, args.resume, rows)?;
    let most = match budget {
        Budget::Sequences(n) => Some(n),
        Budget::Tokens(n) => Some(n / args.context_size as u64),
        Budget::Everything => None,
    };
    let bar = Bar::new(global.quiet, "tokenising", most, args.context_size);
    if checkpoint.is_some() {
        interrupt::will_go_on();
    }
    while let Some(row) = stream.next() {
        writer.push(&row?)?;
        rows += 1;
        bar.sequences(rows);
        let due = rows.is_multiple_of(args.checkpoint_every) || interrupt::is_asked();
        if let Some(checkpoint) = checkpoint.as_ref().filter(|_| due) {
            // The rows first: a state must not promise what is not on the disk.
            writer.checkpoint()?;
            checkpoint.write(&stream.state())?;
        }
        interrupt::check()?;
    }
    drop(bar);
    bad_rows.finish()?;
    let bad_rows = stream.progress().bad_rows;
    if rows == 0 {
        bail!(
            "{}: the text gives not one row of {} tokens; nothing was written. Give more text or a smaller --context-size",
            args.dataset,
            args.context_size
        );
    }
    writer.finish()?;
    if let Some(checkpoint) = checkpoint {
        checkpoint.remove()?;
    }
    let tokens = rows * args.context_size as u64;
    let text = format!(
        "{rows} rows of {} tokens ({tokens} in all) in {}\n",
        args.context_size,
        args.out.display()
    );
    let result = json!({
        "rows": rows,
        "context_size": args.context_size,
        "tokens": tokens,
        "packing": args.packing.name(),
        "prepend_bos": !args.no_bos,
        "bad_rows": bad_rows,
        "out": args.out,
    });
    global.output().emit(&text, &result)
}
