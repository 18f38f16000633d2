//! Sets of byte ranges, as clones of snapshots remember what they still share with what came after them.

/// Disjoint ranges `(offset, length)`, ascending, none empty, no two that touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents {
    ranges: Vec<(u64, u64)>,
}
stdx::codec_plain!(Extents { ranges });

impl Extents {
    /// All of `0..len`.
    pub fn whole(len: u64) -> Extents {
        Extents { ranges: if len > 0 { vec![(0, len)] } else { Vec::new() } }
    }

    /// The ranges, `(offset, length)`.
    pub fn ranges(&self) -> &[(u64, u64)] {
        &self.ranges
    }

    /// Bytes in all of them.
    pub fn bytes(&self) -> u64 {
        self.ranges.iter().map(|(_, len)| len).sum()
    }

    /// Takes `offset..offset + len` out.
    pub fn subtract(&mut self, offset: u64, len: u64) {
        if len == 0 {
            return;
        }
        let end = offset.saturating_add(len);
        let mut left = Vec::with_capacity(self.ranges.len() + 1);
        for (at, n) in self.ranges.drain(..) {
            let to = at + n;
            let before = to.min(offset).saturating_sub(at);
            if before > 0 {
                left.push((at, before));
            }
            let from = at.max(end);
            if from < to {
                left.push((from, to - from));
            }
        }
        self.ranges = left;
    }

    /// Takes everything from `len` on out.
    pub fn truncate(&mut self, len: u64) {
        self.subtract(len, u64::MAX);
    }

    /// Keeps what `other` has too.
    pub fn intersect(&mut self, other: &Extents) {
        let mut both = Vec::new();
        let mut theirs = other.ranges.iter().copied().peekable();
        for (at, n) in self.ranges.drain(..) {
            let to = at + n;
            while let Some((their_at, their_n)) = theirs.peek().copied() {
                let their_to = their_at + their_n;
                let (lo, hi) = (at.max(their_at), to.min(their_to));
                if lo < hi {
                    both.push((lo, hi - lo));
                }
                if their_to > to {
                    break;
                }
                theirs.next();
            }
        }
        self.ranges = both;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    fn bits(e: &Extents) -> Vec<bool> {
        let mut all = vec![false; 64];
        for (at, n) in e.ranges() {
            all[*at as usize..(at + n) as usize].fill(true);
        }
        all
    }

    #[test]
    fn ranges_are_what_a_list_of_bits_says() {
        let mut rng = Rng::new(7);
        for _ in 0..3000 {
            let mut random = || {
                let mut e = Extents::whole(rng.below(64));
                for _ in 0..rng.below(5) {
                    e.subtract(rng.below(64), rng.below(20));
                }
                e
            };
            let (mut a, b) = (random(), random());
            let wanted: Vec<bool> = bits(&a).iter().zip(bits(&b)).map(|(x, y)| *x && y).collect();
            a.intersect(&b);
            assert_eq!(bits(&a), wanted);
            let (at, len) = (rng.below(70), rng.below(30));
            let mut wanted = bits(&a);
            wanted.iter_mut().skip(at as usize).take(len as usize).for_each(|bit| *bit = false);
            a.subtract(at, len);
            assert_eq!(bits(&a), wanted);
            assert_eq!(a.bytes() as usize, wanted.iter().filter(|bit| **bit).count());
            assert!(a.ranges().windows(2).all(|w| w[0].0 + w[0].1 < w[1].0), "{a:?}");
            assert!(a.ranges().iter().all(|(_, len)| *len > 0));
        }
    }
}
