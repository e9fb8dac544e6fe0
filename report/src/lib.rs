#![doc = include_str!("../README.md")]

mod checks;
pub mod contrast;
mod describe;
mod escape;
mod evaluated;
mod features;
mod figures;
mod folder;
mod graph;
mod nominal;
mod page;
mod palette;
pub mod plots;
mod report;
mod scale;
mod several;
mod sheet;
pub mod steering;
mod terminal;
mod training;
mod warnings;

pub use checks::{Check, Facts, Verdict, warnings as warnings_of_checks};
pub use describe::{DataDescription, ModelDescription, SaeDescription};
pub use evaluated::{EvalCfg, EvalOutcome, EvalTimings, Evaluated};
pub use features::{Features, Named, Recorded};
pub use figures::{csv, table};
pub use folder::{ReportError, ReportFolder};
pub use graph::{GraphPage, GraphPageError, graph_page};
pub use nominal::{Nominal, NominalSource};
pub use page::{Links, LinksError, page};
pub use report::{Conventions, Described, L0, Loss, Report, Timings, Versions};
pub use several::{EvaluatedSeveral, Forward, Together};
pub use sheet::{Cell, Grid, Sheet, Strip, Table, csv_table};
pub use terminal::terminal;
pub use training::{TrainingRecord, TrainingRun, TrainingState, training_page};
pub use warnings::{Signs, of_place};
