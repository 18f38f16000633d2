//! Dividing a PG when its pool gets more of them (docs/decisions/0034-pg-split.md).
//!
//! A PG is one range of the object order and its children are the ends of that range, so that no object moves. What is
//! divided is the bookkeeping: each child gets a copy of the parent's, the whole log included. Its own log then says
//! what was written of its objects, with the versions that they bear, and which requests were carried out; entries of
//! objects that are not its own say nothing to it. Both logs go on from there, in an interval that begins with it, and
//! are brought level by ordinary peering, wherever members stood when they divided.
//!
//! ```text
//!   parent's range      meta  a  c  f  k  p  t            log  1..9
//!   divided             meta  a  c  f | meta'  k  p  t    log  1..9 | log' 1..9      next interval: 10.. | 10'..
//! ```

use crate::effect::Effect;
use crate::event::PoolSpec;
use crate::lease::granted::{Granted, Promise};
use crate::log::rows::{MetaRows, bytes_of};
use crate::machine::Pg;
use crate::names::{belongs, meta_object};
use crate::sabotage::Bug;
use osd_object::{Mutation, ObjectId, Transaction, Version};
use placement_map::PgId;
use placement_map::ids::parent_seed;
use std::collections::BTreeSet;
use wire_codec::pg::LogEntry;

/// Entries of one transaction, bytes: an eighth of the smallest store's log is its largest record.
const PIECE_BYTES: usize = 256 << 10;
/// Names of objects in one transaction; each may take some KiB.
const PIECE_NAMES: usize = 64;

impl Pg {
    /// Whether a map with this pool may have the machine divide what is here. Then it is told of it before it hears
    /// anything else, and before machines are made for PGs with higher seeds: they begin with what it leaves them.
    pub fn must_divide(&self, pool: &PoolSpec) -> bool {
        self.divided_for(pool) < pool.pg_num
    }

    fn is_nothing(&self) -> bool {
        self.info.interval == 0 && self.log.head() == Version::ZERO
    }

    fn divided_for(&self, pool: &PoolSpec) -> u32 {
        if self.info.pg_num == 0 { pool.pg_num_made } else { self.info.pg_num }
    }

    /// Divides what is here, if the map has more PGs than it was last divided for. Called with the map taken over, and
    /// before anything is done by its row.
    pub(crate) fn divide(&mut self) {
        let wanted = self.pool.pg_num;
        if self.is_nothing() {
            // What will be here is of this range from the beginning.
            self.info.pg_num = wanted;
        }
        let from = self.divided_for(&self.pool);
        if from >= wanted {
            return;
        }
        let (pool, seed) = (self.id.pool, self.id.seed);
        let of_us = |child: &u32| parent_seed(*child, from) == seed;
        let children: Vec<PgId> = (from..wanted).filter(of_us).map(|seed| PgId { pool, seed }).collect();
        self.info.pg_num = wanted;
        if children.is_empty() {
            // Noted with whatever is noted next: until then the same follows from the old number.
            return;
        }
        self.drop_under_way();
        for child in &children {
            self.give_to(*child);
        }
        // Last, so that after a crash in between all is given once more.
        self.keep_own();
        let promise = Promise(if self.breaks(Bug::DivideWithoutPromise) {
            Granted::default()
        } else {
            self.granted.clone()
        });
        self.effect(Effect::Divided { children, promise });
    }

    /// This machine is of a PG that was just divided off another one at this OSD.
    pub fn inherit(&mut self, promise: Promise) {
        self.granted = promise.0;
    }

    /// Ends everything that goes on over the range as it was.
    fn drop_under_way(&mut self) {
        self.end_tenure();
        self.turn_away();
        self.forget_follower();
        self.reads.clear();
        self.gathers.clear();
        self.fetches.clear();
        self.shard_reads.clear();
        if self.scrub.take().is_some() || self.scanning.take().is_some() {
            self.scanning = None;
            self.effect(Effect::ScrubEnded);
        }
    }

    /// Stores a child's bookkeeping; its objects are where they belong already. In pieces that any log of a store takes;
    /// whatever an attempt before a crash left of it goes first.
    fn give_to(&mut self, child: PgId) {
        let rows = MetaRows::new(child);
        let pg_num = self.pool.pg_num;
        let theirs = |o: &ObjectId| belongs(child, pg_num, o);
        let mut t = Transaction::new();
        t.push(Mutation::Remove { object: meta_object(child) });
        rows.info(&mut t, &self.info);
        rows.purged(&mut t, &self.purged);
        rows.stamps(&mut t, &self.stamps);
        let mut pieces = vec![];
        for (version, prepared) in self.prepared.of(theirs) {
            let given = prepared.given_to(child, self.id, version);
            // A record is as long as a small write; a sidecar's new name is short.
            match given.payload_bytes() > 0 {
                true if self.breaks(Bug::DivideWithoutRecords) => {}
                true => pieces.push(given),
                false => t.append(given),
            }
        }
        pieces.insert(0, t);
        for entries in self.log_in_pieces() {
            let mut t = Transaction::new();
            rows.entries(&mut t, entries);
            pieces.push(t);
        }
        let dirty: Vec<&ObjectId> = self.dirty.iter().filter(|o| theirs(o)).collect();
        for some in dirty.chunks(PIECE_NAMES) {
            let mut t = Transaction::new();
            some.iter().for_each(|object| rows.dirty(&mut t, object));
            pieces.push(t);
        }
        pieces.into_iter().for_each(|t| self.store(t));
    }

    fn log_in_pieces(&self) -> Vec<Vec<&LogEntry>> {
        let none = self.breaks(Bug::DivideWithoutLog);
        let mut pieces: Vec<Vec<&LogEntry>> = Vec::new();
        let mut bytes = PIECE_BYTES;
        for entry in self.log.after(self.log.tail().seq).filter(|_| !none) {
            if bytes >= PIECE_BYTES {
                bytes = 0;
                pieces.push(Vec::new());
            }
            bytes += bytes_of(entry);
            pieces.last_mut().expect("just begun").push(entry);
        }
        pieces
    }

    /// Stores what is left to the parent, and at the end that it was divided.
    fn keep_own(&mut self) {
        let (id, pg_num) = (self.id, self.pool.pg_num);
        let (kept, given): (BTreeSet<_>, BTreeSet<_>) =
            std::mem::take(&mut self.dirty).into_iter().partition(|o| belongs(id, pg_num, o));
        self.dirty = kept;
        let given: Vec<ObjectId> = given.into_iter().collect();
        for some in given.chunks(PIECE_NAMES) {
            let mut t = Transaction::new();
            self.meta.not_dirty(&mut t, some);
            self.store(t);
        }
        self.inconsistent.retain(|o, _| belongs(id, pg_num, o));
        // In one transaction: until it is noted that all was given, what was given is still wanted here.
        let mut t = self.prepared.keep(id, |o| belongs(id, pg_num, o));
        self.meta.info(&mut t, &self.info);
        self.store(t);
    }
}
