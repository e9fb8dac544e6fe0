#![doc = include_str!("../README.md")]

use std::fmt;
use std::ops::ControlFlow;

/// Is told of progress `P`, and may stop the work by `ControlFlow::Break(())`. Every `FnMut(&P) -> ControlFlow<()>` is one.
pub trait Observer<P: ?Sized> {
    /// Some more is done. `Break` stops the work at the next place where it can stop.
    fn observe(&mut self, progress: &P) -> ControlFlow<()>;
}

impl<P: ?Sized, F: FnMut(&P) -> ControlFlow<()>> Observer<P> for F {
    fn observe(&mut self, progress: &P) -> ControlFlow<()> {
        self(progress)
    }
}

/// Watches nothing and never stops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Unobserved;

impl<P: ?Sized> Observer<P> for Unobserved {
    fn observe(&mut self, _: &P) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// The observer stopped the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped;

impl Stopped {
    /// An observer's word as a result, for `?`.
    ///
    /// # Errors
    /// If it said `Break`.
    pub fn check(flow: ControlFlow<()>) -> Result<(), Self> {
        match flow {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Self),
        }
    }
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Stopped {}
