//! Which bytes of an image lie in which object. Pure.

use crate::error::BlockError;

/// Objects of 4 MiB unless told otherwise, as RBD's.
pub const ORDER_DEFAULT: u8 = 22;
/// The smallest objects: 64 KiB.
pub const ORDER_MIN: u8 = 16;
/// The largest objects: 32 MiB.
pub const ORDER_MAX: u8 = 25;
/// The largest image: 1 PiB.
pub const SIZE_BYTES_MAX: u64 = 1 << 50;
/// The most that one operation on an object carries; frames take little more than 16 MiB.
pub(crate) const OP_BYTES_MAX: u64 = 4 << 20;

/// How an image is cut into objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    order: u8,
}

/// A part of a request that one operation carries out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// Which object.
    pub object: u64,
    /// First byte within the object.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
    /// First byte within the request.
    pub at: u64,
}

impl Layout {
    /// Objects of `1 << order` bytes. `Invalid` outside of 64 KiB to 32 MiB.
    pub fn new(order: u8) -> Result<Layout, BlockError> {
        if (ORDER_MIN..=ORDER_MAX).contains(&order) {
            return Ok(Layout { order });
        }
        Err(BlockError::Invalid("the object size must be a power of two from 64 KiB to 32 MiB".to_string()))
    }
    /// Objects of so many bytes; see `new`.
    pub fn of_object_bytes(bytes: u64) -> Result<Layout, BlockError> {
        let order = if bytes.is_power_of_two() { bytes.trailing_zeros() as u8 } else { 0 };
        Layout::new(order)
    }
    /// Log2 of the object size.
    pub fn order(self) -> u8 {
        self.order
    }
    /// Bytes of an object.
    pub fn object_bytes(self) -> u64 {
        1 << self.order
    }
    /// Objects of an image of `size` bytes.
    pub fn objects(self, size: u64) -> u64 {
        size.div_ceil(self.object_bytes())
    }

    /// The pieces of a range, in order, each within one object.
    pub(crate) fn objects_of(self, offset: u64, len: u64) -> impl Iterator<Item = Piece> + Send {
        self.cut(offset, len, u64::MAX)
    }
    /// The same, each small enough to carry its data in one operation.
    pub(crate) fn pieces(self, offset: u64, len: u64) -> impl Iterator<Item = Piece> + Send {
        self.cut(offset, len, OP_BYTES_MAX)
    }

    fn cut(self, offset: u64, len: u64, most: u64) -> impl Iterator<Item = Piece> + Send {
        let bytes = self.object_bytes();
        let mut at = 0;
        std::iter::from_fn(move || {
            if at == len {
                return None;
            }
            let place = offset + at;
            let within = place % bytes;
            // Cut at multiples of `most` too, so that neighbours of a stream meet on the store's units.
            let room = (bytes - within).min(most - if most == u64::MAX { 0 } else { within % most });
            let piece = Piece { object: place / bytes, offset: within, len: room.min(len - at), at };
            at += piece.len;
            Some(piece)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    #[test]
    fn pieces_cover_a_range_once_and_in_order() {
        let mut rng = Rng::new(1);
        for _ in 0..5000 {
            let layout = Layout::new(ORDER_MIN + rng.below(10) as u8).unwrap();
            let (offset, len) = (rng.below(1 << 30), rng.below(40 << 20));
            let mut next = offset;
            for p in layout.pieces(offset, len) {
                assert_eq!(p.object * layout.object_bytes() + p.offset, next);
                assert_eq!(p.at, next - offset);
                assert!(p.len > 0 && p.len <= OP_BYTES_MAX && p.offset + p.len <= layout.object_bytes());
                next += p.len;
            }
            assert_eq!(next, offset + len);
            assert_eq!(layout.objects_of(offset, len).map(|p| p.len).sum::<u64>(), len);
        }
    }

    #[test]
    fn sizes_outside_the_bounds_are_refused() {
        for bad in [0, 4096, 3 << 20, 64 << 20] {
            assert!(Layout::of_object_bytes(bad).is_err(), "{bad}");
        }
        assert_eq!(Layout::of_object_bytes(4 << 20).unwrap().order(), ORDER_DEFAULT);
        assert_eq!(Layout::new(22).unwrap().objects((4 << 20) + 1), 2);
    }
}
