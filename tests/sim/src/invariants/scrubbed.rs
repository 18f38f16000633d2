//! After everything settled and was read through, no in-sync member holds anything that it cannot read, and no
//! comparison calls sound copies inconsistent. Reason: damage that nobody repairs adds up until the last copy has some;
//! and an alarm that is false is believed only once.

use crate::world::World;
use placement_map::PgId;
use stdx::Time;
use stdx::time::WallTime;

impl World {
    /// Has every PG read through that was not since `since`; whether there was one. Orders are not for ever: one that a
    /// change of primaries ended is given again, as a schedule would.
    pub(crate) fn order_scrubs(&mut self, since: Time) -> bool {
        let (now, mut ordered) = (self.now, false);
        for pg in self.pgs() {
            let row = self.monitors.state().row(pg).expect("a row");
            let Some(primary) = row.primary else { continue };
            let done = self.osds[&primary].status(pg).is_some_and(|s| s.stamps.deep >= WallTime(since.0));
            if !done {
                ordered = true;
                self.with_osd(primary, |o, _| o.scrub_deep(pg, now));
            }
        }
        ordered
    }

    /// Looks for what a scrub left.
    pub(crate) fn check_scrubbed(&self, pg: PgId) {
        let state = self.monitors.state();
        let row = state.row(pg).expect("a row");
        for osd in row.in_sync.iter().map(|osd| &self.osds[osd]) {
            let spoilt = |o: &&osd_object::ObjectId| state.map().pg_of(o.pool, o.hash) == Some(pg);
            let left: Vec<_> = osd.disk.spoilt().filter(spoilt).collect();
            assert!(left.is_empty(), "{} cannot read {left:?} of {pg} after a scrub", osd.id);
        }
        let primary = row.primary.and_then(|osd| self.osds[&osd].status(pg)).expect("it settled");
        assert_eq!((primary.inconsistent, primary.damaged), (0, 0), "{pg}: {primary:?}");
    }
}
