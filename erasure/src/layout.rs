//! Where the chunks of a stripe stand: which positions hold data, which parity, and which form a local group.

use crate::{ChunkSet, Profile, Technique};

/// The positions of a code's chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The positions of the data chunks, in the order of the object's bytes.
    pub(crate) data: Vec<usize>,
    /// The positions of all parity chunks, ascending.
    pub(crate) coding: Vec<usize>,
    /// The positions of the global parity chunks, in the order of the matrix.
    pub(crate) global: Vec<usize>,
    /// The local groups, each with its local parity, which is the last of it.
    pub(crate) groups: Vec<ChunkSet>,
}

impl Layout {
    pub(crate) fn new(profile: Profile) -> Layout {
        let (k, m) = (profile.k(), profile.m());
        let Technique::Local { l } = profile.technique() else {
            let coding: Vec<usize> = (k..k + m).collect();
            return Layout { data: (0..k).collect(), global: coding.clone(), coding, groups: Vec::new() };
        };
        // Ceph's `parse_kml`: each group is its share of the data, its share of the parity, its own parity.
        let groups = profile.groups();
        let mut layout = Layout { data: vec![], coding: vec![], global: vec![], groups: vec![] };
        for group in 0..groups {
            let start = group * (l + 1);
            let parity = start + k / groups;
            layout.data.extend(start..parity);
            layout.global.extend(parity..start + l);
            layout.coding.extend(parity..start + l + 1);
            layout.groups.push(ChunkSet::from_iter(start..start + l + 1));
        }
        layout
    }

    /// The group that `position` belongs to.
    pub(crate) fn group_of(&self, position: usize) -> Option<ChunkSet> {
        self.groups.iter().copied().find(|group| group.contains(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lrc_stands_as_in_ceph() {
        // Ceph: mapping DD__DD__, layers DDc_DDc_, DDDc____, ____DDDc.
        let layout = Layout::new(Profile::new(Technique::Local { l: 3 }, 4, 2).unwrap());
        assert_eq!(layout.data, [0, 1, 4, 5]);
        assert_eq!(layout.global, [2, 6]);
        assert_eq!(layout.coding, [2, 3, 6, 7]);
        assert_eq!(layout.groups, [ChunkSet::first(4), ChunkSet::first(8) - ChunkSet::first(4)]);
        assert_eq!(layout.group_of(6), Some(layout.groups[1]));
        assert_eq!(Layout::new(Profile::isa(4, 2).unwrap()).group_of(1), None);
    }
}
