//! From a log of activations and an SAE's weights to features in whatever formats are wanted.
//!
//! [`Collected`] joins what the log says with what the weights say ([`ShownWeights`]) and hands each feature to every [`Sink`];
//! [`Places`] opens the sinks of some [`Format`]s at their places below one output, which appears with all of them.

mod collected;
mod places;
mod sinks;
mod weights;

pub use collected::{Collected, Sink};
pub use places::{Content, Format, PlaceError, Places, page_form};
pub use weights::{LensOptions, ShownWeights};
