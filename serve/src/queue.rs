//! Blocking work in the order in which it was asked for, and no more of it than there is room for.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::{Instant, timeout_at};

use crate::backend::Stop;

/// First come, first served. A caller that stops waiting leaves the queue at once.
#[derive(Debug)]
pub(crate) struct Queue {
    turns: Arc<Semaphore>,
    at_once: usize,
    places: Semaphore,
    n_places: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum QueueError {
    #[error("all places are taken")]
    Full,
    #[error("time is up")]
    TimedOut,
    #[error("the server stops")]
    Closed,
    #[error("the work panicked")]
    Panicked,
}

impl Queue {
    /// This much work at once, and this many callers waiting.
    pub(crate) fn new(at_once: usize, places: usize) -> Self {
        let n_places = places.min(Semaphore::MAX_PERMITS);
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            at_once,
            places: Semaphore::new(n_places),
            n_places,
        }
    }

    /// Runs `work` on a thread of its own when its turn comes. It is told to stop when the time is up, or when the future is dropped; its
    /// turn ends when it returns.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        time: Duration,
        work: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, QueueError> {
        let deadline = Instant::now() + time;
        let turn = self.turn(deadline).await?;
        let guard = StopOnDrop(Stop::default());
        let stop = guard.0.clone();
        let job = tokio::task::spawn_blocking(move || {
            let done = work(&stop);
            drop(turn);
            done
        });
        match timeout_at(deadline, job).await {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) if error.is_panic() => Err(QueueError::Panicked),
            Ok(Err(_)) => Err(QueueError::Closed),
            Err(_) => Err(QueueError::TimedOut),
        }
    }

    async fn turn(&self, deadline: Instant) -> Result<OwnedSemaphorePermit, QueueError> {
        // Those who wait are served before this succeeds.
        match Arc::clone(&self.turns).try_acquire_owned() {
            Ok(turn) => return Ok(turn),
            Err(TryAcquireError::Closed) => return Err(QueueError::Closed),
            Err(TryAcquireError::NoPermits) => {}
        }
        let _place = self.places.try_acquire().map_err(|_| QueueError::Full)?;
        match timeout_at(deadline, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(turn) => turn.map_err(|_| QueueError::Closed),
            Err(_) => Err(QueueError::TimedOut),
        }
    }

    /// Turns away all who wait or come later.
    pub(crate) fn close(&self) {
        self.turns.close();
    }

    pub(crate) fn running(&self) -> usize {
        self.at_once - self.turns.available_permits()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.n_places - self.places.available_permits()
    }
}

struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.set();
    }
}
