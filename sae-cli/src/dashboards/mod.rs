//! What `sae dashboard` and `sae serve` share: the activation log, the features built from it, and where they go.

pub(crate) mod build;
pub(crate) mod choice;
pub(crate) mod formats;
pub(crate) mod live;
pub(crate) mod logging;
pub(crate) mod own_text;
pub(crate) mod places;
pub(crate) mod prepare;
pub(crate) mod rows;
mod sinks;
pub(crate) mod tokens;
pub(crate) mod weights;
