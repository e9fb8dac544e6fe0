//! `sae tokenize`

use crate::bad_rows::OnBadRow;
use crate::cli::Global;
use crate::inputs::{self, PackingChoice, TextInput};
use crate::output::check_file;
use crate::progress::Bar;
use crate::targets::{Targets, follow};
use anyhow::{Result, bail};
use dataset_stream::{Budget, StreamOptions, TokenTableWriter};
use serde_json::json;
use std::path::PathBuf;

/// Turn text into packed rows of token ids
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sae tokenize --tokenizer meta-llama/Meta-Llama-3-8B --dataset 'pile/*.jsonl.zst' \\
      --context-size 256 --max-tokens 10000000 --out tokens.safetensors
  sae tokenize --tokenizer model/ --dataset text.txt --context-size 128 --no-bos \\
      --out tokens.safetensors

The file holds tokens, u32 [rows, context size], and how they were made, in the words of SAELens' sae_lens.json.")]
pub(crate) struct Args {
    /// A tokenizer.json, the folder that holds it, or a model's Hub id
    #[arg(long, value_name = "DIR|ID")]
    tokenizer: String,
    /// A file, a folder or a pattern: .jsonl, .json, .txt (also .gz, .zst), .parquet
    #[arg(long, value_name = "SRC")]
    dataset: String,
    /// The column that holds the text; found by itself if its name is a common one
    #[arg(long)]
    column: Option<String>,
    /// A row that cannot be used: error ends the run, skip leaves it out, quarantine also writes it there
    #[arg(
        long,
        value_name = "error|skip|quarantine=FILE",
        default_value = "error"
    )]
    on_bad_row: OnBadRow,
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
    /// The file to write
    #[arg(long, value_name = "FILE.safetensors")]
    out: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    check_file("--out", &args.out)?;
    let own = std::iter::once(("--out", args.out.as_path())).chain(args.on_bad_row.file());
    let targets = Targets::new(global, own)?;
    let (_, tokenizer) = inputs::tokenizer(&args.tokenizer)?;
    let budget = inputs::budget(args.sequences, args.max_tokens);
    let input = TextInput {
        dataset: args.dataset.clone(),
        column: args.column.clone(),
        on_bad_row: args.on_bad_row.clone(),
        options: StreamOptions {
            packing: args.packing.packing(),
            prepend_bos: !args.no_bos,
            budget,
            threads: global.threads(),
            ..StreamOptions::new(args.context_size)
        },
    };
    let (stream, bad_rows) = input.open(&tokenizer, &targets)?;
    let mut writer = TokenTableWriter::create(follow(&args.out), &input.metadata(&tokenizer))?;
    let most = match budget {
        Budget::Sequences(n) => Some(n),
        Budget::Tokens(n) => Some(n / args.context_size as u64),
        Budget::Everything => None,
    };
    let bar = Bar::new(global.quiet, "tokenising", most, args.context_size);
    let mut rows = 0_u64;
    for row in stream {
        writer.push(&row?)?;
        rows += 1;
        bar.sequences(rows);
    }
    drop(bar);
    let bad_rows = bad_rows.finish()?;
    if rows == 0 {
        bail!(
            "{}: the text gives not one row of {} tokens; nothing was written. Give more text or a smaller --context-size",
            args.dataset,
            args.context_size
        );
    }
    writer.finish()?;
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
