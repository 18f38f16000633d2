//! How much a piece of work allocates: a global allocator that counts for the thread that asks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The system's allocator with counters. A program that measures declares it as its global allocator.
#[derive(Debug)]
pub struct Counting;

thread_local! {
    // Plain cells without destructors: an allocator must not allocate, nor run after its thread's end.
    static LIVE: Cell<isize> = const { Cell::new(0) };
    static PEAK: Cell<isize> = const { Cell::new(0) };
}

fn note(change: isize) {
    let _ = LIVE.try_with(|live| {
        live.set(live.get() + change);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(live.get())));
    });
}

// SAFETY: every call goes to the system's allocator unchanged; the counters beside it touch no memory that it hands out.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size() as isize);
        // SAFETY: the caller's promises are passed on as they are.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        note(-(layout.size() as isize));
        // SAFETY: `at` came from the system's allocator with this layout, as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Both blocks live for a moment when it moves.
        note(size as isize);
        // SAFETY: the caller's promises are passed on as they are.
        let moved = unsafe { System.realloc(at, layout, size) };
        note(-(layout.size() as isize));
        moved
    }
}

/// Runs `work`; also the most bytes that this thread had allocated at once meanwhile, beyond what it had before. 0 where
/// [`Counting`] is not the global allocator.
pub fn most_at_once<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let before = LIVE.with(Cell::get);
    PEAK.with(|peak| peak.set(before));
    let result = work();
    let peak = PEAK.with(Cell::get);
    (result, usize::try_from(peak - before).unwrap_or(0))
}
