//! When to stop.

use tokio::sync::watch;

/// Tells a server to stop, from any thread. Clones tell the same servers.
#[derive(Debug, Clone)]
pub struct Shutdown {
    times: watch::Sender<u32>,
    signals: bool,
}

impl Shutdown {
    /// Only [`trigger`](Self::trigger) stops the server.
    pub fn manual() -> Self {
        Self {
            times: watch::Sender::new(0),
            signals: false,
        }
    }

    /// So do Ctrl-C and, on Unix, SIGTERM.
    pub fn on_signals() -> Self {
        Self {
            signals: true,
            ..Self::manual()
        }
    }

    /// Stops the server: it accepts nothing more and finishes what runs, within its [grace](crate::ServeOptions::grace). A second call ends
    /// that, too.
    pub fn trigger(&self) {
        self.times.send_modify(|times| *times += 1);
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<u32> {
        self.times.subscribe()
    }

    /// Passes signals on until the runtime ends. Must be called within it.
    pub(crate) fn listen(&self) -> std::io::Result<()> {
        if !self.signals {
            return Ok(());
        }
        let mut signals = Signals::new()?;
        let shutdown = self.clone();
        tokio::spawn(async move {
            while signals.next().await {
                shutdown.trigger();
            }
        });
        Ok(())
    }
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> bool {
        tokio::select! {
            came = self.interrupt.recv() => came.is_some(),
            came = self.terminate.recv() => came.is_some(),
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    #[allow(clippy::unnecessary_wraps, reason = "as on Unix")]
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> bool {
        tokio::signal::ctrl_c().await.is_ok()
    }
}
