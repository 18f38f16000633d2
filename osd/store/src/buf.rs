//! Memory that O_DIRECT accepts: aligned to, and grown in, whole units.

use crate::layout::UNIT_BYTES;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A byte buffer whose start is aligned to 4 KiB and whose capacity is a whole number of 4 KiB units.
/// Like a `Vec<u8>`, only its first `len` bytes are initialised.
pub struct AlignedBuf {
    start: NonNull<u8>,
    len: usize,
    capacity: usize,
}

// SAFETY: the buffer owns its memory alone, like a `Vec<u8>`.
unsafe impl Send for AlignedBuf {}
// SAFETY: shared references only read.
unsafe impl Sync for AlignedBuf {}

impl AlignedBuf {
    /// An empty buffer with room for at least `bytes`.
    pub fn with_capacity(bytes: usize) -> AlignedBuf {
        let capacity = pool::capacity_for(bytes.max(1).next_multiple_of(UNIT_BYTES));
        if let Some(start) = pool::take(capacity) {
            return AlignedBuf { start, len: 0, capacity };
        }
        let layout = Self::layout(capacity);
        // SAFETY: the layout has a size above zero.
        let raw = unsafe { alloc(layout) };
        let Some(start) = NonNull::new(raw) else { handle_alloc_error(layout) };
        AlignedBuf { start, len: 0, capacity }
    }

    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> AlignedBuf {
        let mut buf = AlignedBuf::with_capacity(len);
        buf.grow_zeroed(len);
        buf
    }

    /// Appends bytes, growing by doubling.
    pub fn extend_from_slice(&mut self, data: &[u8]) {
        let end = self.len + data.len();
        self.reserve(end);
        // SAFETY: `reserve` made room for `end` bytes; `data` is borrowed, so it lies elsewhere.
        unsafe {
            std::ptr::copy_nonoverlapping(data.as_ptr(), self.start.as_ptr().add(self.len), data.len())
        };
        self.len = end;
    }

    /// Makes the length `len`, which must not be less than it is; bytes that appear are zero.
    pub fn grow_zeroed(&mut self, len: usize) {
        assert!(len >= self.len, "a buffer does not shrink");
        self.reserve(len);
        // SAFETY: `reserve` made room for `len` bytes.
        unsafe { std::ptr::write_bytes(self.start.as_ptr().add(self.len), 0, len - self.len) };
        self.len = len;
    }

    /// Where the kernel may write up to the capacity.
    pub(crate) fn as_mut_ptr(&mut self) -> *mut u8 {
        self.start.as_ptr()
    }

    /// Makes the length `len`.
    ///
    /// # Safety
    /// The first `len` bytes are within the capacity and have been written.
    pub(crate) unsafe fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.capacity);
        self.len = len;
    }

    fn reserve(&mut self, capacity: usize) {
        if capacity > self.capacity {
            let mut larger = AlignedBuf::with_capacity(capacity.max(self.capacity * 2));
            larger.extend_from_slice(self);
            std::mem::swap(self, &mut larger);
        }
    }

    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, UNIT_BYTES).expect("a buffer is far smaller than the address space")
    }
}

impl Deref for AlignedBuf {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: `start` points at `capacity >= len` initialised bytes that this buffer owns.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }
}
impl DerefMut for AlignedBuf {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as for `deref`, and `&mut self` makes the access exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}
impl AsRef<[u8]> for AlignedBuf {
    fn as_ref(&self) -> &[u8] {
        self
    }
}
impl Drop for AlignedBuf {
    fn drop(&mut self) {
        if !pool::keep(self.start, self.capacity) {
            // SAFETY: allocated in `with_capacity` with this very layout, and freed once: the pool refused it.
            unsafe { dealloc(self.start.as_ptr(), Self::layout(self.capacity)) }
        }
    }
}
impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedBuf({} bytes)", self.len)
    }
}

/// Large buffers that this thread freed and will soon want again: to fault in the pages of a 4 MiB buffer
/// costs more than to copy 4 MiB into it.
mod pool {
    use super::AlignedBuf;
    use std::alloc::dealloc;
    use std::cell::RefCell;
    use std::ptr::NonNull;

