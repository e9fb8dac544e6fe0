//! A run of rows as the reader hands it on: the expensive part, parsing, is left to whoever takes it.

use std::sync::Arc;

use super::bad::BadCell;
use super::columns;
use super::error::ReadError;
use super::json::cell::Found;
use super::json::record::{self, Column, Scratch};
use crate::{Location, Place};

/// Consecutive rows of one file.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) file: Arc<str>,
    /// The file's number in the source; set by the reader of all files.
    pub(crate) file_number: usize,
    pub(crate) rows: Rows,
    /// Rows, by their number in the block, that the reader has seen to be bad; they stand empty in `rows`.
    pub(crate) bad: Vec<(usize, BadCell)>,
    /// The longest record that is accepted, in bytes.
    pub(crate) limit: usize,
    /// Bytes of the whole source read from disk once this block was.
    pub(crate) on_disk: u64,
}

/// The rows, in the cheapest form that the reader could give them.
#[derive(Debug)]
pub(crate) enum Rows {
    /// Whole lines of JSON.
    Lines {
        buf: Vec<u8>,
        first_line: u64,
        /// `None` if no line has one: all are bad.
        column: Option<Arc<Column>>,
    },
    /// JSON values found in a `.json` file.
    Values {
        buf: Vec<u8>,
        spans: Vec<ValueSpan>,
        first_index: u64,
        /// As of lines.
        column: Option<Arc<Column>>,
    },
    /// Texts end to end.
    Texts {
        buf: String,
        ends: Vec<usize>,
        places: Places,
    },
    /// Lists of ids end to end.
    Ids {
        ids: Vec<u32>,
        ends: Vec<usize>,
        first_row: u64,
    },
}

/// Where a JSON value lies in its block, and the line where it starts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ValueSpan {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) line: u64,
}

/// How the texts of a block are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Places {
    /// The one text is the whole file.
    Whole,
    /// Rows of a table, the first of them this one.
    Rows(u64),
}

/// How far into a block the reader is.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    byte: usize,
    row: usize,
}

