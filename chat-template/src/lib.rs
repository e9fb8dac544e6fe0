#![doc = include_str!("../README.md")]

mod clock;
mod environment;
mod error;
mod files;
mod generation;
mod message;
mod options;
mod python;
mod template;
mod tojson;
mod tokens;

pub use clock::{Moment, NoMoment};
pub use error::{ChatTemplateError, Place};
pub use message::Message;
pub use options::RenderOptions;
pub use template::ChatTemplate;
pub use tokens::SpecialTokens;
