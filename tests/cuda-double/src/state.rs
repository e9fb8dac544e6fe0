//! Everything the double remembers.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// A kernel of a loaded module.
#[derive(Debug, Clone)]
pub(crate) struct Kernel {
    /// Its entry's name.
    pub(crate) name: String,
    /// Which of its parameters are addresses, in order.
    pub(crate) pointers: Vec<bool>,
    /// Shared memory declared in the PTX, in bytes.
    pub(crate) static_shared: u64,
    /// The most dynamic shared memory that it may be launched with.
    pub(crate) max_dynamic_shared: u64,
    /// The most threads of a block that its PTX allows, if it says.
    pub(crate) max_threads: Option<u64>,
    /// How often it was launched.
    pub(crate) launches: u64,
}

/// Copies in one direction.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Copies {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl Copies {
    pub(crate) fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What was seen so far.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Allocations on the device: address to bytes.
    pub(crate) allocations: BTreeMap<u64, u64>,
    pub(crate) next_address: u64,
    pub(crate) bytes: u64,
    pub(crate) peak_bytes: u64,
    pub(crate) allocated: u64,
    /// Pinned memory of the host: address to bytes.
    pub(crate) pinned: BTreeMap<usize, usize>,
    pub(crate) pinned_bytes: u64,
    pub(crate) peak_pinned_bytes: u64,
    pub(crate) modules: Vec<String>,
    pub(crate) kernels: Vec<Kernel>,
    pub(crate) to_device: Copies,
    pub(crate) to_host: Copies,
    pub(crate) on_device: Copies,
    pub(crate) launches: u64,
    /// Times that the host waited for the device.
    pub(crate) waits: u64,
    /// The clock that events read, in nanoseconds: it advances by launches and copies only.
    pub(crate) clock: u64,
    pub(crate) handles: u64,
    pub(crate) refused: Vec<String>,
}

impl State {
    /// A handle that no other object has.
    pub(crate) fn handle(&mut self) -> u64 {
        self.handles += 1;
        self.handles
    }

    /// The allocation that holds an address: its first address and its size.
    pub(crate) fn allocation_of(&self, address: u64) -> Option<(u64, u64)> {
        let (&start, &bytes) = self.allocations.range(..=address).next_back()?;
        (address < start + bytes).then_some((start, bytes))
    }

    /// Whether so many bytes from an address on are allocated.
    pub(crate) fn holds(&self, address: u64, bytes: u64) -> bool {
        self.allocation_of(address)
            .is_some_and(|(start, size)| address + bytes <= start + size)
    }
}

/// The state of the process.
pub(crate) fn lock() -> MutexGuard<'static, State> {
    static STATE: OnceLock<Mutex<State>> = OnceLock::new();
    let state = STATE.get_or_init(Mutex::default);
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
