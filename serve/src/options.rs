//! Limits of a server.

use std::time::Duration;

/// How much a server takes on. The default is meant for a model on one's own machine. Times of more than thirty days count as thirty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeOptions {
    /// Largest text of a request, in bytes of UTF-8; prompt and answer of a check together.
    pub max_text_bytes: usize,
    /// Texts that may wait for the model while it runs another. What comes on top is refused with 503.
    pub queue: usize,
    /// From a request being read until it is answered, waiting included; then 504.
    pub timeout: Duration,
    /// For a client to send the head of a request, then its body, and to take each piece of an answer. A connection on which nothing is
    /// asked for so long is closed.
    pub client_timeout: Duration,
    /// How long running work may continue after the server is told to stop.
    pub grace: Duration,
    /// Connections at once; more of them wait to be accepted.
    pub max_connections: usize,
    /// Names, besides `localhost`, under which browsers reach this server: those of a reverse proxy or of the machine. Addresses need not
    /// be named: that which the server is bound to is known, and bound to all of them it answers to any.
    pub host_names: Vec<String>,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            max_text_bytes: 64 << 10,
            queue: 16,
            timeout: Duration::from_mins(1),
            client_timeout: Duration::from_secs(15),
            grace: Duration::from_secs(10),
            max_connections: 256,
            host_names: Vec::new(),
        }
    }
}

impl ServeOptions {
    const LONGEST: Duration = Duration::from_hours(30 * 24);

    /// With times that can be added to a clock.
    pub(crate) fn bounded(mut self) -> Self {
        for time in [&mut self.timeout, &mut self.client_timeout, &mut self.grace] {
            *time = Self::LONGEST.min(*time);
        }
        self
    }
}
