//! Ctrl-C and SIGTERM: work ends between two steps, so that temporary files are removed and what can go on is written down.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

/// The exit code of a shell for SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static GOES_ON: AtomicBool = AtomicBool::new(false);

/// Somebody has asked to stop.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("interrupted")]
pub(crate) struct Interrupted;

/// From now on the first signal is noted; a second one ends the program at once.
pub(crate) fn watch() {
    for signal in [SIGINT, SIGTERM] {
        // The order matters: the second signal finds the note of the first.
        let watched = register_conditional_shutdown(signal, EXIT_CODE.into(), Arc::clone(&ASKED))
            .and_then(|_| register(signal, Arc::clone(&ASKED)));
        if let Err(error) = watched {
            tracing::debug!(signal, %error, "not watched: it ends the program as it does others");
        }
    }
}

/// Between two steps: whether there should be another.
pub(crate) fn check() -> Result<(), Interrupted> {
    if is_asked() { Err(Interrupted) } else { Ok(()) }
}

pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// What is being done is kept, and the same call goes on from there.
pub(crate) fn will_go_on() {
    GOES_ON.store(true, Ordering::Relaxed);
}

/// What to say at the end.
pub(crate) fn message() -> &'static str {
    if GOES_ON.load(Ordering::Relaxed) {
        "interrupted: give the same call again to go on"
    } else {
        "interrupted: nothing was written"
    }
}
