//! The state that reader, workers and consumer share: numbered blocks on their way, and the room that is left for them.
//!
//! Blocks are admitted in order, so the one that the consumer waits for is always under way already: however full the
//! conveyor is, it moves.

use std::collections::{BTreeMap, VecDeque};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::encode::Encoded;
use crate::source::Block;

/// A consumer that waits longer than this for a block is asked whether to keep waiting.
const PATIENCE: Duration = Duration::from_millis(100);

#[derive(Default)]
pub(super) struct Conveyor {
    state: Mutex<State>,
    /// Something changed that somebody may wait for. Blocks are large, so waking all is cheap.
    changed: Condvar,
    capacity: usize,
    /// Set under the lock, but read without it: workers ask after every document.
    stopped: AtomicBool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<(u64, Block)>,
    done: BTreeMap<u64, Encoded>,
    /// Bytes of all blocks under way, the one that the consumer works on included.
    bytes: usize,
    admitted: u64,
    delivered: u64,
    /// Bytes of the block that the consumer works on.
    in_hand: usize,
    closed: bool,
}

impl Conveyor {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            ..Self::default()
        }
    }

    /// The reader's end: waits for room. `false` when the work is to stop.
    pub(super) fn admit(&self, block: Block) -> bool {
        let bytes = block.bytes();
        let mut state = self.lock();
        // A block larger than the whole capacity still has to pass: alone.
        while !self.is_stopped()
            && state.bytes > 0
            && state.bytes.saturating_add(bytes) > self.capacity
        {
            state = self.wait(state);
        }
        if self.is_stopped() {
            return false;
        }
        let number = state.admitted;
        state.admitted += 1;
        state.bytes += bytes;
        state.waiting.push_back((number, block));
        self.changed.notify_all();
        true
    }

    /// The reader's end: nothing follows but, perhaps, the reason why.
    pub(super) fn close(&self, last: Option<Encoded>) {
        let mut state = self.lock();
        if let Some(last) = last {
            let number = state.admitted;
            state.admitted += 1;
            state.done.insert(number, last);
        }
        state.closed = true;
        self.changed.notify_all();
    }

    /// A worker's end: the next block; `None` when there will be no more.
    pub(super) fn take_work(&self) -> Option<(u64, Block)> {
        let mut state = self.lock();
        loop {
            if self.is_stopped() {
                return None;
            }
            if let Some(work) = state.waiting.pop_front() {
                return Some(work);
            }
            if state.closed {
                return None;
            }
            state = self.wait(state);
        }
    }

    /// A worker's end: block `number`, which had `before` bytes, is done.
    pub(super) fn put_result(&self, number: u64, before: usize, result: Encoded) {
        let mut state = self.lock();
        state.bytes = state.bytes - before + result.bytes();
        state.done.insert(number, result);
        self.changed.notify_all();
    }

    /// The consumer's end: the next result in order; `None` at the end. The one before it is taken to be used up. While there is nothing,
    /// `waiting` is asked now and then whether to wait on; when it breaks off, all threads stop.
    pub(super) fn next_result(
        &self,
        waiting: &mut dyn FnMut() -> ControlFlow<()>,
    ) -> Option<Encoded> {
        let mut state = self.lock();
        state.bytes -= std::mem::take(&mut state.in_hand);
        self.changed.notify_all();
        loop {
            let number = state.delivered;
            if let Some(result) = state.done.remove(&number) {
                state.delivered += 1;
                state.in_hand = result.bytes();
                return Some(result);
            }
            if self.is_stopped() || (state.closed && number == state.admitted) {
                return None;
            }
            let waited = self.changed.wait_timeout(state, PATIENCE);
            let (guard, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = guard;
            if timeout.timed_out() && waiting().is_break() {
                drop(state);
                self.stop();
                return None;
            }
        }
    }

    /// Stops all threads.
    pub(super) fn stop(&self) {
        let mut state = self.lock();
        self.stopped.store(true, Ordering::Relaxed);
        state.waiting.clear();
        self.changed.notify_all();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    // Nothing panics while it holds the lock; should it ever, the counts are still whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, guard: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed
            .wait(guard)
            .unwrap_or_else(PoisonError::into_inner)
    }
}
