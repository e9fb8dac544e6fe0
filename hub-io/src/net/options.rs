//! How patient to be.

use std::time::Duration;

/// Time-outs and retries.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetOptions {
    /// A connection that brings no byte for this long is given up and made anew; 30 s.
    pub stall_timeout: Duration,
    /// To look up a name and to make a connection, each; 10 s.
    pub connect_timeout: Duration,
    /// The pauses between tries.
    pub backoff: Backoff,
}

/// Pauses that double up to a cap, with jitter: the pause after the n-th failure in a row is drawn from the upper half of
/// `base · 2ⁿ⁻¹`, or of `cap` where that is less.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The pause after the first failure; 0.5 s.
    pub base: Duration,
    /// The longest pause; 30 s.
    pub cap: Duration,
    /// A server may ask for longer pauses by `Retry-After`, up to this; 5 minutes.
    pub retry_after_cap: Duration,
    /// Tries that may fail in a row, without a new byte, before it is an error; 8. With the defaults that is about a minute
    /// of pauses.
    pub attempts: u32,
    /// For the jitter; by default each client has its own.
    pub seed: Option<u64>,
}

impl Default for NetOptions {
    fn default() -> Self {
        Self {
            stall_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            backoff: Backoff::default(),
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(500),
            cap: Duration::from_secs(30),
            retry_after_cap: Duration::from_mins(5),
            attempts: 8,
            seed: None,
        }
    }
}
