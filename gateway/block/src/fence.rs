//! The mark that keeps a holder that lost its lock from writing: each data object carries the generation that
//! wrote it first, and every operation says which marks it tolerates. Pure.
//!
//! The lock is in the header and the data elsewhere, and no operation spans two objects. So a new holder need not reach
//! the old one: wherever it has written or read once, the old one's writes, however late, find a greater mark.

use bytes::Bytes;
use osd_object::Op;
use osd_object::op::Compare;
use std::sync::{Mutex, PoisonError};

/// The attribute of data objects.
pub(crate) const MARK: &str = "nacre_fence";

/// Generations in byte order.
fn bytes(generation: u64) -> Bytes {
    Bytes::copy_from_slice(&generation.to_be_bytes())
}

/// Nobody newer has been here.
pub(crate) fn not_newer(generation: u64) -> Op {
    Op::CmpXattr { name: MARK.into(), compare: Compare::Le, value: bytes(generation) }
}
/// We were here last.
pub(crate) fn ours(generation: u64) -> Op {
    Op::CmpXattr { name: MARK.into(), compare: Compare::Eq, value: bytes(generation) }
}
/// Somebody newer than the last unclean generation was here: none of its late writes can take effect.
pub(crate) fn past(unclean: u64) -> Op {
    Op::CmpXattr { name: MARK.into(), compare: Compare::Gt, value: bytes(unclean) }
}
/// We are here.
pub(crate) fn mark(generation: u64) -> Op {
    Op::SetXattr { name: MARK.into(), value: bytes(generation) }
}

/// Which objects carry our mark, as far as we know: a hint that saves one attribute per write. Wrong only on the
/// side of asking again. One bit per object, so 3 MiB for 100 TiB.
#[derive(Default)]
pub(crate) struct Marked(Mutex<Vec<u64>>);

impl Marked {
    pub(crate) fn holds(&self, object: u64) -> bool {
        let words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        usize::try_from(object / 64)
            .ok()
            .and_then(|w| words.get(w))
            .is_some_and(|w| w >> (object % 64) & 1 == 1)
    }
    pub(crate) fn set(&self, object: u64, on: bool) {
        let mut words = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(word) = usize::try_from(object / 64) else { return };
        if word >= words.len() {
            if !on {
                return;
            }
            words.resize(word + 1, 0);
        }
        let bit = 1 << (object % 64);
        if on { words[word] |= bit } else { words[word] &= !bit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_kept_by_object() {
        let m = Marked::default();
        m.set(1000, false);
        for o in [0, 63, 64, 1000] {
            assert!(!m.holds(o));
            m.set(o, true);
            assert!(m.holds(o) && !m.holds(o + 1));
        }
        m.set(64, false);
        assert!(m.holds(63) && !m.holds(64));
    }
}
