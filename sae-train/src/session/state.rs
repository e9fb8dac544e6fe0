//! A session on disk: each run in a folder of its own, the buffer, and where the data goes on.

use super::{Activations, Session};
use crate::checkpoint::{CheckpointError, File};
use crate::random::{Random, RandomState};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use whole_file::{Dtype, TensorBatch, TensorFile, WholeFolder};

const SESSION: &str = "session.json";
const BUFFER: &str = "buffer.safetensors";

/// Where the data goes on.
#[derive(Debug, Serialize, Deserialize)]
struct State {
    place: u64,
    epochs: u64,
    ended: bool,
    ready: usize,
    random: RandomState,
    /// The runs, by name.
    runs: Vec<String>,
    /// Everything that the runs depend on.
    made_from: Value,
    /// The CRC-32 of each other file.
    files: BTreeMap<String, String>,
    /// That of this text, with zeros in its place.
    crc32: String,
}

const NO_CRC: &str = "00000000";

fn crc(bytes: &[u8]) -> String {
    format!("{:08x}", crc32fast::hash(bytes))
}

fn line(crc: &str) -> String {
    format!("\"crc32\": \"{crc}\"")
}

impl State {
    fn to_text(&self) -> String {
        let blank = serde_json::to_string_pretty(self).unwrap_or_default() + "\n";
        blank.replace(&line(NO_CRC), &line(&crc(blank.as_bytes())))
    }

    fn read(path: &Path) -> Result<Self, CheckpointError> {
        let bytes = std::fs::read(path).map_err(|error| CheckpointError::io(path, error))?;
        let changed = || CheckpointError::damaged(path, "has changed since it was written");
        let text = String::from_utf8(bytes).map_err(|_| changed())?;
        let state: Self = serde_json::from_str(&text)
            .map_err(|error| CheckpointError::damaged(path, error.to_string()))?;
        let blank = text.replace(&line(&state.crc32), &line(NO_CRC));
        if crc(blank.as_bytes()) != state.crc32 {
            return Err(changed());
        }
        Ok(state)
    }
}

/// A value as it is after it was written and read, when a number may have changed in its last bit.
fn as_read(value: &Value) -> Value {
    serde_json::from_str(&value.to_string()).unwrap_or_default()
}

impl<A: Activations> Session<A> {
    /// Writes everything into `folder/<tokens>`, which appears whole or not at all, and then removes older checkpoints but for the
    /// latest `keep`. `made_from` is everything that the runs depend on, by the words of a message. Returns where.
    ///
    /// # Errors
    /// If it cannot be written; what was there before stays.
    pub fn checkpoint(
        &self,
        folder: &Path,
        keep: usize,
        made_from: &Value,
    ) -> Result<PathBuf, CheckpointError> {
        std::fs::create_dir_all(folder).map_err(|error| CheckpointError::io(folder, error))?;
        let tokens = self.tokens();
        let path = folder.join(tokens.to_string());
        if !path.exists() {
            let whole = WholeFolder::create(&path)?;
            self.write_into(whole.temporary(), made_from)?;
            whole.finish()?;
        }
        let all = checkpoints(folder)?;
        for (_, old) in all.iter().rev().skip(keep.max(1)) {
            std::fs::remove_dir_all(old).map_err(|error| CheckpointError::io(old, error))?;
        }
        Ok(path)
    }

    /// Tokens that the furthest run was trained on.
    pub fn tokens(&self) -> u64 {
        self.runs
            .iter()
            .map(|run| run.trainer.counts().tokens)
            .max()
            .unwrap_or(0)
    }

    fn write_into(&self, folder: &Path, made_from: &Value) -> Result<(), CheckpointError> {
        for run in &self.runs {
            let folder = folder.join(&run.name);
            std::fs::create_dir_all(&folder)
                .map_err(|error| CheckpointError::io(&folder, error))?;
            run.trainer.save(&folder, &run.metadata)?;
        }
        let mut file = TensorFile::new(&folder.join(BUFFER), self.buffer.len());
        for row in self.buffer.contents() {
            let bytes = bytemuck::cast_slice(row);
            file.push(&[TensorBatch::new("rows", Dtype::F32, &[1, row.len()], bytes)])?;
        }
        if self.buffer.len() > 0 {
            file.finish()?;
        }
        let state = State {
            place: self.source.place(),
            epochs: self.epochs,
            ended: self.ended,
            ready: self.buffer.ready(),
            random: self.buffer.random().state(self.options.seed),
            runs: self.runs.iter().map(|run| run.name.clone()).collect(),
            made_from: made_from.clone(),
            files: checksums(folder)?,
            crc32: NO_CRC.to_owned(),
        };
        Ok(whole_file::write(
            &folder.join(SESSION),
            state.to_text().as_bytes(),
        )?)
    }

