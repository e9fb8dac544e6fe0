//! JSON: values line by line or one after the other, and what a column of one holds.

pub(in crate::source) mod cell;
pub(in crate::source) mod lines;
pub(in crate::source) mod literals;
pub(crate) mod record;
mod scanner;
pub(in crate::source) mod values;
