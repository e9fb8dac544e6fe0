#![doc = include_str!("../README.md")]

mod dtype;
mod error;
mod manifest;
mod reader;
mod settings;
mod shard;
mod space;
mod writer;

pub use dtype::{CacheDtype, Precision};
pub use error::CacheError;
pub use manifest::{Manifest, ShardEntry};
pub use reader::ActivationCache;
pub use settings::{CacheSettings, CachedHook};
pub use writer::CacheWriter;
