//! Libraries that read hostile files.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs a library so that neither an error nor a panic on a hostile file gets past; returns what is wrong as text.
pub(super) fn guarded<T, E: std::fmt::Display>(
    run: impl FnOnce() -> Result<T, E>,
) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("its structure makes no sense to the reader".into()),
    }
}