/// A row, borrowed from its block or from the scratch space it was parsed into.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RowRef<'a> {
    Text(&'a str),
    Ids(&'a [u32]),
}

impl Cursor {
    /// After this many rows that end there.
    fn after(rows: usize, ends: &[usize]) -> Self {
        let row = rows.min(ends.len());
        let byte = row.checked_sub(1).map_or(0, |last| ends[last]);
        Self { byte, row }
    }
}

impl Block {
    /// Bytes of memory that the block holds.
    pub(crate) fn bytes(&self) -> usize {
        match &self.rows {
            Rows::Lines { buf, .. } => buf.len(),
            Rows::Values { buf, spans, .. } => buf.len() + size_of_val(spans.as_slice()),
            Rows::Texts { buf, ends, .. } => buf.len() + size_of_val(ends.as_slice()),
            Rows::Ids { ids, ends, .. } => {
                size_of_val(ids.as_slice()) + size_of_val(ends.as_slice())
            }
        }
    }

    /// The next row and its place; `None` after the last.
    pub(crate) fn next<'a>(
        &'a self,
        cursor: &mut Cursor,
        scratch: &'a mut Scratch,
    ) -> Option<Result<(RowRef<'a>, Place), ReadError>> {
        self.next_of(cursor, scratch, |_| true)
    }

    /// The next row whose number in the file is wanted; the others are skipped without being parsed.
    pub(crate) fn next_of<'a>(
        &'a self,
        cursor: &mut Cursor,
        scratch: &'a mut Scratch,
        is_wanted: impl Fn(u64) -> bool,
    ) -> Option<Result<(RowRef<'a>, Place), ReadError>> {
        match &self.rows {
            Rows::Lines {
                buf,
                first_line,
                column,
            } => {
                let bad = |row: usize| self.bad_at(row).is_some();
                let (line, place) = loop {
                    let (line, place) = next_line_or(buf, *first_line, cursor, bad)?;
                    if is_wanted(place.ordinal()) {
                        break (line, place);
                    }
                };
                if let Some(bad) = self.bad_at(cursor.row - 1) {
                    return Some(Err(bad.error(self.location(place), self.limit)));
                }
                Some(self.record(line, place, column.as_deref(), scratch))
            }
            Rows::Values {
                buf,
                spans,
                first_index,
                column,
            } => {
                while cursor.row < spans.len() && !is_wanted(first_index + cursor.row as u64) {
                    cursor.row += 1;
                }
                let span = spans.get(cursor.row)?;
                let place = Place::Record {
                    index: first_index + cursor.row as u64,
                    line: span.line,
                };
                cursor.row += 1;
                let value = &buf[span.start..span.end];
                Some(self.record(value, place, column.as_deref(), scratch))
            }
            Rows::Texts { buf, ends, places } => {
                let place = |row: usize| match places {
                    Places::Whole => Place::Whole,
                    Places::Rows(first) => Place::Row(first + row as u64),
                };
                let range = loop {
                    let range = next_range(ends, cursor)?;
                    if is_wanted(place(cursor.row - 1).ordinal()) {
                        break range;
                    }
                };
                let place = place(cursor.row - 1);
                if let Some(bad) = self.bad_at(cursor.row - 1) {
                    return Some(Err(bad.error(self.location(place), self.limit)));
                }
                if range.len() > self.limit {
                    return Some(Err(self.too_long(place)));
                }
                Some(Ok((RowRef::Text(&buf[range]), place)))
            }
            Rows::Ids {
                ids,
                ends,
                first_row,
            } => {
                let range = loop {
                    let range = next_range(ends, cursor)?;
                    if is_wanted(first_row + cursor.row as u64 - 1) {
                        break range;
                    }
                };
                let place = Place::Row(first_row + cursor.row as u64 - 1);
                if let Some(bad) = self.bad_at(cursor.row - 1) {
                    return Some(Err(bad.error(self.location(place), self.limit)));
                }
                Some(Ok((RowRef::Ids(&ids[range]), place)))
            }
        }
    }

    /// A cursor before the first row whose number in the file is at least `ordinal`; rows before it are not parsed.
    pub(crate) fn cursor_at(&self, ordinal: u64) -> Cursor {
        let to_skip =
            |first: u64| usize::try_from(ordinal.saturating_sub(first)).unwrap_or(usize::MAX);
        match &self.rows {
            Rows::Lines {
                buf, first_line, ..
            } => {
                let row = to_skip(first_line.saturating_sub(1));
                let byte = row.checked_sub(1).map_or(0, |last| {
                    let end = memchr::memchr_iter(b'\n', buf).nth(last);
                    end.map_or(buf.len(), |end| end + 1)
                });
                Cursor { byte, row }
            }
            Rows::Values {
                spans, first_index, ..
            } => Cursor {
                byte: 0,
                row: to_skip(*first_index).min(spans.len()),
            },
            Rows::Texts { ends, places, .. } => {
                let first = match places {
                    Places::Whole => 0,
                    Places::Rows(first) => *first,
                };
                Cursor::after(to_skip(first), ends)
            }
            Rows::Ids {
                ends, first_row, ..
            } => Cursor::after(to_skip(*first_row), ends),
        }
    }

    fn record<'a>(
        &self,
        bytes: &[u8],
        place: Place,
        column: Option<&Column>,
        scratch: &'a mut Scratch,
    ) -> Result<(RowRef<'a>, Place), ReadError> {
        if bytes.len() > self.limit {
            return Err(self.too_long(place));
        }
        let location = || self.location(place);
        let detected;
        let column = if let Some(column) = column {
            column
        } else {
            detected = columns::detect(bytes, location())?;
            &detected
        };
        match record::parse(bytes, column, scratch)
            .map_err(|e| record::bad_json(&e, bytes, location()))?
        {
            Found::Text => Ok((RowRef::Text(&scratch.text), place)),
            Found::Ids => Ok((RowRef::Ids(&scratch.ids), place)),
            Found::Wrong(found) => Err(ReadError::WrongType {
                location: location(),
                column: column.to_string(),
                found: found.to_string(),
            }),
            Found::Missing => Err(ReadError::MissingColumn {
                location: location(),
                column: column.to_string(),
                columns: columns::describe(bytes),
            }),
        }
    }

    /// What is wrong with a row of a table, if the reader has seen it.
    #[cfg(feature = "parquet")]
    pub(crate) fn error_at(&self, row: usize) -> Option<ReadError> {
        let first = match &self.rows {
            Rows::Ids { first_row, .. } => *first_row,
            _ => 0,
        };
        let location = self.location(Place::Row(first + row as u64));
        self.bad_at(row).map(|bad| bad.error(location, self.limit))
    }

    /// What is wrong with a row, if the reader has seen it.
    fn bad_at(&self, row: usize) -> Option<&BadCell> {
        let found = self.bad.binary_search_by_key(&row, |(row, _)| *row);
        found.ok().map(|i| &self.bad[i].1)
    }

    /// The bytes of the row that was read last, where it has some.
    pub(crate) fn last_record(&self, cursor: &Cursor) -> &[u8] {
        match &self.rows {
            Rows::Lines { buf, .. } => {
                let end = cursor.byte.min(buf.len());
                let line = buf[..end].strip_suffix(b"\n").unwrap_or(&buf[..end]);
                let start = memchr::memrchr(b'\n', line).map_or(0, |i| i + 1);
                line[start..].trim_ascii()
            }
            Rows::Values { buf, spans, .. } => {
                let span = cursor.row.checked_sub(1).and_then(|row| spans.get(row));
                span.map_or(&[], |span| &buf[span.start..span.end])
            }
            Rows::Texts { .. } | Rows::Ids { .. } => &[],
        }
    }

    fn too_long(&self, place: Place) -> ReadError {
        ReadError::TooLong {
            location: self.location(place),
            limit: self.limit,
        }
    }

    pub(crate) fn location(&self, place: Place) -> Location {
        Location {
            file: Arc::clone(&self.file),
            place,
        }
    }
}

/// The next line that is not blank, and its number.
pub(super) fn next_line<'a>(
    buf: &'a [u8],
    first_line: u64,
    cursor: &mut Cursor,
) -> Option<(&'a [u8], Place)> {
    next_line_or(buf, first_line, cursor, |_| false)
}

/// The next line that is not blank, or that counts all the same.
fn next_line_or<'a>(
    buf: &'a [u8],
    first_line: u64,
    cursor: &mut Cursor,
    counts: impl Fn(usize) -> bool,
) -> Option<(&'a [u8], Place)> {
    loop {
        let rest = buf.get(cursor.byte..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].trim_ascii();
        let place = Place::Line(first_line + cursor.row as u64);
        cursor.byte += end + 1;
        cursor.row += 1;
        if !line.is_empty() || counts(cursor.row - 1) {
            return Some((line, place));
        }
    }
}

fn next_range(ends: &[usize], cursor: &mut Cursor) -> Option<std::ops::Range<usize>> {
    let end = *ends.get(cursor.row)?;
    let range = cursor.byte..end;
    cursor.byte = end;
    cursor.row += 1;
    Some(range)
}
