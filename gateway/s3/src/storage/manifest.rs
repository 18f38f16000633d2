//! Where an object's bytes are, and which piece of which data object holds a range of them.

use bytes::Bytes;
use osd_class::index::{Part, Tag};

/// A run of data objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Its name.
    pub tag: Tag,
    /// Bytes.
    pub size: u64,
    /// Bytes of each data object but the last.
    pub object_bytes: u64,
    /// The name that the key of encrypted bytes was derived from: its own, unless they were moved here.
    pub sealed_as: Tag,
}

impl Run {
    /// A run whose bytes were written under its name.
    pub(crate) fn new(tag: Tag, size: u64, object_bytes: u64) -> Run {
        Run { tag, size, object_bytes, sealed_as: tag }
    }
    /// Number of data objects.
    pub(crate) fn objects(&self) -> u64 {
        self.size.div_ceil(self.object_bytes.max(1))
    }
    /// The run of a part's row.
    pub(crate) fn of(part: &Part) -> Run {
        Run::new(part.tag, part.size, u64::from(part.object_bytes).max(1))
    }
}

/// Where an object's bytes are: in its index row, or in data objects.
#[derive(Clone, Debug)]
pub(crate) enum Manifest {
    /// In the row.
    Inline(Bytes),
    /// In runs of data objects, in order.
    Runs(Vec<Run>),
}

/// A range of one data object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// The run.
    pub tag: Tag,
    /// Which of its objects.
    pub n: u64,
    /// First byte within it.
    pub offset: u64,
    /// Bytes.
    pub len: u64,
}

/// The first extent of `offset..` of a concatenation of runs, at most `max` bytes. None behind the end.
pub(crate) fn extent_at(runs: &[Run], mut offset: u64, max: u64) -> Option<Extent> {
    for run in runs {
        if offset >= run.size {
            offset -= run.size;
            continue;
        }
        let (n, within) = (offset / run.object_bytes, offset % run.object_bytes);
        let len = max.min(run.size - offset).min(run.object_bytes - within);
        return Some(Extent { tag: run.tag, n, offset: within, len });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extents_cover_every_byte_once() {
        let run = |seq, size| Run::new(Tag { instance: 1, seq }, size, 10);
        let runs = [run(1, 25), run(2, 0), run(3, 10), run(4, 7)];
        assert_eq!(runs.map(|r| r.objects()), [3, 0, 1, 1]);
        let (mut at, mut got) = (0, Vec::new());
        while let Some(e) = extent_at(&runs, at, 4) {
            assert!(e.len > 0 && e.offset + e.len <= 10);
            got.push((e.tag.seq, e.n * 10 + e.offset, e.len));
            at += e.len;
        }
        assert_eq!(at, 42);
        assert_eq!(got[..4], [(1, 0, 4), (1, 4, 4), (1, 8, 2), (1, 10, 4)]);
        assert_eq!(got.last(), Some(&(4, 4, 3)));
    }
}
