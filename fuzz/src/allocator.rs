//! How much memory a target takes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Bytes that a reader may take whatever its input.
const BASE: usize = 64 << 20;
/// Bytes that it may take for each byte of input.
const PER_BYTE: usize = 8;

static NOW: AtomicUsize = AtomicUsize::new(0);
static START: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// What a reader may take for so many bytes of input: 64 MiB, and eight times the input.
pub fn memory_for(bytes: usize) -> usize {
    BASE + PER_BYTE * bytes
}

/// The system's allocator, which counts. A test or a fuzzer makes it the global one.
#[derive(Debug, Clone, Copy)]
pub struct CountingAllocator;

impl CountingAllocator {
    /// Counts from here on.
    pub fn start() {
        let now = NOW.load(Relaxed);
        START.store(now, Relaxed);
        MOST.store(now, Relaxed);
    }

    /// The most bytes at once since [`start`](Self::start), beyond those that were there before.
    pub fn most() -> usize {
        MOST.load(Relaxed).saturating_sub(START.load(Relaxed))
    }
}

fn add(bytes: usize) {
    let now = NOW.fetch_add(bytes, Relaxed).wrapping_add(bytes);
    MOST.fetch_max(now, Relaxed);
}

// SAFETY: every call is passed on as it is to the system's allocator, which keeps the contract.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's layout. Passed on, so that pages nobody touches stay the system's.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's pointer, which came from the system's allocator.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        NOW.fetch_sub(layout.size(), Relaxed);
        add(size);
        // SAFETY: the caller's pointer, layout and size.
        unsafe { System.realloc(pointer, layout, size) }
    }
}
