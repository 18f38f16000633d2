//! What a write lays over an object's bytes: ranges of new data and of zeros.

use bytes::Bytes;
use std::collections::BTreeMap;

/// Ranges that do not overlap, by their beginning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlay {
    ranges: BTreeMap<u64, Range>,
}

/// A range of new bytes; without data it is zeros.
#[derive(Clone, Debug)]
pub(crate) struct Range {
    pub(crate) end: u64,
    pub(crate) data: Option<Bytes>,
}

impl Overlay {
    /// Lays a range over what is there. Empty ranges change nothing.
    pub(crate) fn put(&mut self, start: u64, end: u64, data: Option<Bytes>) {
        if start < end {
            self.clear(start, end);
            self.ranges.insert(start, Range { end, data });
        }
    }

    /// Takes a range out.
    pub(crate) fn clear(&mut self, start: u64, end: u64) {
        let reaches_in = self.ranges.range(..start).next_back().filter(|(_, r)| r.end > start);
        if let Some((from, old)) = reaches_in.map(|(from, r)| (*from, r.clone())) {
            let cut =
                |a: u64, b: u64| old.data.as_ref().map(|d| d.slice((a - from) as usize..(b - from) as usize));
            self.ranges.insert(from, Range { end: start, data: cut(from, start) });
            if old.end > end {
                self.ranges.insert(end, Range { end: old.end, data: cut(end, old.end) });
            }
        }
        let within: Vec<u64> = self.ranges.range(start..end).map(|(from, _)| *from).collect();
        for from in within {
            let old = self.ranges.remove(&from).expect("just seen");
            if old.end > end {
                let data = old.data.map(|d| d.slice((end - from) as usize..));
                self.ranges.insert(end, Range { end: old.end, data });
            }
        }
    }

    /// The ranges that touch `start..end`, in order, cut to it.
    pub(crate) fn within(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, Range)> {
        let first =
            self.ranges.range(..start).next_back().filter(|(_, r)| r.end > start).map(|(from, _)| *from);
        let touching = self.ranges.range(first.unwrap_or(start)..end.max(start));
        touching.filter(move |(_, r)| r.end.min(end) > start).map(move |(from, r)| {
            let (a, b) = ((*from).max(start), r.end.min(end));
            let data = r.data.as_ref().map(|d| d.slice((a - from) as usize..(b - from) as usize));
            (a, Range { end: b, data })
        })
    }

    /// Whether all of `start..end` is covered.
    pub(crate) fn covers(&self, start: u64, end: u64) -> bool {
        let mut at = start;
        for (from, range) in self.within(start, end) {
            if from > at {
                return false;
            }
            at = range.end;
        }
        at >= end
    }

    /// All ranges, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, &Range)> {
        self.ranges.iter().map(|(from, range)| (*from, range))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stdx::Rng;

    #[test]
    fn reads_as_an_array_written_the_same_way() {
        let mut rng = Rng::new(5);
        for _ in 0..300 {
            let (mut overlay, mut bytes) = (Overlay::default(), vec![None; 64]);
            for _ in 0..rng.below(12) {
                let start = rng.below(64);
                let end = start + rng.below(64 - start + 1);
                let fill = rng.below(200) as u8 + 1;
                match rng.below(4) {
                    0 => {
                        overlay.clear(start, end);
                        bytes[start as usize..end as usize].fill(None);
                    }
                    1 => {
                        overlay.put(start, end, None);
                        bytes[start as usize..end as usize].fill(Some(0));
                    }
                    _ => {
                        overlay.put(start, end, Some(Bytes::from(vec![fill; (end - start) as usize])));
                        bytes[start as usize..end as usize].fill(Some(fill));
                    }
                }
            }
            let (a, b) = (rng.below(64), rng.below(65));
            let mut seen = vec![None; 64];
            for (from, range) in overlay.within(a, b) {
                assert!(from < range.end && from >= a && range.end <= b);
                for at in from..range.end {
                    seen[at as usize] = Some(range.data.as_ref().map_or(0, |d| d[(at - from) as usize]));
                }
            }
            let wanted: Vec<_> =
                (0..64).map(|at| bytes[at as usize].filter(|_| (a..b).contains(&at))).collect();
            assert_eq!(seen, wanted, "{a}..{b}");
            assert_eq!(
                overlay.covers(a, b),
                a >= b || bytes[a as usize..b as usize].iter().all(Option::is_some)
            );
        }
    }
}
