//! Dashboards in the formats of others: the files of [Neuronpedia](neuronpedia), and [Parquet tables](ParquetWriter) for data frames.
//!
//! Every writer takes features one at a time, in the order of [`Overview::shown`](crate::Overview::shown), keeps a bounded part of them,
//! and makes a folder that appears whole or not at all. The layouts are in `docs/formats.md`.

mod error;
mod folder;
pub mod neuronpedia;
#[cfg(test)]
mod sample;
mod tables;
mod text;

pub use error::ExportError;
pub use tables::ParquetWriter;
