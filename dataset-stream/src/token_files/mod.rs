//! Files of token ids as they lie on the disk: safetensors files, which are mapped, and folders of them with a manifest.
//!
//! Data sets ([`crate::source`]) and tables ([`crate::table`]) both read them.

mod error;
mod folder;
mod manifest;
mod mapped;
mod metadata;

pub use error::TableError;
pub use metadata::TableMetadata;

pub(crate) use folder::{Folder, shard_files};
pub(crate) use manifest::{
    MANIFEST, Manifest, Shard, is_own_file, sha256_of, shard_name, sync_folder,
};
pub(crate) use mapped::Mapped;

/// The tensor that holds the rows.
pub(crate) const KEY: &str = "tokens";
/// The header entry that holds [`TableMetadata`].
pub(crate) const METADATA: &str = "sae_lens";
