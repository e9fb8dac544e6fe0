//! Ctrl-C and SIGTERM: work ends between two steps, so that temporary files are removed and work that can be resumed is saved.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread::Builder;
use std::time::Duration;

/// The exit code of a shell for SIGINT.
pub(crate) const EXIT_CODE: u8 = 130;

static ASKED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static LAST_WORD: Mutex<&str> = Mutex::new("interrupted: nothing was written");

/// Between two looks at whether a signal has come.
const PAUSE: Duration = Duration::from_millis(50);

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

/// Watches for a signal until it is dropped.
pub(crate) struct Watch(Arc<AtomicBool>);

/// While this lives, a signal ends the program at once. It is for waits that nothing can break off, such as for a server that does not
/// answer, before there is anything to keep.
pub(crate) fn at_once() -> Watch {
    when_asked(|| {
        super::print_line(message());
        std::process::exit(EXIT_CODE.into());
    })
}

/// Calls `act` once, on a thread of its own, when a signal comes or has come before.
pub(crate) fn when_asked(act: impl FnOnce() + Send + 'static) -> Watch {
    let over = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&over);
    let watching = Builder::new().name("interrupt".into()).spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            if is_asked() {
                return act();
            }
            std::thread::sleep(PAUSE);
        }
    });
    if let Err(error) = watching {
        tracing::debug!(%error, "no thread watches for signals");
    }
    Watch(over)
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Between two steps: whether there should be another.
pub(crate) fn check() -> Result<(), Interrupted> {
    if is_asked() { Err(Interrupted) } else { Ok(()) }
}

/// Between two steps of a library: whether it should continue.
pub(crate) fn flow() -> ControlFlow<()> {
    if is_asked() {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

pub(crate) fn is_asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}

/// The work so far is kept, and the same call resumes from there.
pub(crate) fn will_go_on() {
    will_say("interrupted: give the same call again to go on");
}

/// Sets the message at the end.
pub(crate) fn will_say(message: &'static str) {
    *LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner) = message;
}

/// The message at the end.
pub(crate) fn message() -> &'static str {
    *LAST_WORD.lock().unwrap_or_else(PoisonError::into_inner)
}
