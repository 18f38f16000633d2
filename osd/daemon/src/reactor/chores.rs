//! What is due by the clock: pings, reports, beacons, boots, counting, clearing away.

use super::{GOODBYE, Reactor, STRAY_STEP};
use crate::beacon::{BEACON_INTERVAL, beacon};
use crate::error::OsdError;
use crate::fullness::Space;
use crate::heartbeat::PING_INTERVAL;
use osd_object::{Mutation, ObjectRead, Transaction};
use osd_pg::Event;
use osd_pg::host::Limits;
use osd_store::StoreError;
use placement_map::{Command, Feature};
use std::time::Duration;
use stdx::Time;
use wire_codec::{Message, MonMessage};

/// The least `mon_osd_full_ratio` that the monitors take.
const FULL_RATIO_MIN: f64 = 0.1;

impl Reactor {
    /// Does what is due at `now`.
    pub(super) fn chores(&mut self, now: Time) -> Result<(), StoreError> {
        if now.since(self.pinged) >= PING_INTERVAL {
            self.pinged = now;
            self.look_for_recovery = true;
            self.heartbeats(now);
            self.monitors.watch(now, &mut self.sessions);
            self.store.index_goes_on()?;
            self.look_at_index_room();
            self.watch_space();
            self.schedule_scrubs(now);
            self.boot_if_needed();
            self.forget_removed();
            self.clear_stray_pools()?;
        }
        if now.since(self.beaconed) >= BEACON_INTERVAL {
            let seconds = now.since(self.beaconed).as_secs_f64();
            self.beaconed = now;
            self.say_beacon(seconds);
        }
        Ok(())
    }

    /// Silence after which a peer is reported. By default longer than a stall of a busy disk or a paged-out process
    /// is on a healthy host, so that load alone does not take OSDs down.
    fn grace(&self) -> Duration {
        let set = self.view.map().setting(&self.config.id.to_string(), "osd_heartbeat_grace");
        Duration::from_secs(set.and_then(|v| v.parse().ok()).unwrap_or(4)).max(2 * PING_INTERVAL)
    }

    pub(super) fn heartbeats(&mut self, now: Time) {
        self.beats.look(now);
        let (pings, reports) = self.beats.due(now, self.grace());
        for osd in pings {
            self.peers.send(osd, &Message::Ping { stamp: now.0 });
        }
        for report in reports {
            tracing::info!(peer = %report.target, refused = report.refused, "a peer does not answer");
            self.report(report.target, report.refused, false);
        }
    }

    /// Gives PGs their turns to fill joiners: while some do, after everything that happened; else now and then.
    pub(super) fn let_recover(&mut self) {
        if self.throttle.is_busy() || std::mem::take(&mut self.look_for_recovery) {
            let limits = Limits::of(self.view.map(), &self.config.id.to_string());
            for (pg, may) in self.throttle.decide(self.pgs.fillings(), limits) {
                self.events.push_back((pg, Event::MayRecover(may)));
            }
        }
    }

    /// Notes that the store has become full, at the write that made it so: within a ping interval a fast client
    /// fills what is left of a small store. That it takes writes again is noted with the next ping, which keeps
    /// deletes and writes from turning it over and over.
    pub(super) fn watch_filling(&mut self) {
        if !self.self_full {
            self.watch_space();
        }
    }

    /// Asked with each ping, not with each write: what the index takes in between fits into what is kept free.
    fn look_at_index_room(&mut self) {
        self.index_room = self.config.store.index_room_bytes();
    }

    fn watch_space(&mut self) {
        let usage = self.store.usage();
        let ratio = self.view.map().setting("mon", "mon_osd_full_ratio").and_then(|v| v.parse().ok());
        let space = Space {
            total: usage.total_bytes,
            used: usage.used_bytes,
            available: usage.available_bytes,
            index_room: self.index_room,
            // What was set before such values were refused does not stop every write.
            full_ratio: ratio.filter(|r| *r >= FULL_RATIO_MIN).unwrap_or(1.0),
        };
        let why = space.full();
        let full = why.is_some();
        if full != self.self_full {
            self.self_full = full;
            // Health must say it by the time that a refused client asks why.
            self.beaconed = Time::ZERO;
            match full {
                true => {
                    tracing::warn!(
                        ?why,
                        ?usage,
                        index_room_bytes = self.index_room,
                        "the store is full: writes are refused, reads and deletes go on"
                    )
                }
                false => tracing::info!(?usage, "the store takes writes again"),
            }
            self.refresh_full();
            if full {
                // Primaries learn of it now, not by the answer to their next ping.
                for osd in self.peers.up().collect::<Vec<_>>() {
                    self.peers.send(osd, &Message::Pong { stamp: 0, full });
                }
            }
        }
    }

