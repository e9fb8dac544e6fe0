//! `sae tokenize`

use crate::args::Global;
use crate::args::tokenize::Args;
use crate::error::UsageError;
use crate::job::checkpoint::Checkpoint;
use crate::job::model;
use crate::job::targets::Targets;
use crate::job::text::{TextInput, budget, rows_of};
use crate::job::token_origin::warn_of_ids_of_another_tokenizer;
use crate::job::token_output::TokenOutput;
use crate::terminal::interrupt;
use crate::terminal::progress::Bar;
use anyhow::{Context, Result, bail};
use dataset_stream::{StreamOptions, StreamState};
use serde_json::json;

pub(crate) fn run(args: &Args, global: &Global) -> Result<()> {
    let out = TokenOutput::new(&args.out, args.shard_size, args.resume)?;
    let on_bad_row = args.text.on_bad_row();
    let own = std::iter::once(("--out", args.out.as_path())).chain(on_bad_row.file());
    let targets = Targets::new(global, own)?;
    let tokenizer = model::tokenizer(&args.tokenizer, global.quiet)?;
    warn_of_ids_of_another_tokenizer(&args.dataset, tokenizer.path());
    let budget = budget(args.sequences, args.max_tokens);
    let input = TextInput {
        dataset: args.dataset.clone(),
        text: args.text.clone(),
        options: {
            let mut options = StreamOptions::new(args.context_size);
            options.packing = args.packing.packing();
            options.prepend_bos = !args.no_bos;
            options.budget = budget;
            options.threads = global.threads();
            options
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
    let most = rows_of(budget, args.context_size);
    let bar = Bar::new(global.quiet, "tokenising", most, args.context_size);
    if checkpoint.is_some() {
        interrupt::will_go_on();
    }
    loop {
        let row = stream.next().transpose()?;
        if let Some(row) = &row {
            writer.push(row)?;
            rows += 1;
            bar.sequences(rows);
        }
        let due = rows.is_multiple_of(args.checkpoint_every) || interrupt::is_asked();
        if let Some(checkpoint) = checkpoint.as_ref().filter(|_| due) {
            // The rows first: a state must not promise what is not on the disk.
            writer.checkpoint()?;
            checkpoint.write(&stream.state())?;
        }
        interrupt::check()?;
        if row.is_none() {
            break;
        }
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
