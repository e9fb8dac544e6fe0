//! Dense activations, and logs of them that came about in many ways.

use proptest::prelude::*;
use sae_dashboard::{ActivationLog, LogInfo, LogWriter};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

pub(crate) const SIZE: usize = 10;
pub(crate) const D_SAE: u32 = 7;

/// `[context][position][feature]`; `None` where a token does not count.
pub(crate) type Dense = Vec<Vec<Option<Vec<f32>>>>;

/// Feature 0 never fires, feature 1 always and everywhere as strongly; the others have few values, so that many are equal.
pub(crate) fn dense(contexts: std::ops::Range<usize>) -> impl Strategy<Value = Dense> {
    let value = prop_oneof![3 => Just(0.0_f32), 1 => (1_u8..9).prop_map(|x| f32::from(x) / 4.0), 1 => Just(-1.0), 1 => Just(f32::NAN)];
    let token = prop::collection::vec(value, D_SAE as usize).prop_map(|mut row| {
        (row[0], row[1]) = (0.0, 0.75);
        row
    });
    let context = prop::collection::vec(prop::option::weighted(0.9, token), SIZE);
    prop::collection::vec(context, contexts)
}

/// How a log came to be.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) n_shards: usize,
    /// Sorts the contexts.
    pub(crate) order: u64,
    /// Contexts between two checkpoints.
    pub(crate) batch: usize,
    /// Contexts that were written after every checkpoint and lost with the process.
    pub(crate) lost: usize,
    pub(crate) n_threads: usize,
    /// Bytes of activations that are gathered at a time.
    pub(crate) memory: u64,
}

impl History {
    /// One shard, in order, in one go.
    pub(crate) fn plain() -> Self {
        Self {
            n_shards: 1,
            order: 0,
            batch: usize::MAX,
            lost: 0,
            n_threads: 1,
            memory: 1 << 20,
        }
    }

    pub(crate) fn any() -> impl Strategy<Value = Self> {
        let memory = prop::sample::select(vec![0_u64, 13, 700, 1 << 20]);
        (
            1_usize..4,
            any::<u64>(),
            1_usize..6,
            0_usize..3,
            1_usize..4,
            memory,
        )
            .prop_map(|(n_shards, order, batch, lost, n_threads, memory)| Self {
                n_shards,
                order,
                batch,
                lost,
                n_threads,
                memory,
            })
    }

    pub(crate) fn write(&self, dense: &Dense, dir: &Path) -> ActivationLog {
        let mut order: Vec<usize> = (0..dense.len()).collect();
        if self.order != 0 {
            order.sort_by_key(|&c| (c as u64 + 1).wrapping_mul(self.order | 1).rotate_left(23));
        }
        let dirs: Vec<PathBuf> = (0..self.n_shards)
            .map(|i| dir.join(i.to_string()))
            .collect();
        for (i, dir) in dirs.iter().enumerate() {
            let own: Vec<usize> = order
                .iter()
                .copied()
                .skip(i)
                .step_by(self.n_shards)
                .collect();
            self.write_shard(dense, &own, dir);
        }
        ActivationLog::open(&dirs).unwrap()
    }

    fn write_shard(&self, dense: &Dense, own: &[usize], dir: &Path) {
        drop(LogWriter::create(dir, info()).unwrap());
        let mut done = 0;
        while done < own.len() {
            let (mut writer, state) = LogWriter::resume(dir).unwrap();
            assert_eq!(state.as_u64().unwrap_or(0), done as u64);
            let until = done.saturating_add(self.batch).min(own.len());
            for &context in &own[done..until] {
                push(&mut writer, dense, context);
            }
            writer.checkpoint(&json!(until)).unwrap();
            for &context in own[until..].iter().take(self.lost) {
                push(&mut writer, dense, context);
            }
            done = until;
        }
        LogWriter::resume(dir).unwrap().0.finish().unwrap();
    }
}

pub(crate) fn info() -> LogInfo {
    LogInfo {
        d_sae: D_SAE,
        context_size: SIZE as u32,
        made_from: Value::Null,
    }
}

pub(crate) fn push(writer: &mut LogWriter, dense: &Dense, context: usize) {
    let rows = &dense[context];
    let kept: Vec<bool> = rows.iter().map(Option::is_some).collect();
    // Something on every token, so that what does not count is seen to be left out.
    let active = |position: usize| {
        let row = rows[position]
            .clone()
            .unwrap_or_else(|| vec![9.0; D_SAE as usize]);
        (0..).zip(row).collect::<Vec<(u32, f32)>>()
    };
    writer.push_context(context as u64, &kept, active).unwrap();
}

/// Token ids that say where they are.
pub(crate) fn tokens(dense: &Dense) -> Vec<Vec<u32>> {
    (0..dense.len() as u32)
        .map(|c| (0..SIZE as u32).map(|p| c * SIZE as u32 + p).collect())
        .collect()
}
