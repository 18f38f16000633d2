//! A set of chunks of one stripe, by position.

use std::fmt;

/// Positions of chunks, 0 to 63. Ordered and iterated by position.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkSet(u64);

impl ChunkSet {
    /// How many positions there are at most.
    pub const POSITIONS_MAX: usize = 64;

    /// The empty set.
    pub const fn new() -> ChunkSet {
        ChunkSet(0)
    }

    /// The positions `0..n`. `n` is at most [`Self::POSITIONS_MAX`].
    pub fn first(n: usize) -> ChunkSet {
        assert!(n <= ChunkSet::POSITIONS_MAX, "a stripe has at most 64 chunks, not {n}");
        ChunkSet(if n == 64 { u64::MAX } else { (1 << n) - 1 })
    }

    /// Adds a position below [`Self::POSITIONS_MAX`].
    pub fn insert(&mut self, position: usize) {
        assert!(position < ChunkSet::POSITIONS_MAX, "no chunk has position {position}");
        self.0 |= 1 << position;
    }

    /// Takes a position out.
    pub fn remove(&mut self, position: usize) {
        *self = *self - ChunkSet::from_iter([position]);
    }

    /// Whether a position is in it.
    pub fn contains(self, position: usize) -> bool {
        position < ChunkSet::POSITIONS_MAX && self.0 >> position & 1 == 1
    }

    /// How many are in it.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether none is.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether all of it is in `other` too.
    pub fn is_subset(self, other: ChunkSet) -> bool {
        self.0 & !other.0 == 0
    }

    /// The positions, ascending.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let position = left.trailing_zeros() as usize;
            left &= left.checked_sub(1)?;
            Some(position)
        })
    }
}

impl std::ops::BitAnd for ChunkSet {
    type Output = ChunkSet;
    fn bitand(self, other: ChunkSet) -> ChunkSet {
        ChunkSet(self.0 & other.0)
    }
}

impl std::ops::BitOr for ChunkSet {
    type Output = ChunkSet;
    fn bitor(self, other: ChunkSet) -> ChunkSet {
        ChunkSet(self.0 | other.0)
    }
}

impl std::ops::Sub for ChunkSet {
    type Output = ChunkSet;
    /// What is in the first and not in the second.
    fn sub(self, other: ChunkSet) -> ChunkSet {
        ChunkSet(self.0 & !other.0)
    }
}

impl FromIterator<usize> for ChunkSet {
    fn from_iter<I: IntoIterator<Item = usize>>(positions: I) -> ChunkSet {
        let mut set = ChunkSet::new();
        positions.into_iter().for_each(|position| set.insert(position));
        set
    }
}

impl fmt::Display for ChunkSet {
    /// `0,2,5`, or `none`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (i, position) in self.iter().enumerate() {
            write!(f, "{}{position}", if i == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Debug for ChunkSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_a_set() {
        let set = ChunkSet::from_iter([5, 0, 63, 5]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 5, 63]);
        assert_eq!((set.len(), set.contains(5), set.contains(4), set.contains(64)), (3, true, false, false));
        assert_eq!(set.to_string(), "0,5,63");
        assert_eq!(format!("{set:?}"), "{0, 5, 63}");
        assert_eq!(ChunkSet::new().to_string(), "none");
        assert_eq!(ChunkSet::first(64).len(), 64);
        assert_eq!(ChunkSet::first(0), ChunkSet::new());
        assert!((set - ChunkSet::first(10)).is_subset(set));
        assert_eq!((set & ChunkSet::first(10)) | ChunkSet::from_iter([63]), set);
        let mut less = set;
        less.remove(5);
        assert_eq!(less, ChunkSet::from_iter([0, 63]));
    }
}
