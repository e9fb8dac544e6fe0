//! Runs the model up to the SAE and writes down what fires.

use crate::adapters::SplitLlama;
use crate::fingerprint::difference;
use crate::interrupt;
use crate::progress::Bar;
use anyhow::{Context, Result, bail, ensure};
use burn::tensor::{Int, Tensor, TensorData};
use dataset_stream::{Shard, TokenTable};
use sae_core::Sae;
use sae_dashboard::{ActivationLog, LogError, LogInfo, LogWriter};
use sae_metrics::{Masking, SplitModel};
use serde_json::Value;
use std::path::Path;

/// A model, an SAE and rows, and which positions count.
pub(crate) struct Logging<'a> {
    pub(crate) split: &'a SplitLlama<'a>,
    pub(crate) sae: &'a Sae,
    pub(crate) table: &'a TokenTable,
    pub(crate) masking: &'a Masking,
    pub(crate) batch_size: usize,
    /// The part of the rows that is logged here.
    pub(crate) shard: Option<Shard>,
    /// Rows of the table that are used.
    pub(crate) n_rows: usize,
}

/// Contexts between two checkpoints, which cost some milliseconds each.
const CHECKPOINT_EVERY: u64 = 256;

impl Logging<'_> {
    /// Writes the log, or what is missing of it.
    pub(crate) fn run(&self, dir: &Path, made_from: Value, quiet: bool) -> Result<()> {
        let info = LogInfo {
            d_sae: self.sae.cfg().d_sae as u32,
            context_size: self.table.context_size() as u32,
            made_from,
        };
        let Some(mut writer) = open(dir, &info)? else {
            return Ok(());
        };
        let (first, step) = self.shard.map_or((0, 1), |shard| {
            (shard.index() as usize, shard.of() as usize)
        });
        let rows = (first..self.n_rows).step_by(step);
        let bar = Bar::new(
            quiet,
            "encoding",
            Some(rows.len() as u64),
            self.table.context_size(),
        );
        let mut rows = rows.skip(writer.n_contexts() as usize).peekable();
        let mut since = 0;
        while rows.peek().is_some() {
            let batch: Vec<usize> = rows.by_ref().take(self.batch_size).collect();
            self.push(&mut writer, &batch)?;
            bar.sequences(writer.n_contexts());
            since += batch.len() as u64;
            if since >= CHECKPOINT_EVERY || interrupt::is_asked() {
                writer.checkpoint(&Value::Null)?;
                since = 0;
            }
            interrupt::check()?;
        }
        Ok(writer.finish()?)
    }

    fn push(&self, writer: &mut LogWriter, batch: &[usize]) -> Result<()> {
        let p = self.table.context_size();
        let vocab_size = self.split.vocab_size();
        let mut tokens = Vec::with_capacity(batch.len() * p);
        for &row in batch {
            let ids = self.table.row(row)?;
            let unknown = ids.iter().position(|&id| id as usize >= vocab_size);
            if let Some(position) = unknown {
                bail!(
                    "row {row}, position {position}: token {} is not in the model's vocabulary of {vocab_size}; were the rows made with another tokenizer?",
                    ids[position]
                );
            }
            tokens.extend(ids);
        }
        let ids: Vec<i32> = tokens.iter().map(|id| id.cast_signed()).collect();
        let ids = TensorData::new(ids, [batch.len(), p]);
        let ids = Tensor::<2, Int>::from_data(ids, &self.split.device());
        let input = self.split.prefix(ids).input;
        let [_, _, width] = input.dims();
        ensure!(
            width == self.sae.cfg().d_in,
            "the SAE reads {} numbers, and the hook has {width}",
            self.sae.cfg().d_in
        );
        let features = self.sae.encode_sparse(input).features;
        for (i, &row) in batch.iter().enumerate() {
            let ids = &tokens[i * p..][..p];
            let kept: Vec<bool> = ids
                .iter()
                .enumerate()
                .map(|(position, &id)| self.masking.in_statistics(position, id))
                .collect();
            writer.push_context(row as u64, &kept, |position| {
                let (indices, values) = features.row(i * p + position);
                indices.iter().copied().zip(values.iter().copied())
            })?;
        }
        Ok(())
    }
}

/// A log to go on with; none if it is finished.
fn open(dir: &Path, info: &LogInfo) -> Result<Option<LogWriter>> {
    let (writer, _) = match LogWriter::create(dir, info.clone()) {
        Ok(writer) => return Ok(Some(writer)),
        Err(LogError::Exists { .. }) => LogWriter::resume(dir)?,
        Err(error) => return Err(error.into()),
    };
    if let Some(difference) = difference("", &writer.info().made_from, &info.made_from) {
        bail!(
            "{}: was begun with another {difference}; remove it to start anew",
            dir.display()
        );
    }
    ensure!(
        writer.info() == info,
        "{}: is a log of another SAE or context size; remove it to start anew",
        dir.display()
    );
    drop(writer);
    if ActivationLog::open(&[dir]).is_ok() {
        return Ok(None);
    }
    let (writer, _) = LogWriter::resume(dir).with_context(|| dir.display().to_string())?;
    Ok(Some(writer))
}
