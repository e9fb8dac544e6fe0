//! Reading logs.

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::error::io;
use super::{CONTEXT, CONTEXTS, ENTRIES, ENTRY, LEFT_OUT, LogError, LogInfo, State, TOKEN, TOKENS};

/// An activation above zero, as it lies in the file: the feature, and the bits of its value.
pub type Entry = [u32; 2];

/// One log or the logs of several shards, mapped: contexts in ascending order of their numbers, whatever shard they are in.
#[derive(Debug)]
pub struct ActivationLog {
    info: LogInfo,
    shards: Vec<Shard>,
    /// Number of the context, its shard, and its place there.
    contexts: Vec<(u64, u32, u32)>,
    entries: u64,
}

/// The files of one log.
#[derive(Debug)]
struct Shard {
    entries: Mmap,
    tokens: Mmap,
    contexts: Mmap,
}

impl ActivationLog {
    /// Opens finished logs that belong together.
    ///
    /// # Errors
    /// If one is missing, unfinished, damaged or of other work than the first, or a context is in two of them.
    pub fn open<P: AsRef<Path>>(dirs: &[P]) -> Result<Self, LogError> {
        let mut info: Option<(LogInfo, PathBuf)> = None;
        let (mut shards, mut contexts, mut entries) = (Vec::new(), Vec::new(), 0);
        for dir in dirs {
            let dir = dir.as_ref();
            let state = State::read(dir)?;
            if !state.finished {
                return Err(LogError::Unfinished {
                    path: dir.to_owned(),
                    contexts: state.contexts,
                });
            }
            match &info {
                None => info = Some((state.info.clone(), dir.to_owned())),
                Some((first, path)) => first.check(&state.info, path, dir)?,
            }
            let number = shards.len() as u32;
            let shard = Shard::open(dir, &state)?;
            for (place, found) in shard.contexts().iter().enumerate() {
                contexts.push((found[0], number, place as u32));
            }
            entries += state.entries;
            shards.push(shard);
        }
        contexts.sort_unstable();
        if let Some(twice) = contexts.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let (context, shard, _) = twice[1];
            return Err(LogError::Twice {
                context,
                path: dirs[shard as usize].as_ref().to_owned(),
            });
        }
        let (info, _) = info
            .filter(|_| !contexts.is_empty())
            .ok_or(LogError::Empty)?;
        Ok(Self {
            info,
            shards,
            contexts,
            entries,
        })
    }

    /// What the log was made from, and its sizes.
    pub fn info(&self) -> &LogInfo {
        &self.info
    }

    /// How many contexts there are.
    pub fn n_contexts(&self) -> usize {
        self.contexts.len()
    }

    /// How many activations there are.
    pub fn n_entries(&self) -> u64 {
        self.entries
    }

    /// The number of a context, by its place in the order.
    ///
    /// # Panics
    /// If `place` is not below [`n_contexts`](Self::n_contexts), here and below.
    pub fn context(&self, place: usize) -> u64 {
        self.contexts[place].0
    }

    /// For each token of a context, its activations, features ascending; `None` where the token does not count.
    pub fn tokens(&self, place: usize) -> impl ExactSizeIterator<Item = Option<&[Entry]>> + '_ {
        let (ends, entries) = self.of(place);
        let mut start = 0;
        ends.iter().map(move |&end| {
            let kept = end & LEFT_OUT == 0;
            let range = start..(end & !LEFT_OUT) as usize;
            start = range.end;
            kept.then(|| &entries[range])
        })
    }

    /// The activations of one token; none where it does not count.
    pub fn row(&self, place: usize, position: usize) -> &[Entry] {
        let (ends, entries) = self.of(place);
        let end = |position: usize| (ends[position] & !LEFT_OUT) as usize;
        let start = position.checked_sub(1).map_or(0, end);
        &entries[start..end(position)]
    }

    /// All activations of a context, token after token.
    pub fn entries(&self, place: usize) -> &[Entry] {
        self.of(place).1
    }

    /// The ends of a context's tokens, and its entries.
    fn of(&self, place: usize) -> (&[u32], &[Entry]) {
        let (_, shard, place) = self.contexts[place];
        let (shard, place) = (&self.shards[shard as usize], place as usize);
        let size = self.info.context_size as usize;
        let ends = &shard.tokens()[place * size..][..size];
        (ends, &shard.entries()[shard.range(place)])
    }
}

