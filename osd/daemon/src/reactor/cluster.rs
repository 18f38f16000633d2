//! What an OSD does when the cluster changes: which PGs it has a part in, whom it talks to.

use super::Reactor;
use crate::error::OsdError;
use osd_class::Registry;
use osd_object::ObjectRead;
use osd_pg::host::Changes;
use osd_pg::names::meta_object;
use osd_pg::{Event, Pg, PgConfig, Promise, TrimPace};
use osd_store::{Algorithm, Compression, PackWhich};
use placement_map::config::parse_size;
use placement_map::{
    Command, CompressionAlgorithm, CompressionMode, OsdBoot, OsdId, PgId, PoolCompression, PoolId, Uuid,
};
use std::collections::BTreeSet;
use wire_codec::MonMessage;
use wire_codec::mon::Update;

/// What a pool wants, in the store's terms.
fn compression(wanted: PoolCompression) -> Compression {
    Compression {
        which: match wanted.mode {
            CompressionMode::Passive => PackWhich::Hinted,
            CompressionMode::Aggressive => PackWhich::NotRefused,
            CompressionMode::Force => PackWhich::All,
        },
        algorithm: match wanted.algorithm {
            CompressionAlgorithm::Lz4 => Algorithm::Lz4,
            CompressionAlgorithm::Zstd => Algorithm::Zstd,
        },
        required_ratio_permille: wanted.required_ratio_permille,
    }
}

/// Below this a store does not run well; less is not tried.
const MEMORY_BYTES_MIN: u64 = 128 << 20;

/// One TiB: the size that has CRUSH weight 1.0.
const TIB: u128 = 1 << 40;

impl Reactor {
    /// The monitors sent news.
    pub(super) fn update(&mut self, update: Update) {
        let first = self.view.epoch().0 == 0;
        let was_up = self.is_up();
        let Some(changes) = self.view.take(update) else {
            // A step is missing: start over.
            self.view.forget();
            let subscribe = self.view.subscription();
            self.monitors.send(&self.sessions, MonMessage::Subscribe(subscribe));
            return;
        };
        if changes.map {
            self.config.security.admission().replace(&self.view.map().keys);
            self.monitors.follow(&self.view.map().monitors, &mut self.sessions);
            self.follow_osds();
            if first {
                self.find_stray_pools();
            }
        }
        self.follow_pgs(&changes);
        if changes.map {
            self.refresh_full();
            self.follow_settings();
            for (session, op) in std::mem::take(&mut self.ahead) {
                self.client_op(session, op);
            }
        }
        self.look_for_recovery = true;
        self.boot_if_needed();
        if self.is_up() && !was_up {
            self.damage_is_noted();
            // Whoever looks at a cluster that has just come up wants to see its size.
            self.beaconed = stdx::Time::ZERO;
        }
    }

    /// Central settings that the store and the PGs go by.
    fn follow_settings(&mut self) {
        let set = self.view.map().setting(&self.config.id.to_string(), "osd_discard");
        // The monitors take no other words; an older map knows none.
        let mode = set.and_then(|word| word.parse().ok()).unwrap_or_default();
        self.store.set_discard(mode);
        let central = self.view.map().set_value(&self.config.id.to_string(), "osd_memory_target");
        let own = self.config.store.memory_target_bytes;
        let wanted = central.and_then(parse_size).unwrap_or(own).max(MEMORY_BYTES_MIN);
        let target = wanted.min(self.memory_bytes_max());
        if target < wanted && self.memory_wanted != wanted {
            tracing::warn!(
                wanted,
                target,
                "osd_memory_target is more memory than this host has; so much is used of it"
            );
        }
        self.memory_wanted = wanted;
        self.store.set_memory_target(target);
        let pools = self.view.map().pools.iter();
        let wanted = pools.filter_map(|(id, pool)| Some((*id, compression(pool.compression()?)))).collect();
        if let Err(source) = self.store.set_compressions(&wanted) {
            self.fatal.get_or_insert(OsdError::Store { osd: self.config.id, source });
        }
        let pace = TrimPace::of(self.view.map(), &self.config.id.to_string());
        if std::mem::replace(&mut self.trim_pace, pace) != pace {
            for pg in self.pgs.ids() {
                self.events.push_back((pg, Event::TrimPace(pace)));
            }
        }
    }

