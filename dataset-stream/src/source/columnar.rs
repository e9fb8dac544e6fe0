//! From a column of an Arrow batch to rows, a block at a time.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, downcast_dictionary_array};
use arrow_schema::{DataType, Schema};

use super::bad::BadCell;
use super::block::{Places, Rows};
use super::columns::{Use, choose_candidate, list_columns};
use super::error::ReadError;
use super::json::record::Column;
use super::reader::Context;
use crate::Location;

/// In a block, so that rows without content fill blocks too.
const MOST_ROWS: usize = 8192;

/// The rows of a batch that have not been handed on yet.
pub(super) struct ArrowRows {
    array: ArrayRef,
    next: usize,
    /// The number in the file of the array's first row.
    first_row: u64,
    column: Arc<str>,
}

impl ArrowRows {
    pub(super) fn new(array: ArrayRef, first_row: u64, column: Arc<str>) -> Self {
        Self {
            array,
            next: 0,
            first_row,
            column,
        }
    }

    /// The next rows of about `target` bytes, and those among them that are not as they should be; `None` at the end.
    pub(super) fn take(&mut self, target: usize) -> Option<(Rows, Vec<(usize, BadCell)>)> {
        if self.next >= self.array.len() {
            return None;
        }
        let first_row = self.first_row + self.next as u64;
        Some(if is_text(self.array.data_type()) {
            self.texts(target, first_row)
        } else {
            self.ids(target, first_row)
        })
    }

    fn texts(&mut self, target: usize, first_row: u64) -> (Rows, Vec<(usize, BadCell)>) {
        let (mut buf, mut ends, mut bad) = (String::new(), Vec::new(), Vec::new());
        while self.goes_on(buf.len() < target, ends.len()) {
            match text_at(&self.array, self.next).map(str::from_utf8) {
                Some(Ok(text)) => buf.push_str(text),
                Some(Err(e)) => bad.push((ends.len(), BadCell::Utf8(e.valid_up_to()))),
                None => bad.push((ends.len(), self.wrong("null"))),
            }
            ends.push(buf.len());
            self.next += 1;
        }
        let places = Places::Rows(first_row);
        (Rows::Texts { buf, ends, places }, bad)
    }

    fn ids(&mut self, target: usize, first_row: u64) -> (Rows, Vec<(usize, BadCell)>) {
        let (mut ids, mut ends, mut bad) = (Vec::new(), Vec::new(), Vec::new());
        while self.goes_on(4 * ids.len() < target, ends.len()) {
            let wrong = match list_at(&self.array, self.next) {
                Some(list) => append_ids(&list, &mut ids),
                None => Some("null".into()),
            };
            if let Some(found) = wrong {
                ids.truncate(ends.last().copied().unwrap_or(0));
                bad.push((ends.len(), self.wrong(&found)));
            }
            ends.push(ids.len());
            self.next += 1;
        }
        let rows = Rows::Ids {
            ids,
            ends,
            first_row,
        };
        (rows, bad)
    }

    fn goes_on(&self, has_room: bool, rows: usize) -> bool {
        self.next < self.array.len() && (rows == 0 || (has_room && rows < MOST_ROWS))
    }

    fn wrong(&self, found: &str) -> BadCell {
        BadCell::Wrong {
            column: (*self.column).to_owned(),
            found: found.into(),
        }
    }
}

/// The column to read and its place in the schema.
pub(super) fn choose(
    schema: &Schema,
    location: &Location,
    context: &mut Context<'_>,
) -> Result<(usize, Arc<str>), ReadError> {
    let column = context.column(|| detect(schema, location.clone()))?;
    let missing = || ReadError::MissingColumn {
        location: location.clone(),
        column: column.to_string(),
        columns: describe(schema),
    };
    let Column::Named(name) = &*column else {
        return Err(missing());
    };
    let (index, field) = schema.column_with_name(name).ok_or_else(missing)?;
    if !is_text(field.data_type()) && !is_ids(field.data_type()) {
        return Err(ReadError::WrongType {
            location: location.clone(),
            column: name.clone(),
            found: format!("of type {}", field.data_type()),
        });
    }
    Ok((index, name.as_str().into()))
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => true,
        DataType::Dictionary(_, values) => {
            !matches!(**values, DataType::Dictionary(..)) && is_text(values)
        }
        _ => false,
    }
}

