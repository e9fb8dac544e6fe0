//! Activations of a model into a folder, to train from it as often as one likes.

use super::{ActivationsError, TrainHooks};
use crate::record::RecordProgress;
use activation_cache::{CacheError, CacheWriter, CachedHook, Manifest};
use burn::tensor::{DType, Int, Tensor, TensorData};
use dataset_stream::TokenTable;
use llama_hooked::Llama;
use sae_progress::{Observer, Stopped};

/// Activations that cannot be cached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheActivationsError {
    /// A row cannot be run.
    #[error(transparent)]
    Rows(#[from] ActivationsError),
    /// The folder refuses.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// The observer stopped the work; the shards that are whole stay.
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

impl TrainHooks {
    /// The hooks as a cache lists them.
    pub fn cached(&self) -> Vec<CachedHook> {
        let hooks = self.reads.iter().zip(&self.widths).zip(&self.heads);
        let hooks = hooks.map(|((read, &width), &heads)| {
            let mut hook = CachedHook::new(&read.point.to_string(), width);
            hook.heads = heads.filter(|_| read.head.is_none());
            hook
        });
        hooks.collect()
    }
}

/// Runs the model, as far as the hooks need it, on the rows that a cache still lacks, `batch_size` at a time, and completes the cache.
///
/// # Errors
/// If a row is not the model's, the cache cannot be written, or the observer stops the work; shards that are whole stay.
pub fn cache_activations(
    model: &Llama,
    hooks: &TrainHooks,
    table: &TokenTable,
    batch_size: usize,
    mut writer: CacheWriter,
    observer: &mut impl Observer<RecordProgress>,
) -> Result<Manifest, CacheActivationsError> {
    let of = writer.settings().rows as u64;
    let mut activations = Vec::new();
    while let Some(rows) = writer.next_rows() {
        let rows = rows.start..rows.end.min(rows.start + batch_size.max(1));
        let ids = ids_of(table, rows.clone(), model.config().vocab_size)?;
        let tokens: Vec<i32> = ids.iter().map(|id| id.cast_signed()).collect();
        let tokens = TensorData::new(tokens, [rows.len(), table.context_size()]);
        let tokens = Tensor::<2, Int>::from_data(tokens, (&model.device(), DType::I32));
        activations.clear();
        hooks.read(model, tokens, &vec![true; ids.len()], &mut activations);
        writer.push(&ids, &activations)?;
        let rows = writer.rows_done() as u64;
        Stopped::check(observer.observe(&RecordProgress { rows, of }))?;
    }
    Ok(writer.finish()?)
}

/// The ids of some rows, end to end, all in the vocabulary.
pub(super) fn ids_of(
    table: &TokenTable,
    rows: std::ops::Range<usize>,
    vocab_size: usize,
) -> Result<Vec<u32>, ActivationsError> {
    let mut ids = Vec::with_capacity(rows.len() * table.context_size());
    for row in rows {
        let start = ids.len();
        table.read_row(row, &mut ids)?;
        let unknown = ids[start..]
            .iter()
            .position(|&id| id as usize >= vocab_size);
        if let Some(position) = unknown {
            return Err(ActivationsError::UnknownToken {
                row,
                position,
                id: ids[start + position],
                vocab_size,
            });
        }
    }
    Ok(ids)
}
