//! Counting the objects of the PGs that this OSD is primary of, a few at a time while nothing else is to be
//! done: for what people are shown.

use osd_object::{ObjectId, ObjectRead, Version};
use osd_pg::names::is_internal;
use osd_pg::object_meta;
use placement_map::{ClusterMap, PgId};
use std::collections::BTreeMap;

/// Objects looked at in one step.
const STEP_OBJECTS: usize = 256;

/// Objects and bytes of a PG.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Live objects.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

struct Walk {
    pg: PgId,
    head: Version,
    at: Option<ObjectId>,
    count: Count,
}

/// Counts by PG, each as of some moment not long ago.
#[derive(Default)]
pub(crate) struct Census {
    counts: BTreeMap<PgId, (Version, Count)>,
    walk: Option<Walk>,
}

impl Census {
    /// The last count of a PG.
    pub(crate) fn count(&self, pg: PgId) -> Count {
        self.counts.get(&pg).map(|(_, c)| *c).unwrap_or_default()
    }

    /// A PG was divided: what was counted is no longer all its own.
    pub(crate) fn forget(&mut self, pg: PgId) {
        self.counts.remove(&pg);
        self.walk = self.walk.take().filter(|walk| walk.pg != pg);
    }

    /// Starts to count a PG whose log has moved since it was last counted. True: there is work.
    pub(crate) fn begin(&mut self, primaries: impl Iterator<Item = (PgId, Version)>) -> bool {
        if self.walk.is_none() {
            let stale = |(pg, head): &(PgId, Version)| self.counts.get(pg).is_none_or(|(at, _)| at != head);
            self.walk = primaries.into_iter().find(stale).map(|(pg, head)| Walk {
                pg,
                head,
                at: None,
                count: Count::default(),
            });
        }
        self.walk.is_some()
    }

    /// Looks at the next objects. True: there are more.
    pub(crate) fn step(&mut self, map: &ClusterMap, view: &dyn ObjectRead) -> bool {
        let Some(walk) = &mut self.walk else { return false };
        let from = walk.at.take().or_else(|| first_of(walk.pg));
        let Ok(page) = view.list(walk.pg.pool, from.as_ref(), STEP_OBJECTS + 1) else {
            self.walk = None;
            return false;
        };
        let shards = map.pool(walk.pg.pool).is_some_and(|pool| !pool.can_shift());
        let full = page.len() > STEP_OBJECTS;
        let inside = |o: &ObjectId| map.pg_of(o.pool, o.hash) == Some(walk.pg);
        let mut ended = !full;
        for object in page.iter().take(STEP_OBJECTS) {
            if !inside(object) {
                ended = true;
                break;
            }
            // Clones share most of their bytes with what they are clones of.
            if !is_internal(object) && object.snap == osd_object::SnapId::HEAD {
                walk.count.objects += 1;
                let meta = if shards { object_meta(view, object) } else { view.meta(object) };
                walk.count.bytes += meta.ok().flatten().map_or(0, |m| m.size);
            }
        }
        if ended {
            self.counts.insert(walk.pg, (walk.head, walk.count));
            self.walk = None;
            return false;
        }
        walk.at = page.last().cloned();
        true
    }
}

/// Where a PG's range of the object order begins.
fn first_of(pg: PgId) -> Option<ObjectId> {
    // The seed's bits are the hash's lowest, and the order is by the reversed hash: the PG's first object
    // has no other bit set.
    Some(ObjectId {
        pool: pg.pool,
        hash: pg.seed,
        name: osd_object::ObjectName::default(),
        snap: osd_object::SnapId(0),
    })
}
