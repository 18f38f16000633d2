//! What the reactor does for scrubs, over a model store: every object of an answer is looked at at a moment of its own.

use super::{Io, Osd, Out};
use crate::agenda::Happening;
use osd_object::ObjectId;
use osd_pg::host::ScrubSettings;
use osd_pg::{Event, ScrubOrder, Ticket};
use placement_map::PgId;
use std::time::Duration;
use stdx::checksum::crc32c;
use stdx::time::WallTime;
use wire_codec::pg::ScrubEntry;

/// A question of a PG that the store is busy with.
#[derive(Debug)]
pub(crate) struct Scan {
    pg: PgId,
    ticket: Ticket,
    deep: bool,
    left: Vec<ObjectId>,
    found: Vec<ScrubEntry>,
}

impl Osd {
    /// A PG wants to know what the store holds.
    pub(super) fn scan(&mut self, io: &mut Io, pg: PgId, ticket: Ticket, objects: Vec<ObjectId>, deep: bool) {
        let now = self.clock.now(io.now);
        let settings = ScrubSettings::of(self.view.map(), &self.id.to_string());
        if !self.scrub_schedule.take(now, pg, &settings) {
            self.events.push_back((pg, Event::Scrubbed { ticket, entries: None }));
            return;
        }
        self.scans.retain(|scan| scan.pg != pg);
        let left = objects.into_iter().rev().collect();
        self.scans.push(Scan { pg, ticket, deep, left, found: Vec::new() });
        self.scan_later(io);
    }

    fn scan_later(&mut self, io: &mut Io) {
        let (osd, life) = (self.id, self.life);
        let after = Duration::from_micros(20 + self.rng.below(self.settings.disk_us + self.disk.slow_us));
        io.out.push(Out::Later { after, happening: Happening::ScanStep { osd, life } });
    }

    pub(super) fn scrub_ended(&mut self, pg: PgId) {
        self.scans.retain(|scan| scan.pg != pg);
        self.scrub_schedule.give_back(pg);
    }

    /// Looks at one object.
    pub(crate) fn scan_step(&mut self, io: &mut Io) {
        let Some(scan) = self.scans.first_mut() else { return };
        let (deep, next) = (scan.deep, scan.left.pop());
        let done = scan.left.is_empty();
        let entry = next.and_then(|object| entry(&self.disk, object, deep));
        let scan = self.scans.first_mut().expect("just seen");
        scan.found.extend(entry);
        if done {
            let Scan { pg, ticket, found, .. } = self.scans.remove(0);
            self.events.push_back((pg, Event::Scrubbed { ticket, entries: Some(found) }));
        }
        if !self.scans.is_empty() {
            self.scan_later(io);
        }
    }

    /// Now and then, and much more often than in life, a PG is compared.
    pub(super) fn scrub_something(&mut self, io: &Io) {
        let machines = self.pgs.len() as u64;
        if machines > 0 && self.rng.chance(1, 4) {
            let at = self.rng.below(machines) as usize;
            let order = ScrubOrder { deep: self.rng.chance(1, 2), at: WallTime(io.now.0) };
            self.events.extend(self.pgs.keys().nth(at).map(|pg| (*pg, Event::Scrub(order))));
        }
    }

    /// A PG is read through.
    pub(crate) fn scrub_deep(&mut self, pg: PgId, now: stdx::Time) {
        let order = ScrubOrder { deep: true, at: WallTime(now.0) };
        self.events.push_back((pg, Event::Scrub(order)));
    }
}

fn entry(disk: &crate::disk::Disk, object: ObjectId, deep: bool) -> Option<ScrubEntry> {
    let o = disk.view.objects.get(&object)?;
    let rows = o.omap.iter().flat_map(|(k, v)| [&k[..], &[0], v, &[0]].concat());
    let attrs = o.xattrs.iter().flat_map(|(k, v)| [k.as_bytes(), &[0], v, &[0]].concat());
    Some(ScrubEntry {
        version: o.meta.version,
        size: o.meta.size,
        data_digest: crc32c(&o.data),
        attr_digest: crc32c(&attrs.collect::<Vec<u8>>()),
        omap_digest: crc32c(&rows.collect::<Vec<u8>>()),
        bad: if deep { disk.bad_places(&object) } else { Vec::new() },
        object,
    })
}