impl LogInfo {
    fn check(&self, other: &Self, here: &Path, there: &Path) -> Result<(), LogError> {
        let as_json = |info: &Self| serde_json::to_value(info).unwrap_or_default();
        let (is, was) = (as_json(self), as_json(other));
        for key in ["d_sae", "context_size", "made_from"] {
            if is[key] != was[key] {
                return Err(LogError::Different {
                    first: here.to_owned(),
                    other: there.to_owned(),
                    key: key.to_owned(),
                    is: is[key].to_string(),
                    was: was[key].to_string(),
                });
            }
        }
        Ok(())
    }
}

impl Shard {
    fn open(dir: &Path, state: &State) -> Result<Self, LogError> {
        let tokens = state.contexts * u64::from(state.info.context_size);
        let shard = Self {
            entries: map(dir, ENTRIES, state.entries * ENTRY)?,
            tokens: map(dir, TOKENS, tokens * TOKEN)?,
            contexts: map(dir, CONTEXTS, state.contexts * CONTEXT)?,
        };
        shard
            .check(&state.info)
            .map_err(|reason| LogError::Damaged {
                path: dir.to_owned(),
                reason,
            })?;
        Ok(shard)
    }

    /// Every range lies where it may, so that looking one up cannot fail. Features are checked as they are read.
    fn check(&self, info: &LogInfo) -> Result<(), String> {
        let n_entries = self.entries().len() as u64;
        let mut next = 0;
        let tokens = self.tokens().chunks_exact(info.context_size as usize);
        for (&[number, first], ends) in self.contexts().iter().zip(tokens) {
            if first != next {
                return Err(format!(
                    "context {number} does not begin where the one before it ends"
                ));
            }
            let mut before = 0;
            for &end in ends {
                let (end, kept) = (end & !LEFT_OUT, end & LEFT_OUT == 0);
                if end < before || (!kept && end != before) {
                    return Err(format!("the tokens of context {number} are out of order"));
                }
                before = end;
            }
            next += u64::from(before);
            if next > n_entries {
                return Err(format!("context {number} ends beyond {ENTRIES}"));
            }
        }
        if next == n_entries {
            Ok(())
        } else {
            Err(format!(
                "{ENTRIES} has {n_entries} entries, and the contexts {next}"
            ))
        }
    }

    fn entries(&self) -> &[Entry] {
        bytemuck::cast_slice(&self.entries)
    }

    fn tokens(&self) -> &[u32] {
        bytemuck::cast_slice(&self.tokens)
    }

    fn contexts(&self) -> &[[u64; 2]] {
        bytemuck::cast_slice(&self.contexts)
    }

    fn range(&self, place: usize) -> Range<usize> {
        let contexts = self.contexts();
        let end = contexts
            .get(place + 1)
            .map_or(self.entries().len(), |next| next[1] as usize);
        contexts[place][1] as usize..end
    }
}

/// Maps the valid part of a file.
fn map(dir: &Path, name: &str, len: u64) -> Result<Mmap, LogError> {
    let path = dir.join(name);
    let file = File::open(&path).map_err(io("read", &path))?;
    let found = file.metadata().map_err(io("read", &path))?.len();
    if found != len {
        return Err(LogError::Damaged {
            reason: format!("it has {found} bytes, expected {len}"),
            path,
        });
    }
    // SAFETY: the log is finished, and nobody is to change its files while they are read; as everywhere files are mapped, changing them
    // all the same gives wrong numbers or a bus error.
    unsafe { Mmap::map(&file) }.map_err(io("map", &path))
}
