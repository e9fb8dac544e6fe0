//! Parquet: the one column that is read, a batch of rows at a time.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ListArray};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::bad::BadCell;
use super::block::{Block, Places, Rows};
use super::columns::{CANDIDATES, list_columns};
use super::error::ReadError;
use super::reader::{BlockReader, Context};
use super::record::Column;
use super::spec::DataFile;
use crate::{Location, Place};

pub(super) struct Parquet {
    file: Arc<DataFile>,
    builder: Option<ParquetRecordBatchReaderBuilder<File>>,
    rows: Option<ParquetRecordBatchReader>,
    column: String,
    next_row: u64,
    total_rows: u64,
}

impl Parquet {
    pub(super) fn open(file: Arc<DataFile>) -> Result<Self, ReadError> {
        let opened = File::open(&file.path).map_err(|source| ReadError::Io {
            file: file.name.to_string(),
            source,
        })?;
        // The Arrow schema that some writers embed would bring in dictionary and view types; the plain one has all we need.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = guarded(&file, || {
            ParquetRecordBatchReaderBuilder::try_new_with_options(opened, options)
        })?;
        let total_rows = builder.metadata().file_metadata().num_rows().max(0) as u64;
        Ok(Self {
            file,
            builder: Some(builder),
            rows: None,
            column: String::new(),
            next_row: 0,
            total_rows,
        })
    }

    fn location(&self, row: u64) -> Location {
        Location {
            file: Arc::clone(&self.file.name),
            place: Place::Row(row),
        }
    }

    /// Chooses the column and starts reading it.
    fn start(
        &mut self,
        builder: ParquetRecordBatchReaderBuilder<File>,
        context: &mut Context<'_>,
    ) -> Result<ParquetRecordBatchReader, ReadError> {
        let schema = Arc::clone(builder.schema());
        let location = self.location(0);
        let column = context.column(|| detect(&schema, location.clone()))?;
        let missing = || ReadError::MissingColumn {
            location: location.clone(),
            column: column.to_string(),
            columns: describe(&schema),
        };
        let Column::Named(name) = &*column else {
            return Err(missing());
        };
        let (index, field) = schema.column_with_name(name).ok_or_else(missing)?;
        if !is_text(field.data_type()) && !is_ids(field.data_type()) {
            let found = format!("of type {}", field.data_type());
            return Err(ReadError::WrongType {
                location,
                column: name.clone(),
                found,
            });
        }
        self.column.clone_from(name);
        let mask = ProjectionMask::roots(builder.parquet_schema(), [index]);
        let per_row = bytes_per_row(&builder, name);
        let batch = (context.target / per_row.max(1)).clamp(1, 8192);
        guarded(&self.file, || {
            builder.with_projection(mask).with_batch_size(batch).build()
        })
    }

    /// The batch's rows, and those among them that are not as they should be.
    fn rows_of(&self, array: &ArrayRef) -> (Rows, Vec<(usize, BadCell)>) {
        match array.data_type() {
            DataType::Utf8 => self.texts(array.as_string::<i32>().iter().map(|text| text.map(Ok))),
            DataType::Binary => self.texts(
                array
                    .as_binary::<i32>()
                    .iter()
                    .map(|text| text.map(str::from_utf8)),
            ),
            _ => self.ids(array.as_list::<i32>()),
        }
    }

    fn texts<'a>(
        &self,
        texts: impl Iterator<Item = Option<Result<&'a str, std::str::Utf8Error>>>,
    ) -> (Rows, Vec<(usize, BadCell)>) {
        let (mut buf, mut ends, mut bad) = (String::new(), Vec::new(), Vec::new());
        for text in texts {
            match text {
                Some(Ok(text)) => buf.push_str(text),
                Some(Err(e)) => bad.push((ends.len(), BadCell::Utf8(e.valid_up_to()))),
                None => bad.push((ends.len(), self.wrong("null"))),
            }
            ends.push(buf.len());
        }
        let rows = Rows::Texts {
            buf,
            ends,
            places: Places::Rows(self.next_row),
        };
        (rows, bad)
    }

    fn ids(&self, lists: &ListArray) -> (Rows, Vec<(usize, BadCell)>) {
        let (mut ids, mut ends, mut bad) = (
            Vec::with_capacity(lists.values().len()),
            Vec::new(),
            Vec::new(),
        );
        for list in lists {
            let wrong = match list {
                Some(list) => append_ids(&list, &mut ids),
                None => Some("null".into()),
            };
            if let Some(found) = wrong {
                ids.truncate(ends.last().copied().unwrap_or(0));
                bad.push((ends.len(), self.wrong(&found)));
            }
            ends.push(ids.len());
        }
        let rows = Rows::Ids {
            ids,
            ends,
            first_row: self.next_row,
        };
        (rows, bad)
    }

    fn wrong(&self, found: &str) -> BadCell {
        BadCell::Wrong {
            column: self.column.clone(),
            found: found.into(),
        }
    }
}

