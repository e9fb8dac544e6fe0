//! Columns of lists, and numbers that have to fit.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Float32Builder, Int32Builder, ListBuilder, StringBuilder};
use arrow_schema::{DataType, Field, FieldRef};

use super::super::ExportError;

fn item(of: DataType) -> FieldRef {
    Arc::new(Field::new("element", of, false))
}

pub(super) fn field(name: &str, of: DataType) -> Field {
    Field::new(name, of, false)
}

pub(super) fn list(name: &str, of: DataType) -> Field {
    field(name, DataType::List(item(of)))
}

/// Lists of numbers from 0 to 2³¹ − 1.
#[derive(Debug)]
pub(super) struct Ints(ListBuilder<Int32Builder>);

impl Default for Ints {
    fn default() -> Self {
        Self(ListBuilder::new(Int32Builder::new()).with_field(item(DataType::Int32)))
    }
}

impl Ints {
    pub(super) fn push(
        &mut self,
        feature: u32,
        column: &'static str,
        values: impl Iterator<Item = u32>,
    ) -> Result<(), ExportError> {
        for value in values {
            let value = int(feature, column, value)?;
            self.0.values().append_value(value);
        }
        self.0.append(true);
        Ok(())
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Lists of f32.
#[derive(Debug)]
pub(super) struct Floats(ListBuilder<Float32Builder>);

impl Default for Floats {
    fn default() -> Self {
        Self(ListBuilder::new(Float32Builder::new()).with_field(item(DataType::Float32)))
    }
}

impl Floats {
    pub(super) fn push(&mut self, values: impl Iterator<Item = f32>) {
        values.for_each(|value| self.0.values().append_value(value));
        self.0.append(true);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

/// Lists of text.
#[derive(Debug)]
pub(super) struct Texts(ListBuilder<StringBuilder>);

impl Default for Texts {
    fn default() -> Self {
        Self(ListBuilder::new(StringBuilder::new()).with_field(item(DataType::Utf8)))
    }
}

impl Texts {
    pub(super) fn push(&mut self, texts: impl Iterator<Item = impl AsRef<str>>) {
        texts.for_each(|text| self.0.values().append_value(text));
        self.0.append(true);
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        Arc::new(self.0.finish())
    }
}

pub(super) fn int(feature: u32, column: &'static str, value: u32) -> Result<i32, ExportError> {
    i32::try_from(value).map_err(|_| ExportError::TooLarge {
        index: feature,
        column,
        value: value.into(),
        most: i32::MAX as u64,
    })
}

pub(super) fn long(feature: u32, column: &'static str, value: u64) -> Result<i64, ExportError> {
    i64::try_from(value).map_err(|_| ExportError::TooLarge {
        index: feature,
        column,
        value,
        most: i64::MAX as u64,
    })
}
