//! Dashboards in the formats of others: the files of [Neuronpedia](neuronpedia), and [Parquet tables](ParquetWriter) for data frames;
//! for those who explain features and judge explanations, [delphi's cache](delphi) and [questions].
//!
//! Every writer of features takes features one at a time, in the order of [`Overview::shown`](crate::Overview::shown), keeps a bounded part of them,
//! and makes a folder that appears whole or not at all. The layouts are in `docs/formats.md`.

pub mod delphi;
mod error;
mod folder;
mod logged;
pub mod neuronpedia;
pub mod questions;
#[cfg(test)]
mod sample;
mod tables;
mod text;

pub use error::ExportError;
pub use logged::Logged;
pub use tables::ParquetWriter;
