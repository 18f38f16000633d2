//! The primary's side of a write: a version, a log entry, our store, everybody else's.

use crate::durability::Then;
use crate::erasure_coded::sidecar::Prepared;
use crate::erasure_coded::write_plan::{Aside, OldBytes, Planned, WritePlan};
use crate::machine::Pg;
use crate::names::is_internal;
use crate::ops::replies::Pending;
use crate::ops::{Queued, result_bytes};
use crate::sabotage::Bug;
use crate::watch::keeps_mtime;
use osd_class::Executed;
use osd_object::{Mutation, ObjectId, Transaction, Version};
use placement_map::OsdId;
use std::collections::BTreeSet;
use stdx::Errno;
use stdx::time::WallTime;
use wire_codec::pg::LogEntry;
use wire_codec::{OpTarget, OsdOutcome, PgMessage};

/// Writes sent again at once to a member that does not answer.
const RESEND_MAX: usize = 64;

/// The most that the effects of one write may take, bytes. They travel in one message of at most 17 MiB with their
/// log entry, whose names and results stay below the rest.
const TRANSACTION_BYTES_MAX: u64 = (16 << 20) + (256 << 10);
/// Data of this length goes to its place at once instead of through a store's log, bytes; no store's is higher.
const FRESH_BYTES_MIN: u64 = 32 << 10;

/// A write that somebody may still have to be sent.
#[derive(Debug)]
pub(crate) struct InFlight {
    entry: LogEntry,
    prev: Version,
    trim_to: Version,
    effects: Effects,
    bytes: u64,
    /// On shards: the lock of its columns, if it has not the whole object.
    columns: Option<u64>,
    /// Joiners that will get the object whole, and so get the entry without effects.
    bare: BTreeSet<OsdId>,
}

/// What a write does at each member.
#[derive(Debug)]
enum Effects {
    /// The same everywhere.
    Same(Transaction),
    /// To each shard, by position.
    Shards(Vec<Transaction>),
}

impl Effects {
    fn on(&self, shard: Option<u8>) -> Transaction {
        match (self, shard) {
            (Effects::Same(t), _) => t.clone(),
            (Effects::Shards(all), Some(shard)) => all[usize::from(shard)].clone(),
            (Effects::Shards(_), None) => unreachable!("a member of an erasure-coded PG without a shard"),
        }
    }
    /// The objects that have to be level at a member for the effects to come out right there.
    fn on_objects(&self, entry: &LogEntry) -> BTreeSet<ObjectId> {
        let mut objects = BTreeSet::from([entry.object.clone()]);
        let source = |m: &Mutation| match m {
            Mutation::Clone { from, .. } => Some(from.clone()),
            _ => None,
        };
        match self {
            Effects::Same(t) => {
                objects.extend(t.mutations.iter().map(|m| m.object().clone()));
                objects.extend(t.mutations.iter().filter_map(source));
            }
            // Sidecars are nowhere yet; what they are made of, and what comes and goes beside them, is the same everywhere.
            Effects::Shards(all) => {
                objects.extend(entry.changed_objects());
                objects.extend(all.first().into_iter().flat_map(|t| &t.mutations).filter_map(source));
            }
        }
        objects
    }
    fn bytes(&self) -> u64 {
        match self {
            Effects::Same(t) => t.payload_bytes(),
            Effects::Shards(all) => all.iter().map(Transaction::payload_bytes).sum(),
        }
    }
}

