//! Panics. Some readers turn those of a library into errors, so that a panic is a fault only where it comes out of a target.

use std::io::Write;
use std::panic::PanicHookInfo;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};

static LAST: Mutex<String> = Mutex::new(String::new());
static SO_FAR: AtomicUsize = AtomicUsize::new(0);

/// A hook that keeps what a panic says instead of printing it.
pub fn note_panic(info: &PanicHookInfo<'_>) {
    SO_FAR.fetch_add(1, Relaxed);
    let backtrace = match std::env::var_os("RUST_BACKTRACE") {
        Some(_) => std::backtrace::Backtrace::force_capture().to_string(),
        None => String::new(),
    };
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = format!("{info}\n{backtrace}");
}

/// What the last panic said.
pub fn noted_panic() -> String {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Panics so far, on any thread.
pub(crate) fn count() -> usize {
    SO_FAR.load(Relaxed)
}

/// Says what is wrong, and ends the process as a fuzzer expects it of a fault.
pub fn fail(message: &str) -> ! {
    let _ = writeln!(std::io::stderr(), "{message}");
    std::process::abort()
}
