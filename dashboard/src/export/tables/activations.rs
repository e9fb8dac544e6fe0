//! `activations.parquet`: a row an example.

use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_array::builder::{Float32Builder, Int32Builder, Int64Builder, StringBuilder};
use arrow_schema::DataType::{Float32, Int32, Int64, Utf8};
use arrow_schema::Field;

use super::super::ExportError;
use super::super::text::text;
use super::file::Build;
use super::lists::{Floats, Ints, Texts, field, int, list, long};
use crate::page::Vocabulary;
use crate::{Feature, GroupKind};

#[derive(Debug, Default)]
pub(super) struct Columns {
    index: Int32Builder,
    group: StringBuilder,
    low: Float32Builder,
    high: Float32Builder,
    context: Int64Builder,
    position: Int32Builder,
    start: Int32Builder,
    value: Float32Builder,
    tokens: Ints,
    texts: Texts,
    values: Floats,
}

impl Columns {
    pub(super) fn push(
        &mut self,
        feature: &Feature,
        vocabulary: &(impl Vocabulary + ?Sized),
    ) -> Result<(), ExportError> {
        let index = feature.index;
        for group in &feature.groups {
            let (name, bounds) = match group.kind {
                GroupKind::Top => ("top", None),
                GroupKind::Interval { low, high, .. } => ("interval", Some((low, high))),
                GroupKind::Random => ("random", None),
            };
            for example in &group.examples {
                let target = (example.position - example.start) as usize;
                self.index.append_value(int(index, "index", index)?);
                self.group.append_value(name);
                self.low.append_option(bounds.map(|(low, _)| low));
                self.high.append_option(bounds.map(|(_, high)| high));
                let context = long(index, "context", example.context)?;
                self.context.append_value(context);
                let position = int(index, "position", example.position)?;
                self.position.append_value(position);
                self.start.append_value(int(index, "start", example.start)?);
                self.value.append_value(example.values[target]);
                let tokens = example.tokens.iter();
                self.tokens.push(index, "tokens", tokens.clone().copied())?;
                self.texts
                    .push(tokens.map(|&token| text(vocabulary, token)));
                self.values.push(example.values.iter().copied());
            }
        }
        Ok(())
    }
}

impl Build for Columns {
    fn fields() -> Vec<Field> {
        vec![
            field("index", Int32),
            field("group", Utf8),
            Field::new("low", Float32, true),
            Field::new("high", Float32, true),
            field("context", Int64),
            field("position", Int32),
            field("start", Int32),
            field("value", Float32),
            list("tokens", Int32),
            list("texts", Utf8),
            list("values", Float32),
        ]
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        vec![
            Arc::new(self.index.finish()),
            Arc::new(self.group.finish()),
            Arc::new(self.low.finish()),
            Arc::new(self.high.finish()),
            Arc::new(self.context.finish()),
            Arc::new(self.position.finish()),
            Arc::new(self.start.finish()),
            Arc::new(self.value.finish()),
            self.tokens.finish(),
            self.texts.finish(),
            self.values.finish(),
        ]
    }
}
