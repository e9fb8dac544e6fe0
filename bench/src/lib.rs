#![doc = include_str!("../README.md")]

mod ablation;
mod chance;
mod classes;
mod error;
mod inputs;
mod probe;
mod scr;
mod sparse_probing;
mod texts;
mod tpp;

pub use ablation::Decoder;
pub use chance::{Chance, Seeded};
pub use classes::{Class, Split};
pub use error::BenchError;
pub use probe::{LinearProbe, TrainProbe};
pub use scr::{Scr, ScrData, ScrFigures, scr, scr_probes};
pub use sparse_probing::{ClassProbes, SparseProbing, TopProbe, sparse_probing};
pub use texts::Texts;
pub use tpp::{Perturbation, Tpp, TppFigures, tpp, tpp_probes};