impl InFlight {
    pub(crate) fn object(&self) -> &ObjectId {
        &self.entry.object
    }
    pub(crate) fn columns(&self) -> Option<u64> {
        self.columns
    }
    pub(crate) fn changed(&self) -> bool {
        self.entry.changed
    }
    pub(crate) fn seq(&self) -> u64 {
        self.entry.version.seq
    }
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Pg {
    /// An operation that may write was executed: it happens, or that it failed is remembered. On shards by `plan`, with
    /// the old bytes that it wants; then the object is locked until the write is certain, which true tells.
    pub(crate) fn write(
        &mut self,
        queued: Queued,
        object: ObjectId,
        mut executed: Executed,
        planned: Option<Planned>,
    ) -> bool {
        let results: usize = executed.outcome.iter().flatten().map(result_bytes).sum();
        if results > self.config.write_results_max {
            // A replay could not be answered alike, since the log keeps no more.
            executed = Executed::refused(Errno::EOVERFLOW, executed.before);
        }
        // Of shards each takes a part of the data.
        let fresh_bytes_min = FRESH_BYTES_MIN * self.shape.as_ref().map_or(1, |shape| shape.fewest() as u64);
        if executed.transaction.encoded_bytes_most() > TRANSACTION_BYTES_MAX
            || executed.transaction.logged_bytes_most(fresh_bytes_min) > self.config.logged_bytes_max
        {
            executed = Executed::refused(Errno::E2BIG, executed.before);
        }
        let version = self.next_version();
        let changed = executed.changed;
        let told = if changed { version } else { executed.before.map_or(Version::ZERO, |m| m.version) };
        let watches =
            self.change_of_watches(&queued, &object, &executed).map(|change| (object.clone(), change));
        let mtime = self.mtime_of(&queued, &executed);
        let columns = planned.as_ref().and_then(|planned| planned.columns);
        // What is left of a deleted object for its clones is nothing that a record goes onto.
        let records = self.pool.records && executed.before.is_some();
        let effects = match (&self.shape, planned) {
            _ if !changed => Effects::Same(Transaction::new()),
            (None, _) => Effects::Same(executed.stamped(&object, version, mtime)),
            (Some(shape), planned) => {
                let Planned { plan, old, .. } = planned.expect("a write to shards was planned");
                let stamp = (version, queued.op.mtime);
                let aside = Aside { pg: self.id, version, records };
                Effects::Shards(plan.effects(shape, &object, aside, stamp, &old))
            }
        };
        let request = queued.op.request;
        let outcome = executed.outcome;
        let clones = std::mem::take(&mut executed.clones);
        let entry = LogEntry { version, object, request, changed, told, outcome: outcome.clone(), clones };
        let locked = self.carry_effects(entry, effects, columns);
        if let Some((object, change)) = watches {
            self.watches_changed(queued.session, &object, change, version.seq);
        }

        self.ops.done(&queued);
        let outcome = OsdOutcome::Done { version: told, outcome };
        self.answer_after(version.seq, Pending { session: queued.session, request, outcome, read_at: None });
        locked
    }

    /// The time that a write leaves on its object: the client's, but who watches is nothing that an object's time tells of.
    fn mtime_of(&self, queued: &Queued, executed: &Executed) -> WallTime {
        match (&queued.op.target, executed.before) {
            (OpTarget::Object { ops, .. }, Some(before)) if keeps_mtime(ops) => before.mtime,
            _ => queued.op.mtime,
        }
    }

    /// The version of the next write.
    pub(crate) fn next_version(&self) -> Version {
        let tenure = self.primary.as_ref().map(|p| p.interval);
        assert!(tenure == Some(self.interval), "versions are given out in the tenure's own interval");
        Version { interval: self.interval, seq: self.log.head().seq + 1 }
    }

    /// Makes a write of the PG's own happen, the same at each member.
    pub(crate) fn carry(&mut self, entry: LogEntry, transaction: Transaction) {
        self.carry_effects(entry, Effects::Same(transaction), None);
    }

    /// Makes a write of the PG's own to an object happen on its shards. The plan reads nothing.
    pub(crate) fn carry_planned(&mut self, entry: LogEntry, plan: &WritePlan, mtime: WallTime) {
        let Some(shape) = &self.shape else { unreachable!("a plan for shards without any") };
        let (stamp, old) = ((entry.version, mtime), OldBytes::new());
        let aside = Aside { pg: self.id, version: entry.version, records: false };
        let effects = plan.effects(shape, &entry.object, aside, stamp, &old);
        self.carry_effects(entry, Effects::Shards(effects), None);
    }

    /// Makes a logged write happen here and at everybody who follows. True: the object stays locked until it is certain.
    fn carry_effects(&mut self, entry: LogEntry, effects: Effects, columns: Option<u64>) -> bool {
        let (interval, prev) = (self.interval, self.log.head());
        let (version, object, changed) = (entry.version, entry.object.clone(), entry.changed);
        let committed_to = self.primary.as_ref().expect("only a primary writes").committed_to;
        let own = effects.on(self.row.shards.get(&self.me).copied());
        let locked = changed && self.shape.is_some();
        if locked {
            let prepared =
                Prepared::of(self.id, version, &object, &own).expect("a record that was just made");
            self.prepared.note(version, prepared);
            if columns.is_none() && !self.ops.is_written(&object) {
                self.ops.lock_exclusive(&object);
            }
        }
        self.store_logged(own, entry.clone(), committed_to);
        self.durability.then(Then::OwnWrite { interval, seq: version.seq });

        let trim_to = self.log.tail();
        let blind = self.breaks(Bug::WrongBackfillCursor);
        let p = self.primary.as_mut().expect("only a primary writes");
        if changed {
            p.uncommitted.insert(object.clone(), version.seq);
            // Perhaps it was written anew; if not, copying or reading it finds out again.
            for object in entry.changed_objects() {
                p.unreadable.remove(&object);
                p.damage.forget(&object);
                if let Some(scrub) = self.scrub.as_mut() {
                    scrub.note_write(&object);
                }
            }
        }
        let mut bare = BTreeSet::new();
        for (osd, peer) in p.peers.iter_mut().filter(|_| !blind) {
            let Some(recovery) = peer.recovery_mut() else { continue };
            if effects.on_objects(&entry).iter().any(|o| is_internal(o) || !recovery.covers(o)) {
                bare.insert(*osd);
                // What was level of it is not any more.
                let behind: Vec<ObjectId> = entry.changed_objects().filter(|o| recovery.covers(o)).collect();
                recovery.missing.extend(behind);
            }
        }
        let bytes = effects.bytes();
        p.in_flight_bytes += bytes;
        p.uncommitted_bytes += bytes;
        p.in_flight.push_back(InFlight { entry, prev, trim_to, effects, bytes, bare, columns });
        let followers: Vec<OsdId> =
            p.peers.iter().filter(|(_, peer)| peer.follows()).map(|(osd, _)| *osd).collect();
        for osd in followers {
            self.expect_answer(osd, prev.seq);
            let index = self.primary.as_ref().expect("as before").in_flight.len() - 1;
            self.send_write(osd, index);
        }
        locked
    }

    /// Stores effects with their log entry; trims the log if it grew long, never past `trim_max`.
    fn store_logged(&mut self, mut transaction: Transaction, entry: LogEntry, trim_max: u64) {
        self.meta.entries(&mut transaction, [&entry]);
        self.log.push(entry);
        let c = &self.config;
        let entries_max = if self.breaks(Bug::TrimEarly) { 4 } else { c.log_entries_max };
        if let Some(to) = self.log.trim_point(entries_max, c.log_bytes_max, trim_max) {
            self.trim_log(&mut transaction, to);
        }
        self.store(transaction);
    }

    /// Trims the log in memory and, by `transaction`, in the store.
    pub(crate) fn trim_log(&mut self, transaction: &mut Transaction, to: Version) {
        self.log.trim(to);
        self.info.tail = self.log.tail();
        self.meta.trim(transaction, to);
        self.meta.info(transaction, &self.info);
    }

    /// A write behind `prev` is about to be sent for the first time: the clock for its answer starts, unless
    /// it runs already for an earlier one.
    fn expect_answer(&mut self, osd: OsdId, prev: u64) {
        let (now, resend) = (self.now, self.config.resend);
        let Some(peer) = self.primary.as_mut().and_then(|p| p.peers.get_mut(&osd)) else { return };
        if peer.durable_to >= prev {
            peer.resend_at = now + resend;
            peer.progress_at = now;
        }
    }

    fn send_write(&mut self, osd: OsdId, index: usize) {
        let (now, interval, lease) = (self.now, self.interval, self.config.lease);
        let p = self.primary.as_ref().expect("only a primary sends writes");
        let committed_to = p.certain_to;
        let w = &p.in_flight[index];
        let shard = p.peers.get(&osd).and_then(|peer| peer.shard);
        let transaction = if w.bare.contains(&osd) { Transaction::new() } else { w.effects.on(shard) };
        let message = PgMessage::Replicate {
            interval,
            entry: w.entry.clone(),
            prev: w.prev,
            trim_to: w.trim_to,
            committed_to,
            stamp: now.0,
            lease,
            transaction,
        };
        self.send(osd, message);
    }

    /// Sends again what a follower has not acknowledged in time.
    pub(crate) fn resend_writes(&mut self, osd: OsdId) {
        let (now, resend) = (self.now, self.config.resend);
        let Some(p) = self.primary.as_mut() else { return };
        let Some(peer) = p.peers.get_mut(&osd) else { return };
        if !peer.follows() || peer.resend_at > now {
            return;
        }
        let Some(front) = p.in_flight.front() else { return };
        let skip = (peer.durable_to + 1).saturating_sub(front.seq());
        let first = usize::try_from(skip).unwrap_or(usize::MAX);
        if first >= p.in_flight.len() {
            return;
        }
        peer.resend_at = now + resend;
        for index in first..p.in_flight.len().min(first + RESEND_MAX) {
            self.send_write(osd, index);
        }
    }
}