    /// Capacities kept are powers of two in this range, bytes.
    const LEAST: usize = 64 << 10;
    const MOST: usize = 8 << 20;
    /// What a thread keeps at most, bytes.
    const KEPT_MAX: usize = 16 << 20;
    const CLASSES: usize = (MOST / LEAST).ilog2() as usize + 1;

    #[derive(Default)]
    struct Pool {
        kept: [Vec<NonNull<u8>>; CLASSES],
        bytes: usize,
    }

    thread_local! {
        static POOL: RefCell<Pool> = RefCell::default();
    }

    fn class(capacity: usize) -> Option<usize> {
        let pooled = capacity.is_power_of_two() && (LEAST..=MOST).contains(&capacity);
        pooled.then(|| (capacity / LEAST).ilog2() as usize)
    }

    /// The capacity that a buffer of so many bytes gets.
    pub(super) fn capacity_for(bytes: usize) -> usize {
        if (LEAST..=MOST).contains(&bytes) { bytes.next_power_of_two() } else { bytes }
    }

    /// Memory of exactly this capacity, if some is kept.
    pub(super) fn take(capacity: usize) -> Option<NonNull<u8>> {
        let class = class(capacity)?;
        POOL.with_borrow_mut(|pool| {
            let start = pool.kept[class].pop()?;
            pool.bytes -= capacity;
            Some(start)
        })
    }

    /// Keeps a buffer's memory; false if the caller must free it.
    pub(super) fn keep(start: NonNull<u8>, capacity: usize) -> bool {
        let Some(class) = class(capacity) else { return false };
        let keep = |pool: &RefCell<Pool>| {
            let mut pool = pool.borrow_mut();
            let fits = pool.bytes + capacity <= KEPT_MAX;
            if fits {
                pool.bytes += capacity;
                pool.kept[class].push(start);
            }
            fits
        };
        // While a thread ends its pool is gone.
        POOL.try_with(keep).unwrap_or(false)
    }

    impl Drop for Pool {
        fn drop(&mut self) {
            for (class, kept) in self.kept.iter().enumerate() {
                for start in kept {
                    // SAFETY: allocated with the layout of this capacity, and owned by the pool alone.
                    unsafe { dealloc(start.as_ptr(), AlignedBuf::layout(LEAST << class)) }
                }
            }
        }
    }
}

/// Whether O_DIRECT takes these bytes as they are: aligned start, whole units.
pub(crate) fn is_direct(data: &[u8]) -> bool {
    !data.is_empty()
        && data.len().is_multiple_of(UNIT_BYTES)
        && (data.as_ptr() as usize).is_multiple_of(UNIT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_buffers_are_used_again_and_small_ones_are_not_kept() {
        let first = AlignedBuf::with_capacity(1_000_000);
        let at = first.as_ptr();
        drop(first);
        let mut again = AlignedBuf::zeroed(900_000);
        assert_eq!(again.as_ptr(), at, "the same class, so the same memory");
        again.fill(7);
        drop(again);
        assert!(AlignedBuf::zeroed(1 << 20).iter().all(|b| *b == 0), "zeroed means zeroed");
        // More than is kept, and from another thread: nothing is freed twice (a sanitizer or the allocator would tell).
        let many: Vec<AlignedBuf> = (0..20).map(|_| AlignedBuf::with_capacity(4 << 20)).collect();
        std::thread::spawn(move || drop(many)).join().unwrap();
    }

    #[test]
    fn buffers_stay_aligned_while_they_grow() {
        let mut b = AlignedBuf::with_capacity(10);
        let mut want = Vec::new();
        for i in 0..3000u32 {
            b.extend_from_slice(&i.to_le_bytes());
            want.extend(i.to_le_bytes());
        }
        assert_eq!(&b[..], &want[..]);
        b.grow_zeroed(16384);
        assert!(is_direct(&b));
        assert!(b[want.len()..].iter().all(|x| *x == 0));
        assert!(!is_direct(&b[1..]) && !is_direct(&b[..100]) && !is_direct(&[]));
    }
}