fn is_ids(kind: &DataType) -> bool {
    match kind {
        DataType::List(item) | DataType::LargeList(item) => item.data_type().is_integer(),
        // Of lists of nothing there could be any number in no space.
        DataType::FixedSizeList(item, size) => *size > 0 && item.data_type().is_integer(),
        _ => false,
    }
}

fn detect(schema: &Schema, location: Location) -> Result<Column, ReadError> {
    let use_of = |name: &str| {
        let kind = schema.field_with_name(name).ok()?.data_type();
        Some(if is_text(kind) {
            Use::Text
        } else if is_ids(kind) {
            Use::Ids
        } else {
            Use::Nothing
        })
    };
    match choose_candidate(use_of) {
        Some(name) => Ok(Column::Named(name.into())),
        None => Err(ReadError::NoTextColumn {
            location,
            columns: describe(schema),
        }),
    }
}

fn describe(schema: &Schema) -> String {
    list_columns(
        schema
            .fields()
            .iter()
            .map(|field| (field.name().as_str(), field.data_type().to_string())),
    )
}

/// The bytes of a text; `None` for null.
fn text_at(array: &dyn Array, row: usize) -> Option<&[u8]> {
    if array.is_null(row) {
        return None;
    }
    downcast_dictionary_array!(
        array => array.key(row).and_then(|key| text_at(&**array.values(), key)),
        DataType::Utf8 => Some(array.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => Some(array.as_string::<i64>().value(row).as_bytes()),
        DataType::Utf8View => Some(array.as_string_view().value(row).as_bytes()),
        DataType::Binary => Some(array.as_binary::<i32>().value(row)),
        DataType::LargeBinary => Some(array.as_binary::<i64>().value(row)),
        DataType::BinaryView => Some(array.as_binary_view().value(row)),
        // The column has been looked at: it is one of these.
        _ => None,
    )
}

/// The values of a list; `None` for null.
fn list_at(array: &dyn Array, row: usize) -> Option<ArrayRef> {
    if array.is_null(row) {
        return None;
    }
    match array.data_type() {
        DataType::List(_) => Some(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
        DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
        _ => None,
    }
}

/// Appends a list's ids; what is wrong with it, for a message.
fn append_ids(list: &ArrayRef, out: &mut Vec<u32>) -> Option<String> {
    if list.null_count() > 0 {
        return Some("a list with a null in it".into());
    }
    let bad = match list.data_type() {
        DataType::Int8 => append::<Int8Type>(list, out),
        DataType::Int16 => append::<Int16Type>(list, out),
        DataType::Int32 => append::<Int32Type>(list, out),
        DataType::Int64 => append::<Int64Type>(list, out),
        DataType::UInt8 => append::<UInt8Type>(list, out),
        DataType::UInt16 => append::<UInt16Type>(list, out),
        DataType::UInt32 => append::<UInt32Type>(list, out),
        DataType::UInt64 => append::<UInt64Type>(list, out),
        other => return Some(format!("a list of {other}")),
    };
    bad.map(|value| format!("a list with {value} in it"))
}

/// Appends a list's ids; the first value that is none, for a message.
fn append<T: ArrowPrimitiveType>(list: &ArrayRef, out: &mut Vec<u32>) -> Option<String>
where
    T::Native: TryInto<u32> + std::fmt::Display,
{
    for &value in list.as_primitive::<T>().values() {
        match value.try_into() {
            Ok(id) => out.push(id),
            Err(_) => return Some(value.to_string()),
        }
    }
    None
}
