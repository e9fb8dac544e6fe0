//! Activations until somebody asks to stop.

use crate::terminal::interrupt;
use sae_train::Activations;
use std::error::Error;

/// Gives no more once a signal has come: before the first step, many batches may be read.
pub(crate) struct Stoppable<A>(pub(crate) A);

impl<A: Activations> Activations for Stoppable<A> {
    fn widths(&self) -> &[usize] {
        self.0.widths()
    }

    fn next(&mut self, rows: &mut Vec<f32>) -> Result<bool, Box<dyn Error + Send + Sync>> {
        interrupt::check()?;
        self.0.next(rows)
    }

    fn place(&self) -> u64 {
        self.0.place()
    }

    fn seek(&mut self, place: u64) {
        self.0.seek(place);
    }
}
