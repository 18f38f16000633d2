//! Scrubs: when PGs have theirs, and the reading for them.

use super::Reactor;
use crate::scrub::could_scrub;
use osd_object::ObjectId;
use osd_pg::host::ScrubSettings;
use osd_pg::{Event, Ticket};
use osd_store::StoreError;
use placement_map::PgId;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stdx::Time;
use stdx::time::WallTime;
use wire_codec::pg::ScrubStamps;

/// How often it is asked which PG is due.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

impl Reactor {
    fn scrub_settings(&self) -> ScrubSettings {
        ScrubSettings::of(self.view.map(), &self.config.id.to_string())
    }

    /// Lets the PG that is most overdue begin, and tells new ones since when they count.
    pub(super) fn schedule_scrubs(&mut self, now: Time) {
        if now.since(self.scrubs_looked) < LOOK_INTERVAL || !self.is_up() {
            return;
        }
        self.scrubs_looked = now;
        let wall = time_of_day();
        let could: Vec<(PgId, ScrubStamps)> = could_scrub(&self.pgs).collect();
        let (new, known): (Vec<_>, Vec<_>) =
            could.into_iter().partition(|(_, stamps)| *stamps == ScrubStamps::default());
        for (pg, _) in new {
            self.events.push_back((pg, Event::ScrubBaseline(wall)));
        }
        let settings = self.scrub_settings();
        if let Some((pg, order)) = self.scrub_schedule.next(now, wall, known.into_iter(), &settings) {
            tracing::info!(%pg, deep = order.deep, "scrub begins");
            self.events.push_back((pg, Event::Scrub(order)));
        }
    }

    /// A PG wants to know what the store holds.
    pub(super) fn scan(&mut self, pg: PgId, ticket: Ticket, objects: Vec<ObjectId>, deep: bool) {
        let (now, settings) = (self.clock.now(), self.scrub_settings());
        if self.scrub_schedule.take(now, pg, &settings) {
            self.scrubber.add(pg, ticket, objects, deep);
        } else {
            self.events.push_back((pg, Event::Scrubbed { ticket, entries: None }));
        }
    }

    /// A PG's scrub ended, or was given up.
    pub(super) fn scrub_ended(&mut self, pg: PgId) {
        self.scrubber.forget(pg);
        self.scrub_schedule.give_back(pg);
    }

    /// Reads a little, if it is time to.
    pub(super) fn scrub_step(&mut self, now: Time) -> Result<(), StoreError> {
        if self.scrubber.next().is_none_or(|at| at > now) {
            return Ok(());
        }
        let rate = self.scrub_settings().bytes_per_second;
        let done = self.scrubber.step(now, rate, &mut self.store)?;
        self.events.extend(done);
        Ok(())
    }
}

/// The time of day: for stamps that people read and for the hours at which scrubs begin. One that is wrong makes a scrub
/// come early or late.
fn time_of_day() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}
