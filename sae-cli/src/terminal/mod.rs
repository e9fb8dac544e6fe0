//! Everything a person sees: results on stdout; logs, progress and the end of an interrupted call on stderr.

mod clock;
pub(crate) mod interrupt;
mod logging;
mod output;
pub(crate) mod progress;

pub(crate) use clock::Clock;
pub(crate) use logging::{start_logging, warnings};
pub(crate) use output::{Output, print_error, print_line};
