//! Who holds which shard.

use super::shape::Shape;
use crate::machine::Pg;
use erasure::ChunkSet;
use placement_map::OsdId;
use std::collections::BTreeMap;

impl Pg {
    /// Goes by the pool's code from here on.
    pub(crate) fn fit_shape(&mut self) {
        if self.shape.as_ref().map(|shape| shape.spec) != self.pool.ec {
            self.shape = self.pool.ec.and_then(Shape::new);
        }
    }

    /// Whether these in-sync members are enough to have every object.
    pub(crate) fn enough(&self, members: &[OsdId]) -> bool {
        self.shape.as_ref().is_none_or(|shape| self.row.copies_of(members) >= shape.fewest())
    }

    /// Whether this OSD's shard is the one that the row says; true in a replicated PG.
    pub(crate) fn shard_fits(&self) -> bool {
        let said = self.row.shards.get(&self.me).copied();
        self.shape.is_none() || (said.is_some() && (self.info.shard.is_none() || self.info.shard == said))
    }

    /// The shard that each member holds or is to hold; empty in a replicated PG.
    pub(crate) fn seats(&self) -> BTreeMap<OsdId, u8> {
        if self.shape.is_none() {
            return BTreeMap::new();
        }
        let mut seats = self.row.seats(&self.up);
        seats.extend(self.row.shards.iter().map(|(osd, shard)| (*osd, *shard)));
        seats
    }

    /// In-sync members of the up set, other than we, that hold a shard of which another one holds a copy that stays:
    /// they are to give it up and take another.
    pub(crate) fn misplaced(&self) -> Vec<OsdId> {
        if self.shape.is_none() {
            return Vec::new();
        }
        let seats = self.row.seats(&self.up);
        let moves = |osd: &OsdId| {
            *osd != self.me
                && seats
                    .get(osd)
                    .is_some_and(|seat| self.row.shards.get(osd).is_some_and(|held| held != seat))
        };
        self.row.in_sync.iter().copied().filter(moves).collect()
    }

    /// Who can be asked for which shard now: this OSD, and the in-sync members that are level.
    pub(crate) fn shard_holders(&self) -> BTreeMap<usize, OsdId> {
        let ready = |osd: &OsdId| {
            *osd == self.me
                || self.primary.as_ref().and_then(|p| p.peers.get(osd)).is_some_and(|peer| peer.is_ready())
        };
        let mut holders = BTreeMap::new();
        for osd in self.row.in_sync.iter().filter(|osd| ready(osd)) {
            if let Some(shard) = self.row.shards.get(osd) {
                let holder = holders.entry(usize::from(*shard)).or_insert(*osd);
                if *osd == self.me {
                    *holder = *osd;
                }
            }
        }
        holders
    }

    /// Shards that in-sync members hold, whether they can be asked now or not.
    pub(crate) fn shards_in_sync(&self) -> ChunkSet {
        let held = self.row.in_sync.iter().filter_map(|osd| self.row.shards.get(osd));
        held.map(|shard| usize::from(*shard)).collect()
    }
}
