#![doc = include_str!("../README.md")]

mod architecture;
mod buffer;
mod cached;
mod check;
mod checkpoint;
mod config;
mod device;
mod engine;
mod finish;
mod host;
mod init;
mod keys;
pub mod memory;
mod options;
mod output;
mod random;
mod resample;
pub mod schedule;
mod session;
mod step;
mod trainer;
mod weights;

pub use architecture::{TrainArchitecture, UnknownArchitecture};
pub use cached::{CachedActivations, CachedRead, CachedReadError};
pub use check::OptionError;
pub use checkpoint::CheckpointError;
pub use config::{
    ConfigError, ConfigProblem, ExcludeSpecialTokens, RunConfig, SeqposSlice, SequenceSeparator,
};
pub use device::{DeviceOptions, TrainDeviceError};
pub use finish::Finished;
pub use options::{AuxLoss, BiasInit, LrScheduler, Normalization, SparsityLoss, TrainOptions};
pub use output::{MetricsLine, MetricsLog, RunFolder};
pub use session::{
    Activations, ReportedStep, Session, SessionError, SessionOptions, TrainingRun, checkpoints,
};
pub use trainer::{Counts, Diverged, StepReport, Trainer};
pub use weights::{Shape, Weights};
