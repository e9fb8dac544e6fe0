//! Progress, and the means to stop.

use std::ops::ControlFlow;

/// How far a protocol has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Sequences measured so far.
    pub sequences: u64,
    /// Their tokens, masked ones included.
    pub tokens: u64,
}

/// Is told after every batch, and may stop the work: what was measured until then is returned and is valid.
///
/// Every `FnMut(Progress) -> ControlFlow<()>` is an observer.
pub trait Observer {
    /// A batch is done. `ControlFlow::Break(())` stops the protocol.
    fn batch_done(&mut self, progress: Progress) -> ControlFlow<()>;
}

impl<F: FnMut(Progress) -> ControlFlow<()>> Observer for F {
    fn batch_done(&mut self, progress: Progress) -> ControlFlow<()> {
        self(progress)
    }
}

/// Watches nothing and never stops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn batch_done(&mut self, _progress: Progress) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}