    /// The most that the caches may aim at: all of this host's memory. They would grow until the system ends us.
    fn memory_bytes_max(&self) -> u64 {
        let info = rustix::system::sysinfo();
        let bytes = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit));
        if bytes == 0 { u64::MAX } else { bytes.max(MEMORY_BYTES_MIN) }
    }

    fn follow_osds(&mut self) {
        let now = self.clock.now();
        let fresh = self.peers.follow(self.config.id, self.view.map(), &mut self.sessions);
        self.beats.watch(now, self.peers.up());
        for osd in fresh {
            self.beats.reset(now, osd);
        }
    }

    /// Tells every PG concerned; makes machines for PGs that are new here, and for those found in the store.
    fn follow_pgs(&mut self, changes: &Changes) {
        // Until our own boot shows, rows speak of a former life, whose store this one may not have. The boot
        // mints an epoch, so the update that shows it concerns every PG.
        self.booted |= self.is_up();
        if !self.booted {
            return;
        }
        let me = self.config.id;
        let concerned: BTreeSet<PgId> = match changes.map {
            true => self.view.rows().map(|(pg, _)| pg).chain(self.pgs.ids()).collect(),
            false => changes.rows.clone(),
        };
        for pg in concerned {
            let map = self.view.map();
            let exists = map.has_pg(pg);
            // Not one that is to come: a monitor that is behind may tell of the time before a pool, or before a PG was
            // divided off, once we have forgotten the newer map for a gap.
            let deleted = map.pool(pg.pool).is_none() && pg.pool < map.next_pool;
            if !self.pgs.has(pg) {
                let stored = || self.store.meta(&meta_object(pg)).is_ok_and(|m| m.is_some());
                if !exists || !(self.view.concerns(pg, me) || stored()) || !self.add_pg(pg, None) {
                    continue;
                }
            }
            if exists {
                let Some(event) = self.view.event(pg) else { continue };
                if !matches!(&event, Event::Map { pool, .. } if self.pgs.must_divide(pg, pool)) {
                    self.events.push_back((pg, event));
                } else if let Err(source) = self.feed(pg, event) {
                    // At once: the children's turn in this loop comes later, and they begin with what it left them.
                    self.fatal.get_or_insert(OsdError::Store { osd: me, source });
                }
            } else if deleted {
                self.events.push_back((pg, Event::PoolDeleted));
            }
        }
    }

    /// A PG was divided in the store: its children get their machines.
    pub(super) fn divided(&mut self, parent: PgId, children: Vec<PgId>, promise: Promise) {
        tracing::debug!(%parent, ?children, "a PG was divided");
        self.census.forget(parent);
        for pg in children {
            assert!(!self.pgs.has(pg), "{pg} began before {parent} was divided");
            if !self.add_pg(pg, Some(promise.clone())) {
                return;
            }
            if let Some(event) = self.view.event(pg) {
                self.events.push_back((pg, event));
            }
        }
    }

    fn add_pg(&mut self, pg: PgId, promise: Option<Promise>) -> bool {
        let (me, now) = (self.config.id, self.clock.now());
        // The map by which all were distrusted may have been older than this PG.
        if self.store.is_damaged()
            && let Err(error) = self.distrust_pg(pg)
        {
            self.fatal = Some(error);
            return false;
        }
        let config = PgConfig { logged_bytes_max: self.store.logged_bytes_max(), ..PgConfig::default() };
        match Pg::new(pg, me, now, &self.store, config, Registry::standard()) {
            Ok(mut machine) => {
                if let Some(promise) = promise {
                    machine.inherit(promise);
                }
                self.pgs.add(pg, machine);
                // Until it is its turn.
                self.events.push_back((pg, Event::MayRecover(false)));
                self.events.push_back((pg, Event::TrimPace(self.trim_pace)));
                if self.goodbye.is_some() {
                    // The monitors are told that nobody is served any more, of any PG.
                    self.events.push_back((pg, Event::Resign));
                }
                true
            }
            Err(source) => {
                self.fatal = Some(OsdError::Damaged { osd: me, source });
                false
            }
        }
    }

    /// Whether the bookkeeping of all PGs that the store holds can be read. A member that cannot tell where its log
    /// stands must not count as up: its peers would wait for it for ever.
    fn check_pgs(&self) -> Result<(), osd_pg::LoadError> {
        self.view.map().pgs().try_for_each(|pg| osd_pg::check(&self.store, pg))
    }

    /// A store that lost acknowledged writes must call no PG's copy complete, before it asks to count as up.
    fn distrust_pgs(&mut self) -> Result<(), OsdError> {
        if self.distrusted || !self.store.is_damaged() {
            return Ok(());
        }
        let osd = self.config.id;
        let pgs: Vec<PgId> = self.view.map().pgs().collect();
        for pg in pgs {
            self.distrust_pg(pg)?;
        }
        self.store.flush_index().map_err(|source| OsdError::Store { osd, source })?;
        self.distrusted = true;
        tracing::warn!(%osd, "the store lost acknowledged writes: this OSD leaves every in-sync set and is refilled");
        Ok(())
    }

    fn distrust_pg(&mut self, pg: PgId) -> Result<(), OsdError> {
        let osd = self.config.id;
        let t = osd_pg::distrust(&self.store, pg).map_err(|source| OsdError::Damaged { osd, source })?;
        let Some(t) = t else { return Ok(()) };
        let ticket = self.pgs.lone_ticket();
        self.store.submit(ticket, t).map_err(|source| OsdError::Store { osd, source })
    }

    /// The map shows this process as up, so the monitors have taken it out of every in-sync set, and what the store
    /// says of its PGs is that nothing is certain.
    fn damage_is_noted(&mut self) {
        if self.store.is_damaged() {
            assert!(self.distrusted, "a damaged store boots only once its PGs are distrusted");
            let osd = self.config.id;
            match self.store.flush_index().and_then(|()| self.store.clear_damaged()) {
                Ok(()) => tracing::info!(%osd, "the cluster knows what this store lost"),
                Err(source) => self.fatal = Some(OsdError::Store { osd, source }),
            }
        }
    }

    fn find_stray_pools(&mut self) {
        let map = self.view.map();
        let known = |pool: &PoolId| map.pool(*pool).is_some();
        let holds = |pool: &PoolId| self.store.list(*pool, None, 1).is_ok_and(|objects| !objects.is_empty());
        self.stray_pools = (1..map.next_pool.0).map(PoolId).filter(|p| !known(p) && holds(p)).collect();
    }

    /// Which PGs have a member that takes no more.
    pub(super) fn refresh_full(&mut self) {
        let full_osds: BTreeSet<OsdId> = self
            .peers
            .up()
            .filter(|osd| self.peers.is_full(*osd))
            .chain(self.self_full.then_some(self.config.id))
            .collect();
        for pg in self.pgs.ids() {
            let full: BTreeSet<OsdId> =
                full_osds.iter().copied().filter(|osd| self.view.concerns(pg, *osd)).collect();
            let told = self.full.entry(pg).or_default();
            if *told != full {
                *told = full.clone();
                self.events.push_back((pg, Event::Full(full)));
            }
        }
    }

    /// Whether the map shows this very process as up.
    pub(super) fn is_up(&self) -> bool {
        self.view.map().osd(self.config.id).is_some_and(|osd| osd.up && osd.nonce == self.nonce)
    }

    /// Asks to be marked up, until the map shows it. Also when the map calls us down although we live.
    pub(super) fn boot_if_needed(&mut self) {
        let now = self.clock.now();
        if self.view.epoch().0 == 0 || self.is_up() || self.goodbye.is_some() || !self.monitors.boot_due(now)
        {
            return;
        }
        if !self.booted
            && let Err(source) = self.check_pgs()
        {
            self.fatal = Some(OsdError::Damaged { osd: self.config.id, source });
            return;
        }
        if let Err(error) = self.distrust_pgs() {
            self.fatal = Some(error);
            return;
        }
        let identity = self.store.identity();
        let weight = u128::from(self.store.usage().total_bytes) * u128::from(placement_map::WEIGHT_ONE) / TIB;
        let boot = OsdBoot {
            id: self.config.id,
            uuid: Uuid(identity.uuid),
            addr: self.addr,
            nonce: self.nonce,
            location: self.config.location.clone(),
            weight: u32::try_from(weight.max(1)).unwrap_or(u32::MAX),
            device_class: None,
            damaged: self.store.is_damaged(),
            feature_level: self.config.security.program().level,
        };
        let id = self.monitors.id();
        let command = Box::new(Command::OsdBoot(boot));
        self.monitors.send(&self.sessions, MonMessage::Command { id, command });
    }
}
