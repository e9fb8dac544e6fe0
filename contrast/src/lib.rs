#![doc = include_str!("../README.md")]

mod auroc;
mod correction;
mod error;
mod feature;
mod groups;
mod logistic;
mod moments;
mod observations;
mod options;
mod permutation;
mod probe;
mod random;
mod rank;
mod run;
mod student;

pub use auroc::auroc;
pub use correction::benjamini_hochberg;
pub use error::{GroupsError, ObservationError, ProbeError};
pub use feature::{FeatureContrast, Top};
pub use groups::{Groups, Set};
pub use logistic::{LogisticFit, logistic_regression};
pub use observations::{Active, Entry, Observations};
pub use options::ContrastOptions;
pub use probe::{Probe, ProbeOptions, probes};
pub use rank::{RankBy, ranked};
pub use run::{Contrast, contrast};
pub use student::two_sided_p;
