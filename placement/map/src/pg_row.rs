//! What the monitors record of one PG beyond what CRUSH computes (decision D3): who is in sync, who is
//! primary, and whether that primary was ever allowed to serve.

use crate::ids::{OsdId, PgId};
use std::collections::{BTreeMap, BTreeSet};

/// One PG's row in the monitors' side table. Rows have versions of their own and mint no map epochs.
///
/// Rules that `apply` keeps:
/// * only the monitors change a row, and a daemon's proposal is a compare-and-set on `revision`;
/// * `primary` is a member of `in_sync` and up, or none;
/// * `in_sync` never becomes empty except through stores known to be lost, which sets `lost`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PgRow {
    /// Grows with each new tenure of a primary (another OSD, or the same one restarted). Messages between
    /// members carry it; a member that knows a later interval refuses those of an earlier one.
    /// 0: the PG was never given to anybody.
    pub interval: u64,
    /// Grows with every change of the row.
    pub revision: u64,
    /// Members that hold every acknowledged write, the primary first while it is one of them.
    pub in_sync: Vec<OsdId>,
    /// Who may activate this interval and then serve. None: nobody in sync is up, the PG is down.
    pub primary: Option<OsdId>,
    /// Whether the primary committed its activation of `interval`. Until then members that go down stay in
    /// `in_sync`, since nobody can have written without them.
    pub activated: bool,
    /// Every in-sync store was lost (another uuid, damage): the PG is incomplete, never silently empty.
    pub lost: bool,
    /// In an erasure-coded pool: which shard each in-sync member holds; two may hold the same one while one takes
    /// over from the other. Of a lost PG: what was left. Empty in a replicated pool.
    pub shards: BTreeMap<OsdId, u8>,
    /// Members that stopped and lack no acknowledged write so far; none of them is up. The primary acknowledges
    /// nothing while there are any, and has them dropped (`Shrink`) before it does.
    pub resting: Vec<OsdId>,
    /// Of an erasure-coded PG whose data was given up: the interval in which it began anew. What members hold from before
    /// belongs to nothing any more, and goes. 0: it never was.
    pub born: u64,
}
stdx::codec_versioned!(PgRow, 4 { interval, revision, in_sync, primary, activated, lost } since 2 { shards }
    since 3 { resting } since 4 { born });

impl PgRow {
    /// In-sync copies that count: members, or different shards of an erasure-coded pool.
    pub fn copies(&self) -> usize {
        self.copies_of(&self.in_sync)
    }

    /// How many copies these in-sync members are.
    pub fn copies_of(&self, members: &[OsdId]) -> usize {
        if self.shards.is_empty() {
            return members.len();
        }
        members.iter().filter_map(|osd| self.shards.get(osd)).collect::<BTreeSet<_>>().len()
    }

    /// Which shard each member of the up set (by position, with holes) is to hold. Who holds one in sync keeps it
    /// wherever it stands now, the primary before all others, since moving it would only cost copying; of two with the
    /// same one the later has to move. The others get the shards that are left, their own position's if that is free.
    pub fn seats(&self, up: &[OsdId]) -> BTreeMap<OsdId, u8> {
        // An up set names every position; should it be cut short, what is held beyond it stays where it is.
        let held = self.shards.values().max().map_or(0, |last| usize::from(*last) + 1);
        let size = up.len().max(held).min(usize::from(u8::MAX)) as u8;
        let mut free: BTreeSet<u8> = (0..size).collect();
        let mut seats = BTreeMap::new();
        let first = self.primary.iter().filter(|osd| up.contains(osd));
        for osd in first.chain(up).filter(|osd| **osd != OsdId::NONE) {
            if let Some(shard) = self.shards.get(osd)
                && free.remove(shard)
            {
                seats.insert(*osd, *shard);
            }
        }
        let unseated =
            |seats: &BTreeMap<OsdId, u8>, osd: &OsdId| *osd != OsdId::NONE && !seats.contains_key(osd);
        for (place, osd) in (0..size).zip(up) {
            if unseated(&seats, osd) && free.remove(&place) {
                seats.insert(*osd, place);
            }
        }
        for osd in up {
            if unseated(&seats, osd)
                && let Some(shard) = free.pop_first()
            {
                seats.insert(*osd, shard);
            }
        }
        seats
    }
}