impl BlockReader for Parquet {
    fn next_block(&mut self, context: &mut Context<'_>) -> Result<Option<Block>, ReadError> {
        if let Some(builder) = self.builder.take() {
            self.rows = Some(self.start(builder, context)?);
        }
        let file = Arc::clone(&self.file);
        let Some(rows) = &mut self.rows else {
            return Ok(None);
        };
        let Some(batch) = guarded(&file, || rows.next().transpose())? else {
            return Ok(None);
        };
        let (rows, bad) = self.rows_of(batch.column(0));
        self.next_row += batch.num_rows() as u64;
        Ok(Some(Block {
            file: Arc::clone(&self.file.name),
            file_number: 0,
            rows,
            bad,
            limit: context.limit,
            on_disk: 0,
        }))
    }

    /// By rows: what the library reads ahead is not ours to know.
    fn on_disk(&self) -> u64 {
        let share = self.next_row as f64 / self.total_rows.max(1) as f64;
        (self.file.bytes as f64 * share.min(1.0)) as u64
    }
}

/// Runs the library so that neither an error nor a panic on a hostile file gets past.
fn guarded<T, E: std::fmt::Display>(
    file: &DataFile,
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, ReadError> {
    let reason = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the Parquet reader gave up on its structure".into(),
    };
    Err(ReadError::Corrupt {
        file: file.name.to_string(),
        format: "Parquet",
        reason,
    })
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

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::Binary)
}

fn is_ids(kind: &DataType) -> bool {
    matches!(kind, DataType::List(item) if item.data_type().is_integer())
}

fn detect(schema: &Schema, location: Location) -> Result<Column, ReadError> {
    let fits = |name: &&str| {
        schema
            .field_with_name(name)
            .is_ok_and(|field| is_text(field.data_type()) || is_ids(field.data_type()))
    };
    match CANDIDATES.iter().find(|name| fits(name)) {
        Some(&name) => Ok(Column::Named(name.into())),
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

/// The column's average uncompressed size, so that a batch has about the bytes of a block.
fn bytes_per_row(builder: &ParquetRecordBatchReaderBuilder<File>, column: &str) -> usize {
    let groups = builder.metadata().row_groups();
    let bytes: i64 = groups
        .iter()
        .flat_map(parquet::file::metadata::RowGroupMetaData::columns)
        .filter(|chunk| {
            chunk
                .column_path()
                .parts()
                .first()
                .is_some_and(|root| root == column)
        })
        .map(parquet::file::metadata::ColumnChunkMetaData::uncompressed_size)
        .fold(0, i64::saturating_add);
    let rows: i64 = groups
        .iter()
        .map(parquet::file::metadata::RowGroupMetaData::num_rows)
        .fold(0, i64::saturating_add);
    (bytes.max(0) / rows.max(1)) as usize
}
