#![doc = include_str!("../README.md")]

mod autoencoder;
mod ensemble;
mod features;
mod model;
mod multi;
mod sparse_rows;

pub use autoencoder::{Autoencoder, Reconstruction};
pub use burn;
pub use ensemble::Ensemble;
pub use features::Features;
pub use model::{Prefix, Splice, SplitModel};
pub use multi::{ChainEdit, ChainPlace, MultiRun, MultiSplitModel};
pub use sparse_rows::SparseRows;
