//! Runs the model up to the SAE and writes down what fires.

use crate::SplitLlama;
use crate::fingerprint::difference;
use burn::tensor::{Int, Tensor, TensorData};
use dataset_stream::{Shard, TableError, TokenTable};
use sae_core::Sae;
use sae_dashboard::{ActivationLog, LogError, LogInfo, LogWriter};
use sae_metrics::Masking;
use sae_progress::{Observer, Stopped};
use sae_traits::SplitModel;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Contexts between two checkpoints, which cost some milliseconds each.
const CHECKPOINT_EVERY: u64 = 256;

/// A model, an SAE and rows, and which positions count.
#[derive(Debug, Clone, Copy)]
pub struct Logging<'a> {
    /// The model, cut where the SAE sits.
    pub split: &'a SplitLlama,
    /// The SAE.
    pub sae: &'a Sae,
    /// The rows.
    pub table: &'a TokenTable,
    /// Which positions count.
    pub masking: &'a Masking,
    /// Rows per forward pass.
    pub batch_size: usize,
    /// The part of the rows that is logged here.
    pub shard: Option<Shard>,
    /// Rows of the table that are used.
    pub n_rows: usize,
}

/// How far logging has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggingProgress {
    /// Contexts in the log.
    pub contexts: u64,
    /// Of this many.
    pub of: u64,
}

/// A log that cannot be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoggingError {
    /// The log's files are at fault.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A row cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The observer stopped the work; the same call resumes from there.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A token beyond the vocabulary.
    #[error(
        "row {row}, position {position}: token {id} is outside the model's vocabulary ({vocab_size}); were the rows made with another tokenizer?"
    )]
    UnknownToken {
        /// The row.
        row: usize,
        /// The position in it.
        position: usize,
        /// The token.
        id: u32,
        /// The size of the vocabulary.
        vocab_size: usize,
    },
    /// The SAE is of another width.
    #[error("the SAE reads {d_in} numbers, and the hook has {width}")]
    Width {
        /// The width that the SAE reads.
        d_in: usize,
        /// The hook's width.
        width: usize,
    },
    /// There is a log of other work.
    #[error("{}: was begun with another {difference}; remove it to start again", dir.display())]
    OtherWork {
        /// The log.
        dir: PathBuf,
        /// The first difference.
        difference: String,
    },
}

impl Logging<'_> {
    /// Writes the log, or the missing part of it. When the observer stops the work, everything written so far is kept.
    ///
    /// # Errors
    /// If a row, the SAE or the log is at fault, or the observer stops the work.
    pub fn run(
        &self,
        dir: &Path,
        made_from: Value,
        observer: &mut impl Observer<LoggingProgress>,
    ) -> Result<(), LoggingError> {
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
        let of = rows.len() as u64;
        let mut rows = rows.skip(writer.n_contexts() as usize).peekable();
        let mut since = 0;
        while rows.peek().is_some() {
            let batch: Vec<usize> = rows.by_ref().take(self.batch_size).collect();
            self.push(&mut writer, &batch)?;
            since += batch.len() as u64;
            let contexts = writer.n_contexts();
            let stopped = Stopped::check(observer.observe(&LoggingProgress { contexts, of }));
            if since >= CHECKPOINT_EVERY || stopped.is_err() {
                writer.checkpoint(&Value::Null)?;
                since = 0;
            }
            stopped?;
        }
        Ok(writer.finish()?)
    }

    fn push(&self, writer: &mut LogWriter, batch: &[usize]) -> Result<(), LoggingError> {
        let p = self.table.context_size();
        let vocab_size = self.split.vocab_size();
        let mut tokens = Vec::with_capacity(batch.len() * p);
        for &row in batch {
            let ids = self.table.row(row)?;
            let unknown = ids.iter().position(|&id| id as usize >= vocab_size);
            if let Some(position) = unknown {
                return Err(LoggingError::UnknownToken {
                    row,
                    position,
                    id: ids[position],
                    vocab_size,
                });
            }
            tokens.extend(ids);
        }
        let ids: Vec<i32> = tokens.iter().map(|id| id.cast_signed()).collect();
        let ids = TensorData::new(ids, [batch.len(), p]);
        let ids = Tensor::<2, Int>::from_data(ids, &self.split.device());
        let input = self.split.prefix(ids).input;
        let [_, _, width] = input.dims();
        let d_in = self.sae.cfg().d_in;
        if width != d_in {
            return Err(LoggingError::Width { d_in, width });
        }
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

/// A log to resume; none if it is finished.
fn open(dir: &Path, info: &LogInfo) -> Result<Option<LogWriter>, LoggingError> {
    let (writer, _) = match LogWriter::create(dir, info.clone()) {
        Ok(writer) => return Ok(Some(writer)),
        Err(LogError::Exists { .. }) => LogWriter::resume(dir)?,
        Err(error) => return Err(error.into()),
    };
    let other = |difference| LoggingError::OtherWork {
        dir: dir.to_owned(),
        difference,
    };
    if let Some(difference) = difference("", &writer.info().made_from, &info.made_from) {
        return Err(other(difference));
    }
    if writer.info() != info {
        return Err(other("SAE or context size".to_owned()));
    }
    drop(writer);
    if ActivationLog::open(&[dir]).is_ok() {
        return Ok(None);
    }
    let (writer, _) = LogWriter::resume(dir)?;
    Ok(Some(writer))
}
