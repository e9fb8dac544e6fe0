//! The rows that dashboards are made from.

use super::targets::Targets;
use super::text::{TextInput, rows_of};
use crate::terminal::interrupt;
use crate::terminal::progress::Bar;
use anyhow::{Context, Result, ensure};
use dataset_stream::{Budget, TokenTable, TokenTableWriter, Tokenizer};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Where tokens and activations are kept: a folder that stays, or one that goes with the work.
pub(crate) struct WorkFolder {
    path: PathBuf,
    scratch: Option<TempDir>,
}

impl WorkFolder {
    /// The folder that was given, or a temporary one.
    pub(crate) fn new(given: Option<&Path>) -> Result<Self> {
        let Some(path) = given else {
            let scratch = tempfile::tempdir().context("there is no folder for temporary files")?;
            return Ok(Self {
                path: scratch.path().to_owned(),
                scratch: Some(scratch),
            });
        };
        interrupt::will_go_on();
        let path = path.to_owned();
        std::fs::create_dir_all(&path).with_context(|| format!("--work {}", path.display()))?;
        Ok(Self {
            path,
            scratch: None,
        })
    }

    /// The guard that removes the folder when it is dropped, if it is temporary: for a caller that keeps this value until the program ends.
    pub(crate) fn take_scratch(&mut self) -> Option<TempDir> {
        self.scratch.take()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Where the activation log is.
    pub(crate) fn log(&self) -> PathBuf {
        self.path.join("log")
    }
}

/// Where the rows of text are in a work folder.
pub(crate) fn tokens_of(work_dir: &Path) -> PathBuf {
    work_dir.join("tokens.safetensors")
}

/// Warns about rows that an earlier call made, if this one asks for more.
pub(crate) fn warn_if_fewer(input: &TextInput, table: &TokenTable, work_dir: &Path) {
    let most = rows_of(input.options.budget, input.options.context_size);
    if most.is_some_and(|most| most > table.len() as u64) {
        tracing::warn!(
            "--work {}: holds {} rows of the text from an earlier call, fewer than are asked for; if the text has more, give another --work",
            work_dir.display(),
            table.len()
        );
    }
}

/// Tokenises text into the work folder, unless an earlier run has. `option` names the folder.
pub(crate) fn tokenised(
    input: &TextInput,
    tokenizer: &Tokenizer,
    (option, work_dir): (&str, &Path),
    targets: &Targets,
    quiet: bool,
) -> Result<TokenTable> {
    let path = tokens_of(work_dir);
    let made = input.metadata(tokenizer);
    let context_size = input.options.context_size;
    let most = rows_of(input.options.budget, context_size);
    if path.exists() {
        let table = TokenTable::open(&path)?;
        ensure!(
            table.metadata() == Some(&made),
            "{option} {}: holds rows of other text or settings; give another {option}, or remove it to start again",
            work_dir.display()
        );
        return Ok(table);
    }
    let (stream, bad_rows) = input.open(tokenizer, targets)?;
    let mut writer = TokenTableWriter::create(&path, &made)?;
    let bar = Bar::new(quiet, "tokenising", most, context_size);
    let mut rows = 0;
    for row in stream {
        interrupt::check()?;
        writer.push(&row?)?;
        rows += 1;
        bar.sequences(rows);
    }
    drop(bar);
    bad_rows.finish()?;
    if rows == 0 {
        return Err(input.too_short());
    }
    writer.finish()?;
    Ok(TokenTable::open(&path)?)
}

/// How many rows of a table the budget allows.
pub(crate) fn within(budget: Budget, table: &TokenTable) -> Result<usize> {
    let most = rows_of(budget, table.context_size()).unwrap_or(u64::MAX);
    let rows = table.len().min(usize::try_from(most).unwrap_or(usize::MAX));
    ensure!(
        rows > 0,
        "there is no row to work on within the budget ({} rows of {} tokens)",
        table.len(),
        table.context_size()
    );
    Ok(rows)
}
