//! A file of labels that is added to while it is shown.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::read::{End, Found, read};
use super::rows::Head;
use super::{Label, LabelError, LabelSubject, Labels};

/// Lines that may be out of date before the file is written anew.
const STALE_LINES: usize = 1000;

/// Labels of an SAE, kept in a file of lines. A change is a line at its end, written in one piece and on disk before [`set`](Self::set) returns;
/// later lines count. Who changes the file meanwhile, in an editor or by taking over that of a colleague, is seen.
#[derive(Debug)]
pub struct LabelFile {
    path: PathBuf,
    subject: LabelSubject,
    labels: Labels,
    /// How long the file was when it was last read or written, and when it was changed; none where it is not there yet.
    seen: Option<Seen>,
    /// It must be written anew before a line can be added.
    is_stale: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    len: u64,
    changed: Option<std::time::SystemTime>,
}

impl LabelFile {
    /// Opens the labels of an SAE; a file that is not there is one without labels, made with the first one.
    ///
    /// # Errors
    /// If the file cannot be read, is of another SAE, has a line that is no label, or is one of Neuronpedia's.
    pub fn open(path: impl AsRef<Path>, subject: LabelSubject) -> Result<Self, LabelError> {
        let mut file = Self {
            path: path.as_ref().to_owned(),
            subject,
            labels: Labels::default(),
            seen: None,
            is_stale: false,
        };
        file.reread()?;
        Ok(file)
    }

    /// The labels, as they are in the file now.
    ///
    /// # Errors
    /// As [`open`](Self::open), where the file was changed by someone else.
    pub fn labels(&mut self) -> Result<&Labels, LabelError> {
        if self.now()? != self.seen {
            self.reread()?;
        }
        Ok(&self.labels)
    }

    /// Puts labels in the place of what the file says of their features; empty ones take it back. All of them are kept, or none.
    ///
    /// # Errors
    /// If one names a feature that does not exist or is too long, and if the file cannot be written.
    pub fn set(&mut self, labels: Vec<Label>) -> Result<(), LabelError> {
        let faults = labels.iter().map(|label| label.fault(self.subject.d_sae));
        if let Some(fault) = faults.flatten().next() {
            return Err(LabelError::Label(fault));
        }
        self.labels()?;
        let mut next = self.labels.clone();
        let mut lines = Vec::new();
        for label in labels {
            line(&mut lines, &label);
            next.set(label);
        }
        if self.is_stale || self.seen.is_none() {
            self.rewrite(&next)?;
        } else if let Err(source) = self.append(&lines) {
            // Part of it may be there, and would spoil the next line.
            self.is_stale = true;
            self.seen = self.now().unwrap_or(self.seen);
            return Err(LabelError::Write {
                path: self.path.clone(),
                source,
            });
        }
        self.labels = next;
        self.seen = self.now()?;
        Ok(())
    }

    fn append(&self, lines: &[u8]) -> std::io::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        file.write_all(lines)?;
        file.sync_data()
    }

    fn rewrite(&mut self, labels: &Labels) -> Result<(), LabelError> {
        let mut bytes = Vec::new();
        line(
            &mut bytes,
            &Head {
                labels_of: self.subject.clone(),
            },
        );
        for label in labels.iter() {
            line(&mut bytes, label);
        }
        whole_file::write(&self.path, &bytes)?;
        self.is_stale = false;
        Ok(())
    }

    fn reread(&mut self) -> Result<(), LabelError> {
        let seen = self.now()?;
        if seen.is_none() {
            (self.seen, self.labels) = (None, Labels::default());
            return Ok(());
        }
        let found = read(&self.path, &self.subject)?;
        if found.has_explanations || found.is_packed {
            return Err(LabelError::Explanations {
                path: self.path.clone(),
            });
        }
        if found.end == End::Torn {
            tracing::warn!(
                "{}: its last line is broken off and is left out",
                self.path.display()
            );
        }
        let Found {
            labels, n_lines, ..
        } = found;
        self.is_stale =
            found.end != End::Whole || !found.has_head || n_lines > labels.len() + STALE_LINES;
        (self.seen, self.labels) = (seen, labels);
        Ok(())
    }

    /// None where there is no file.
    fn now(&self) -> Result<Option<Seen>, LabelError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) => Ok(Some(Seen {
                len: metadata.len(),
                changed: metadata.modified().ok(),
            })),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LabelError::Read {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// A row as a line of JSON.
fn line(out: &mut Vec<u8>, row: &impl serde::Serialize) {
    // Writing strings and numbers into memory cannot fail.
    let written = serde_json::to_writer(&mut *out, row);
    debug_assert!(written.is_ok());
    out.push(b'\n');
}
