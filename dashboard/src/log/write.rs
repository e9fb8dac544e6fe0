//! Writing a log, with interruptions.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde_json::Value;
use whole_file::WholeFile;

use super::error::io;
use super::{
    CONTEXT, CONTEXTS, ENTRIES, ENTRY, FORMAT, LEFT_OUT, LogError, LogInfo, STATE, State, TOKEN,
    TOKENS,
};

/// Writes an activation log, context by context.
///
/// Contexts pushed before the last [`checkpoint`](Self::checkpoint) survive an interruption; [`resume`](Self::resume) continues after it, and
/// the files come out as they would have without.
#[derive(Debug)]
pub struct LogWriter {
    dir: PathBuf,
    info: LogInfo,
    contexts: u64,
    entries: u64,
    entry_file: BufWriter<File>,
    token_file: BufWriter<File>,
    context_file: BufWriter<File>,
}

impl LogWriter {
    /// An empty log in a folder, which is made if it is not there.
    ///
    /// # Errors
    /// If there is a log already, or the folder cannot be written to.
    pub fn create(dir: impl AsRef<Path>, info: LogInfo) -> Result<Self, LogError> {
        let dir = dir.as_ref();
        fs::create_dir_all(dir).map_err(io("make", dir))?;
        if dir.join(STATE).exists() {
            return Err(LogError::Exists {
                path: dir.to_owned(),
            });
        }
        let mut writer = Self::open(dir, info, 0, 0)?;
        writer.checkpoint(&Value::Null)?;
        Ok(writer)
    }

    /// Goes on with a log after its last checkpoint; with it comes the state that the caller has left there.
    ///
    /// # Errors
    /// If there is no log, or it is damaged.
    pub fn resume(dir: impl AsRef<Path>) -> Result<(Self, Value), LogError> {
        let dir = dir.as_ref();
        let state = State::read(dir)?;
        let writer = Self::open(dir, state.info, state.contexts, state.entries)?;
        Ok((writer, state.resume))
    }

    fn open(dir: &Path, info: LogInfo, contexts: u64, entries: u64) -> Result<Self, LogError> {
        let tokens = contexts * u64::from(info.context_size);
        Ok(Self {
            entry_file: grow(dir, ENTRIES, entries * ENTRY)?,
            token_file: grow(dir, TOKENS, tokens * TOKEN)?,
            context_file: grow(dir, CONTEXTS, contexts * CONTEXT)?,
            dir: dir.to_owned(),
            info,
            contexts,
            entries,
        })
    }

    /// What the log was made from, and its sizes.
    pub fn info(&self) -> &LogInfo {
        &self.info
    }

    /// Contexts pushed so far, those of earlier runs included.
    pub fn n_contexts(&self) -> u64 {
        self.contexts
    }

    /// Adds a context: for each position whether its token counts, and `active(position)`, the features of the token with their activations, in
    /// any order, each feature once. Values that are not above zero are left out, as is everything on tokens that do not count.
    ///
    /// # Errors
    /// If a value is infinite, or the files cannot be written.
    ///
    /// # Panics
    /// If there are not `context_size` positions, or a feature is not below `d_sae`.
    pub fn push_context<I: IntoIterator<Item = (u32, f32)>>(
        &mut self,
        context: u64,
        kept: &[bool],
        mut active: impl FnMut(usize) -> I,
    ) -> Result<(), LogError> {
        assert_eq!(
            kept.len(),
            self.info.context_size as usize,
            "a context has context_size tokens"
        );
        let d_sae = self.info.d_sae;
        let (mut entries, mut ends) = (Vec::new(), Vec::with_capacity(kept.len()));
        for (position, &kept) in kept.iter().enumerate() {
            if !kept {
                ends.push(entries.len() as u32 | LEFT_OUT);
                continue;
            }
            let first = entries.len();
            let active = active(position).into_iter();
            entries.extend(active.filter(|&(_, value)| value > 0.0));
            entries[first..].sort_unstable_by_key(|&(feature, _)| feature);
            for &(feature, value) in &entries[first..] {
                assert!(feature < d_sae, "the dictionary has {d_sae} features");
                if !value.is_finite() {
                    return Err(LogError::NotFinite {
                        feature,
                        value,
                        position,
                        context,
                    });
                }
            }
            assert!(
                entries.len() < LEFT_OUT as usize,
                "a context has fewer than 2^31 activations"
            );
            ends.push(entries.len() as u32);
        }
        // Written once all of it is known to be good.
        let entry_bytes = entries
            .iter()
            .flat_map(|(feature, value)| [feature.to_le_bytes(), value.to_le_bytes()]);
        let entry_bytes: Vec<u8> = entry_bytes.flatten().collect();
        let token_bytes: Vec<u8> = ends.iter().flat_map(|end| end.to_le_bytes()).collect();
        let context_bytes = [context.to_le_bytes(), self.entries.to_le_bytes()].concat();
        let dir = &self.dir;
        for (file, bytes, name) in [
            (&mut self.entry_file, entry_bytes, ENTRIES),
            (&mut self.token_file, token_bytes, TOKENS),
            (&mut self.context_file, context_bytes, CONTEXTS),
        ] {
            let path = dir.join(name);
            file.write_all(&bytes).map_err(io("write", &path))?;
        }
        self.contexts += 1;
        self.entries += entries.len() as u64;
        Ok(())
    }