    /// Goes on from a checkpoint: the runs that are here, with the same settings, get the state that they had then.
    ///
    /// # Errors
    /// If it is damaged, of other runs, or was made from anything else than `made_from`.
    pub fn resume(&mut self, checkpoint: &Path, made_from: &Value) -> Result<(), CheckpointError> {
        self.read_from(checkpoint, made_from)
            .map_err(|error| error.of_checkpoint(checkpoint))
    }

    fn read_from(&mut self, checkpoint: &Path, made_from: &Value) -> Result<(), CheckpointError> {
        let path = checkpoint.join(SESSION);
        let state = State::read(&path)?;
        if state.made_from != as_read(made_from) {
            return Err(CheckpointError::Other {
                path: checkpoint.to_owned(),
                made_from: Box::new(state.made_from),
            });
        }
        for (name, crc) in &state.files {
            let path = checkpoint.join(name);
            if checksum(&path)? != *crc {
                let problem = "has changed since it was written";
                return Err(CheckpointError::damaged(&path, problem));
            }
        }
        let names: Vec<&String> = self.runs.iter().map(|run| &run.name).collect();
        if !names.iter().copied().eq(&state.runs) {
            return Err(CheckpointError::damaged(
                &path,
                format!("is of the runs {:?}, not of {names:?}", state.runs),
            ));
        }
        let read = self
            .runs
            .iter()
            .map(|run| run.trainer.read(&checkpoint.join(&run.name)));
        let saved = read.collect::<Result<Vec<_>, _>>()?;
        let path = checkpoint.join(BUFFER);
        let rows = if path.exists() {
            File::read(&path)?.any_f32("rows")?
        } else {
            Vec::new()
        };
        let width: usize = self.source.widths().iter().sum();
        let fits = rows.len().is_multiple_of(width)
            && state.ready <= rows.len() / width / self.options.batch_tokens;
        if !fits {
            return Err(CheckpointError::damaged(
                &path,
                format!("{} numbers are not rows of {width}", rows.len()),
            ));
        }
        for (run, saved) in self.runs.iter_mut().zip(saved) {
            run.trainer.put(saved);
        }
        self.buffer
            .restore(rows, state.ready, Random::at(state.random));
        self.source.seek(state.place);
        (self.epochs, self.ended) = (state.epochs, state.ended);
        // Whether the pass has given anything before is not known; another one will tell.
        self.given = state.place > 0;
        Ok(())
    }
}

/// The CRC-32 of each file in a folder, by its path there.
fn checksums(folder: &Path) -> Result<BTreeMap<String, String>, CheckpointError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![(String::new(), folder.to_owned())];
    while let Some((within, folder)) = folders.pop() {
        let io = |error| CheckpointError::io(&folder, error);
        for entry in std::fs::read_dir(&folder).map_err(io)? {
            let entry = entry.map_err(io)?;
            let name = format!("{within}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                folders.push((format!("{name}/"), entry.path()));
            } else {
                found.insert(name, checksum(&entry.path())?);
            }
        }
    }
    Ok(found)
}

fn checksum(path: &Path) -> Result<String, CheckpointError> {
    let io = |error| CheckpointError::io(path, error);
    let mut file = std::fs::File::open(path).map_err(io)?;
    let (mut hash, mut bytes) = (crc32fast::Hasher::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut bytes).map_err(io)? {
            0 => return Ok(format!("{:08x}", hash.finalize())),
            n => hash.update(&bytes[..n]),
        }
    }
}

/// The checkpoints in a folder by their tokens, ascending; none if there is no folder.
///
/// # Errors
/// If the folder cannot be read.
pub fn checkpoints(folder: &Path) -> Result<Vec<(u64, PathBuf)>, CheckpointError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(CheckpointError::io(folder, error)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry
            .map_err(|error| CheckpointError::io(folder, error))?
            .path();
        let tokens = path
            .file_name()
            .and_then(|name| name.to_str()?.parse().ok());
        found.extend(
            tokens
                .filter(|_| path.is_dir())
                .map(|tokens| (tokens, path)),
        );
    }
    found.sort();
    Ok(found)
}