/// A change of one row that its primary proposes. Refused unless `revision` is the row's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowChange {
    /// The PG.
    pub pg: PgId,
    /// The proposer, who must be the row's primary.
    pub from: OsdId,
    /// The revision that the change was computed from.
    pub revision: u64,
    /// What changes.
    pub kind: RowChangeKind,
}
stdx::codec_versioned!(RowChange, 1 { pg, from, revision, kind });

/// Kinds of change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowChangeKind {
    /// Serve from here on: all of `in_sync` (a non-empty subset of the row's, the primary in it) have the
    /// primary's head. Those that are down rest, since they lack nothing.
    Activate {
        /// The new in-sync set.
        in_sync: Vec<OsdId>,
    },
    /// Go on without these members (never without the last one), or without these that rest.
    Shrink {
        /// Members to drop; not the proposer.
        drop: Vec<OsdId>,
    },
    /// These joiners are caught up and already acknowledge every write.
    Grow {
        /// Members to add.
        add: Vec<OsdId>,
    },
    /// Before the activation of a replicated PG: another in-sync member leads, in a new interval, since what this one
    /// would bring it level with cannot be read here. Everybody stays in sync. From [`crate::FEATURE_YIELD`] on.
    Yield {
        /// Who is to lead.
        to: OsdId,
    },
}
stdx::codec_enum!(RowChangeKind {
    0 => Activate { in_sync }, 1 => Shrink { drop }, 2 => Grow { add }, 3 => Yield { to }
});

#[cfg(test)]
mod tests {
    use super::*;

    fn osds(ids: &[u32]) -> Vec<OsdId> {
        ids.iter().map(|id| if *id == 99 { OsdId::NONE } else { OsdId(*id) }).collect()
    }
    fn row(shards: &[(u32, u8)], primary: u32) -> PgRow {
        PgRow {
            primary: Some(OsdId(primary)),
            in_sync: shards.iter().map(|(osd, _)| OsdId(*osd)).collect(),
            shards: shards.iter().map(|(osd, shard)| (OsdId(*osd), *shard)).collect(),
            ..PgRow::default()
        }
    }
    fn seats(row: &PgRow, up: &[u32]) -> Vec<(u32, u8)> {
        row.seats(&osds(up)).into_iter().map(|(osd, shard)| (osd.0, shard)).collect()
    }

    #[test]
    fn members_keep_their_shards_and_joiners_get_what_is_left() {
        let r = row(&[(1, 0), (2, 1), (3, 2)], 1);
        assert_eq!(seats(&r, &[1, 2, 3]), [(1, 0), (2, 1), (3, 2)]);
        assert_eq!(seats(&r, &[3, 1, 2]), [(1, 0), (2, 1), (3, 2)], "a permutation moves nothing");
        assert_eq!(seats(&r, &[1, 99, 3]), [(1, 0), (3, 2)]);
        assert_eq!(seats(&r, &[1, 7, 3]), [(1, 0), (3, 2), (7, 1)]);
        assert_eq!(seats(&r, &[7, 1, 8]), [(1, 0), (7, 1), (8, 2)], "its own place is taken");
        assert_eq!(seats(&PgRow::default(), &[4, 99, 5]), [(4, 0), (5, 2)]);
        assert_eq!(seats(&r, &[2, 3]), [(2, 1), (3, 2)], "a set that is cut short moves nobody");
    }

    #[test]
    fn of_two_with_one_shard_the_primary_keeps_it_and_copies_are_counted_once() {
        let r = row(&[(1, 0), (2, 1), (3, 2), (4, 2)], 4);
        assert_eq!(seats(&r, &[1, 3, 4]), [(1, 0), (3, 1), (4, 2)]);
        assert_eq!((r.copies(), r.copies_of(&osds(&[3, 4]))), (3, 1));
        assert_eq!(row(&[], 1).copies(), 0);
    }
}
