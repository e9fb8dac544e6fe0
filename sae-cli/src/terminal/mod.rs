//! Everything a person sees: results on stdout; logs, progress and the end of an interrupted call on stderr.

mod clock;
pub(crate) mod interrupt;
mod logging;
mod output;
pub(crate) mod progress;
mod shown;

pub(crate) use clock::Clock;
pub(crate) use logging::{start_logging, warnings};
pub(crate) use output::{Output, columns, print_error, print_line};
pub(crate) use shown::Shown;
