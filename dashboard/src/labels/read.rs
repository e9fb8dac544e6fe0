//! Reading labels, of our own and of Neuronpedia's.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::rows::Row;
use super::{LABEL_BYTES, Label, LabelError, LabelSubject, Labels, NOTE_BYTES};

/// Bytes that are read of a file, unpacked.
const MOST_BYTES: u64 = 1 << 30;
/// Bytes of a line: rows of Neuronpedia's carry embeddings.
const LINE_BYTES: u64 = 1 << 20;
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Labels, and what else was found out about their file.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) labels: Labels,
    /// Lines that hold a label.
    pub(super) n_lines: usize,
    pub(super) has_head: bool,
    pub(super) has_explanations: bool,
    pub(super) is_packed: bool,
    pub(super) end: End,
}

/// How the file ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum End {
    /// As it should: with the end of a line.
    #[default]
    Whole,
    /// With a line that has no end.
    Open,
    /// With a line that is broken off, as a computer leaves it that loses its power.
    Torn,
}

impl Labels {
    /// Reads labels of an SAE from a file: those of [`LabelFile`](super::LabelFile), or explanations that Neuronpedia publishes; gzip is undone.
    /// The first of a feature's explanations becomes its label, and the others lines of its note.
    ///
    /// # Errors
    /// If the file cannot be read, is of another SAE, or has a line that is neither.
    pub fn read(path: impl AsRef<Path>, subject: &LabelSubject) -> Result<Self, LabelError> {
        Ok(read(path.as_ref(), subject)?.labels)
    }
}

pub(super) fn read(path: &Path, subject: &LabelSubject) -> Result<Found, LabelError> {
    let io = |source| LabelError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = BufReader::new(File::open(path).map_err(io)?);
    let mut found = Found {
        is_packed: file.fill_buf().map_err(io)?.starts_with(&GZIP),
        ..Found::default()
    };
    if found.is_packed {
        let unpacked = BufReader::new(MultiGzDecoder::new(file));
        lines(path, unpacked, subject, &mut found)?;
    } else {
        lines(path, file, subject, &mut found)?;
    }
    Ok(found)
}

fn lines(
    path: &Path,
    file: impl BufRead,
    subject: &LabelSubject,
    found: &mut Found,
) -> Result<(), LabelError> {
    let mut file = file.take(MOST_BYTES);
    let mut line = Vec::new();
    for number in 1.. {
        let wrong = |reason: String| LabelError::Line {
            path: path.to_owned(),
            line: number,
            reason,
        };
        line.clear();
        let n = file.by_ref().take(LINE_BYTES).read_until(b'\n', &mut line);
        let n = n.map_err(|source| LabelError::Read {
            path: path.to_owned(),
            source,
        })?;
        if n == 0 {
            break;
        }
        let is_whole = line.ends_with(b"\n");
        if !is_whole && n as u64 == LINE_BYTES {
            return Err(wrong(format!("has more than {LINE_BYTES} bytes")));
        }
        if file.limit() == 0 {
            return Err(LabelError::TooLarge {
                path: path.to_owned(),
                most: MOST_BYTES,
            });
        }
        found.end = if is_whole { End::Whole } else { End::Open };
        let row = std::str::from_utf8(&line)
            .map_err(|_| "is not UTF-8".to_owned())
            .map(str::trim);
        let row = match row {
            Ok("") => continue,
            row => row.and_then(Row::parse),
        };
        match row {
            Ok(row) => take(path, row, subject, found)?.map_or(Ok(()), |why| Err(wrong(why)))?,
            // A line that was being written when the power went.
            Err(_) if !is_whole && !found.is_packed && number > 1 => found.end = End::Torn,
            Err(reason) => return Err(wrong(reason)),
        }
    }
    Ok(())
}

/// Adds what a line says; what is wrong with it, if anything is.
fn take(
    path: &Path,
    row: Row,
    subject: &LabelSubject,
    found: &mut Found,
) -> Result<Option<String>, LabelError> {
    match row {
        Row::Head(of) => {
            check(path, &of, subject)?;
            found.has_head = true;
        }
        Row::Label(label) => {
            if let Some(fault) = label.fault(subject.d_sae) {
                return Ok(Some(fault));
            }
            found.n_lines += 1;
            found.labels.set(label);
        }
        Row::Explanation(feature, text) => {
            found.has_explanations = true;
            let mut label = found.labels.get(feature).cloned().unwrap_or(Label {
                feature,
                ..Label::default()
            });
            add(&mut label, &text);
            if let Some(fault) = label.fault(subject.d_sae) {
                return Ok(Some(fault));
            }
            found.labels.set(label);
        }
    }
    Ok(None)
}

/// Adds an explanation to what is said of a feature. What there is no room for is left out of the label, not of the note.
fn add(label: &mut Label, text: &str) {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let fits = line.len() <= LABEL_BYTES;
    if label.label.is_empty() && fits {
        label.label = line;
        return;
    }
    if label.label.is_empty() {
        let cut = (0..LABEL_BYTES - 2)
            .rev()
            .find(|&n| line.is_char_boundary(n));
        label.label = format!("{}…", &line[..cut.unwrap_or(0)]);
    }
    if label.note.len() + text.len() < NOTE_BYTES && label.label != text {
        if !label.note.is_empty() {
            label.note.push('\n');
        }
        label.note.push_str(text);
    }
}

/// That labels are of this SAE. Its folder may have another name elsewhere; a warning says so.
fn check(path: &Path, of: &LabelSubject, subject: &LabelSubject) -> Result<(), LabelError> {
    let other = |key, found: &str, expected: &str| LabelError::OtherSae {
        path: path.to_owned(),
        key,
        found: found.to_owned(),
        expected: expected.to_owned(),
    };
    if of.d_sae != subject.d_sae {
        let (found, expected) = (of.d_sae.to_string(), subject.d_sae.to_string());
        return Err(other("d_sae", &found, &expected));
    }
    if of.hook_name != subject.hook_name {
        return Err(other("hook_name", &of.hook_name, &subject.hook_name));
    }
    for (key, found, expected) in [
        ("model", &of.model, &subject.model),
        ("SAE", &of.sae, &subject.sae),
    ] {
        if found != expected {
            tracing::warn!(
                "{}: its labels were given with the {key} {found}, and this is {expected}; if that is not the same under another name, they are wrong",
                path.display()
            );
        }
    }
    Ok(())
}
