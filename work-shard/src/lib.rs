//! Which worker of how many a process is: [`from_environment`] reads the variables that launchers set.
//!
//! # Tasks
#![doc = include_str!("../README.md")]

mod environment;
mod error;
mod launcher;

pub use environment::{Found, Shard, from_environment};
pub use error::EnvironmentError;
pub use launcher::Launcher;
