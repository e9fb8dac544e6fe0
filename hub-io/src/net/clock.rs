//! Time, so that tests need not wait.

use std::time::{Duration, SystemTime};

/// The clock for pauses between tries. [`SystemClock`] unless a test brings its own.
///
/// Time-outs of the network are not measured by it: the operating system does that.
pub trait Clock: Send + Sync {
    /// Returns after this time.
    fn sleep(&self, time: Duration);
    /// The time of day, which dates in `Retry-After` are compared with.
    fn now(&self) -> SystemTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