    fn say_beacon(&mut self, seconds: f64) {
        let (epoch, me) = (self.view.epoch(), self.config.id);
        let Some(up_from) = self.view.map().incarnation(me).filter(|_| self.is_up()) else { return };
        let usage = self.store.usage();
        let mut stats = self.tally.take(seconds);
        stats.total_bytes = usage.total_bytes;
        stats.used_bytes = usage.used_bytes;
        stats.index_bytes = usage.index_bytes;
        stats.compressed_bytes = usage.compressed_bytes;
        stats.compressed_original_bytes = usage.compressed_original_bytes;
        stats.full = self.self_full;
        let program = self.config.security.program();
        (stats.feature_level, stats.version) = (program.level, program.to_string());
        stats.repaired = self.pgs.repaired();
        self.pace.note(seconds, self.pgs.copied());
        stats.recovered_objects = self.pace.total.objects;
        stats.recovered_bytes = self.pace.total.bytes;
        self.count_objects();
        let beacon = beacon(me, up_from, epoch, stats, &self.pgs, &self.census, &self.pace);
        self.monitors.send(&self.sessions, MonMessage::Beacon(Box::new(beacon)));
    }

    /// A few steps of counting for each beacon: bounded work, done soon for what is small.
    fn count_objects(&mut self) {
        const STEPS: usize = 16;
        for _ in 0..STEPS {
            let primaries: Vec<_> = self.pgs.ids().into_iter().filter_map(|pg| self.pgs.status(pg)).collect();
            let primaries = primaries.iter().filter(|s| s.primary).map(|s| (s.pg, s.log_head));
            if !self.census.begin(primaries) {
                return;
            }
            self.census.step(self.view.map(), &self.store);
        }
    }

    fn forget_removed(&mut self) {
        for pg in self.pgs.finished(&self.events) {
            self.pgs.remove(pg);
            self.full.remove(&pg);
            self.scrub_ended(pg);
        }
    }

    fn clear_stray_pools(&mut self) -> Result<(), StoreError> {
        let Some(pool) = self.stray_pools.last().copied() else { return Ok(()) };
        let objects = self.store.list(pool, None, STRAY_STEP).unwrap_or_default();
        if objects.is_empty() {
            self.stray_pools.pop();
            return Ok(());
        }
        let mutations = objects.into_iter().map(|object| Mutation::Remove { object }).collect();
        let ticket = self.pgs.lone_ticket();
        self.store.submit(ticket, Transaction { mutations })
    }

    /// Tells the members of its PGs and then the monitors that this OSD goes, and stays until they have taken
    /// note: its PGs then change hands without waiting for anybody's patience, or for its leases, to end.
    pub(super) async fn say_goodbye(&mut self) -> Result<(), OsdError> {
        let Some(incarnation) = self.view.map().incarnation(self.config.id).filter(|_| self.is_up()) else {
            return Ok(());
        };
        for pg in self.pgs.ids() {
            self.events.push_back((pg, osd_pg::Event::Resign));
        }
        self.settle()?;
        let id = self.monitors.id();
        self.goodbye = Some(id);
        let osd = self.config.id;
        let command = Box::new(match self.view.map().has(Feature::OrderlyStop) {
            true => Command::OsdStopped { osd, incarnation },
            false => Command::MarkDown { osds: vec![(osd, Some(incarnation))] },
        });
        self.monitors.send(&self.sessions, MonMessage::Command { id, command });
        let end = tokio::time::Instant::now() + GOODBYE;
        while !self.goodbye_taken {
            self.settle()?;
            tokio::select! {
                () = tokio::time::sleep_until(end) => return Ok(()),
                woken = self.wait() => self.take(woken),
            }
        }
        Ok(())
    }
}
