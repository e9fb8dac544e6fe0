#![doc = include_str!("../README.md")]

mod checks;
mod describe;
mod escape;
mod evaluated;
mod features;
mod figures;
mod folder;
mod nominal;
mod page;
mod palette;
pub mod plots;
mod report;
mod scale;
mod terminal;
mod training;
mod warnings;

pub use checks::{Check, Facts, Verdict, warnings as warnings_of_checks};
pub use describe::{DataDescription, ModelDescription, SaeDescription};
pub use evaluated::{EvalCfg, EvalOutcome, EvalTimings, Evaluated};
pub use features::{Features, Named, Recorded};
pub use figures::{csv, table};
pub use folder::{ReportError, ReportFolder};
pub use nominal::{Nominal, NominalSource};
pub use page::{Links, LinksError, page};
pub use report::{Conventions, Described, L0, Loss, Report, Timings, Versions};
pub use terminal::terminal;
pub use training::{TrainingRecord, TrainingRun, TrainingState, training_page};
pub use warnings::{Signs, of_place};
