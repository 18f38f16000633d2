//! Memory that O_DIRECT accepts: aligned to, and grown in, whole units.

use crate::layout::UNIT_BYTES;
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// A byte buffer whose start is aligned to 4 KiB and whose capacity is a whole number of 4 KiB units.
/// All of its capacity is initialised from the start, so that no read can see stale memory.
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
        let capacity = bytes.max(1).next_multiple_of(UNIT_BYTES);
        let layout = Self::layout(capacity);
        // SAFETY: the layout has a size above zero.
        let raw = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(raw) else { handle_alloc_error(layout) };
        AlignedBuf { start, len: 0, capacity }
    }

    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> AlignedBuf {
        let mut buf = AlignedBuf::with_capacity(len);
        buf.len = len;
        buf
    }

    /// Appends bytes, growing by doubling.
    pub fn extend_from_slice(&mut self, data: &[u8]) {
        let end = self.len + data.len();
        self.reserve(end);
        self.len = end;
        self[end - data.len()..].copy_from_slice(data);
    }

    /// Makes the length `len`; bytes that appear are zero, given that the buffer never shrank.
    pub fn grow_zeroed(&mut self, len: usize) {
        assert!(len >= self.len, "a buffer that shrank would expose old bytes as zeros");
        self.reserve(len);
        self.len = len;
    }

    fn reserve(&mut self, capacity: usize) {
        if capacity > self.capacity {
            let mut larger = AlignedBuf::with_capacity(capacity.max(self.capacity * 2));
            larger.len = self.len;
            larger.copy_from_slice(self);
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
        // SAFETY: allocated in `with_capacity` with this very layout, and freed once.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.capacity)) }
    }
}
impl std::fmt::Debug for AlignedBuf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AlignedBuf({} bytes)", self.len)
    }
}

/// Whether O_DIRECT takes these bytes as they are: aligned start, whole units.
pub(crate) fn is_direct(data: &[u8]) -> bool {
    !data.is_empty() && data.len().is_multiple_of(UNIT_BYTES) && (data.as_ptr() as usize).is_multiple_of(UNIT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

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