    /// Makes everything pushed so far last, and the caller's state with it.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn checkpoint(&mut self, state: &Value) -> Result<(), LogError> {
        self.save(state, false)
    }

    /// Ends the log.
    ///
    /// # Errors
    /// If the files cannot be written.
    pub fn finish(mut self) -> Result<(), LogError> {
        self.save(&Value::Null, true)
    }

    fn save(&mut self, state: &Value, finished: bool) -> Result<(), LogError> {
        // The numbers first: a state must not promise what is not on the disk.
        for (file, name) in [
            (&mut self.entry_file, ENTRIES),
            (&mut self.token_file, TOKENS),
            (&mut self.context_file, CONTEXTS),
        ] {
            let path = self.dir.join(name);
            file.flush().map_err(io("write", &path))?;
            file.get_ref().sync_data().map_err(io("write", &path))?;
        }
        let state = State {
            format: FORMAT.to_owned(),
            info: self.info.clone(),
            contexts: self.contexts,
            entries: self.entries,
            finished,
            resume: state.clone(),
        };
        state.write(&self.dir)
    }
}

impl State {
    /// A state is small; beyond this, it is something else.
    const MOST_BYTES: u64 = 64 << 20;

    pub(super) fn read(dir: &Path) -> Result<Self, LogError> {
        let path = dir.join(STATE);
        let found = fs::metadata(&path).map_err(io("read", &path))?;
        let damaged = |reason: String| LogError::Damaged {
            path: path.clone(),
            reason,
        };
        if !found.is_file() || found.len() > Self::MOST_BYTES {
            return Err(damaged("it is no small file".into()));
        }
        let text = fs::read(&path).map_err(io("read", &path))?;
        let state: Self = serde_json::from_slice(&text).map_err(|e| damaged(e.to_string()))?;
        if state.format != FORMAT {
            let reason = format!("its format is {:?}, expected {FORMAT:?}", state.format);
            return Err(damaged(reason));
        }
        // From here on the sizes in bytes cannot overflow.
        let tokens = state
            .contexts
            .checked_mul(u64::from(state.info.context_size));
        let bytes = [
            state.entries.checked_mul(ENTRY),
            tokens.and_then(|tokens| tokens.checked_mul(TOKEN)),
            state.contexts.checked_mul(CONTEXT),
        ];
        if bytes.contains(&None) || state.info.context_size == 0 {
            return Err(damaged("it counts more than there can be".into()));
        }
        Ok(state)
    }

    fn write(&self, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(STATE);
        let mut file = WholeFile::create(&path)?;
        serde_json::to_writer_pretty(&mut file, self)
            .map_err(std::io::Error::from)
            .and_then(|()| file.as_file().sync_data())
            .map_err(io("write", &path))?;
        Ok(file.finish()?)
    }
}

/// Opens a file to append after its first `len` bytes; anything after them is truncated.
fn grow(dir: &Path, name: &str, len: u64) -> Result<BufWriter<File>, LogError> {
    let path = dir.join(name);
    let mut options = OpenOptions::new();
    let open = options.read(true).write(true).create(true).truncate(false);
    let mut file = open.open(&path).map_err(io("write", &path))?;
    let found = file.metadata().map_err(io("read", &path))?.len();
    if found < len {
        return Err(LogError::Damaged {
            reason: format!("it has {found} bytes, and {STATE} speaks of {len}"),
            path,
        });
    }
    let mut cut = || {
        file.set_len(len)?;
        file.seek(SeekFrom::End(0))
    };
    cut().map_err(io("write", &path))?;
    Ok(BufWriter::with_capacity(1 << 20, file))
}
