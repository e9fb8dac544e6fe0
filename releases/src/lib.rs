#![doc = include_str!("../README.md")]

mod name;
mod table;

pub use name::{NameError, Named, find, matching};
pub use table::{PublishedSae, Release, releases, source};
