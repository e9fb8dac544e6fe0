//! Events that a program can show while it waits.

use std::time::Duration;

/// Something that happened to a stream or a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A server answers with the bytes of a file from `at` on.
    Connected {
        /// The address, without the query.
        url: &'a str,
        /// The first byte that was asked for.
        at: u64,
        /// Bytes of the whole file, where the server says.
        len: Option<u64>,
    },
    /// It did not work, and is tried again after a pause.
    Retrying {
        /// The address, without the query.
        url: &'a str,
        /// The pause.
        after: Duration,
        /// Tries that failed since the last byte arrived, this one included.
        tries: u32,
        /// The problem.
        reason: &'a str,
    },
    /// After one or more failures the stream resumed.
    Resumed {
        /// The address, without the query.
        url: &'a str,
        /// The next byte.
        at: u64,
    },
}

/// Hears of connections and retries. Called from the thread that reads, so it should return soon.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn event(&self, event: Event<'_>);
}

/// Warns of retries in the log.
#[derive(Debug, Clone, Copy, Default)]
pub struct WarnOfRetries;

impl Listener for WarnOfRetries {
    fn event(&self, event: Event<'_>) {
        if let Event::Retrying { after, reason, .. } = event {
            tracing::warn!("{reason}; again in {:.1} s", after.as_secs_f64());
        }
    }
}

impl<F: Fn(Event<'_>) + Send + Sync> Listener for F {
    fn event(&self, event: Event<'_>) {
        self(event);
    }
}
