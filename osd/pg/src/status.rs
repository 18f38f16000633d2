//! What a PG says of itself, in the words operators know from Ceph.

use crate::machine::Pg;
use osd_object::{ObjectId, Version};
use placement_map::{OsdId, PgId};
use wire_codec::pg::{Condition, ScrubStamps};

/// Damaged objects told by name.
const EXAMPLES_MAX: usize = 4;

/// A PG as its OSD sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PgStatus {
    /// Which.
    pub pg: PgId,
    /// Whether this OSD is its primary; only then do the other fields tell the whole.
    pub primary: bool,
    /// State words joined by `+`, as `active+clean`.
    pub state: String,
    /// The up set.
    pub up: Vec<OsdId>,
    /// The in-sync set as the row has it.
    pub in_sync: Vec<OsdId>,
    /// The newest write in the log.
    pub log_head: Version,
    /// The newest write trimmed off it.
    pub log_tail: Version,
    /// The latest interval known here.
    pub interval: u64,
    /// The latest interval this OSD took part in.
    pub interval_noted: u64,
    /// Whether the objects here are what the log here says.
    pub condition: Condition,
    /// Members being filled, and what each still lacks.
    pub joiners: Vec<JoinerStatus>,
    /// Objects that could not be read while copying them.
    pub unreadable: u64,
    /// Objects of which some copy or shard is known to be bad and is not repaired.
    pub damaged: u64,
    /// A few of those, and the members whose copies are bad.
    pub damaged_examples: Vec<(ObjectId, Vec<OsdId>)>,
    /// Objects that comparisons found inconsistent and left, or more of them that are not known by name.
    pub inconsistent: u64,
    /// Whether copies are being compared now, and if so, whether all data is read.
    pub scrubbing: Option<bool>,
    /// When that was last done.
    pub stamps: ScrubStamps,
    /// Ranges written again here since the process started, since they could not be read.
    pub repaired: u64,
    /// What this OSD copied to other members, as their primary, since the process started.
    pub copied: Copied,
    /// Operations queued or under way, and the bytes they carry.
    pub ops: u64,
    /// Bytes carried by those.
    pub op_bytes: u64,
    /// Removed snapshots that objects may still keep something for.
    pub snap_trim_backlog: u64,
    /// In an erasure-coded PG: writes that are put aside here until they are known to be certain.
    pub put_aside: u64,
    /// Nothing of the PG is left here, and it is not this OSD's: the shell forgets the machine.
    pub removed: bool,
}

/// A member being filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinerStatus {
    /// Which.
    pub osd: OsdId,
    /// Objects known to be missing or different (in a backfill: of the range being compared).
    pub missing: u64,
    /// Objects copied so far.
    pub pushed: u64,
    /// Whether all objects are compared (backfill) rather than those in the log (recovery).
    pub backfill: bool,
    /// In a backfill: the share of the PG's objects that were not compared yet, in thousandths.
    pub uncompared_permille: u32,
}

/// Objects that were copied to other members.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// How many.
    pub objects: u64,
    /// Bytes of their data.
    pub bytes: u64,
}

impl Pg {
    /// What this PG says of itself.
    pub fn status(&self) -> PgStatus {
        let (queued, op_bytes) = self.ops.load();
        let p = self.primary.as_ref();
        let joiners = p.map(|p| {
            let not_in = p.peers.iter().filter(|(osd, _)| !self.row.in_sync.contains(osd));
            let told = not_in.map(|(osd, peer)| JoinerStatus {
                osd: *osd,
                missing: peer.recovery().map_or(0, |r| r.missing.len() as u64),
                pushed: peer.pushed,
                backfill: peer.recovery().is_some_and(|r| r.backfill.is_some()),
                uncompared_permille: peer
                    .recovery()
                    .and_then(|r| r.backfill.as_ref())
                    .map_or(0, |b| b.uncompared_permille(self.id, self.pool.pg_num)),
            });
            told.collect()
        });
        let in_flight = p.map_or(0, |p| self.log.head().seq.saturating_sub(p.committed_to));
        PgStatus {
            pg: self.id,
            primary: p.is_some(),
            state: self.state_words(),
            up: self.up.clone(),
            in_sync: self.row.in_sync.clone(),
            log_head: self.log.head(),
            log_tail: self.log.tail(),
            interval: self.interval,
            interval_noted: self.info.interval,
            condition: self.info.condition,
            joiners: joiners.unwrap_or_default(),
            unreadable: p.map_or(0, |p| p.unreadable.len() as u64),
            damaged: p.map_or(0, |p| p.damage.len() as u64),
            damaged_examples: p.map_or_else(Vec::new, |p| {
                let told = p.damage.iter().take(EXAMPLES_MAX);
                told.map(|(object, of)| (object.clone(), of.iter().copied().collect())).collect()
            }),
            inconsistent: if p.is_some() {
                self.stamps.errors.max(self.inconsistent.len() as u64)
            } else {
                0
            },
            scrubbing: self.scrub.as_ref().map(|s| s.order.deep),
            stamps: self.stamps,
            repaired: self.repaired,
            copied: self.copied,
            ops: queued + in_flight,
            op_bytes: op_bytes + p.map_or(0, |p| p.in_flight_bytes),
            snap_trim_backlog: self.trim_backlog(),
            put_aside: self.prepared.objects().count() as u64,
            removed: self.removal.as_ref().is_some_and(|r| r.done),
        }
    }

    /// Whether all of the up set is in sync.
    pub(crate) fn is_covered(&self) -> bool {
        self.up.iter().filter(|osd| **osd != OsdId::NONE).all(|osd| self.row.in_sync.contains(osd))
    }

    /// Whether fewer shards are up than it takes to have the objects.
    fn too_few_shards(&self) -> bool {
        let up: Vec<OsdId> =
            self.row.in_sync.iter().copied().filter(|osd| self.alive.contains_key(osd)).collect();
        !self.enough(&up)
    }

    fn state_words(&self) -> String {
        if self.row.lost {
            return "incomplete".into();
        }
        let mut words = Vec::new();
        match (&self.primary, self.row.primary) {
            (_, None) if self.row.interval == 0 => words.push("unknown"),
            (_, None) => words.push("down"),
            (Some(_), _) if self.serving() => words.push("active"),
            (Some(p), _) if p.activated => words.extend(["active", "wait"]),
            (Some(_), _) if self.too_few_shards() => words.push("down"),
            (Some(_), _) => words.push("peering"),
            (None, _) if self.removal.is_some() => words.push("removing"),
            (None, Some(me)) if me == self.me => words.push("peering"),
            (None, _) => words.push("replica"),
        }
        let size = self.pool.size as usize;
        if let Some(p) = &self.primary {
            let joiners =
                || p.peers.iter().filter(|(osd, _)| !self.row.in_sync.contains(osd)).map(|(_, peer)| peer);
            let backfill = joiners().any(|j| j.recovery().is_some_and(|r| r.backfill.is_some()));
            let recovery = joiners().any(|j| j.recovery().is_none_or(|r| r.backfill.is_none()));
            let covered = self.is_covered();
            if self.row.copies() < size {
                words.push("undersized");
                words.push("degraded");
            }
            if self.row.in_sync.iter().any(|osd| !self.up.contains(osd)) {
                words.push("remapped");
            }
            if p.serving && backfill {
                words.push("backfilling");
            }
            if p.serving && recovery {
                words.push("recovering");
            }
            if let Some(scrub) = self.scrub.as_ref().filter(|_| p.serving) {
                words.push(if scrub.order.deep { "scrubbing+deep" } else { "scrubbing" });
            }
            let left = self.stamps.errors > 0 || !self.inconsistent.is_empty();
            if !p.unreadable.is_empty() || !p.damage.is_empty() || left {
                words.push("inconsistent");
            }
            if p.serving && covered && self.row.copies() >= size && joiners().next().is_none() {
                words.push("clean");
            }
            if p.serving && self.trim_backlog() > 0 {
                let stands = self.trim_pace.at_once == 0 || !self.writable();
                words.push(if stands { "snaptrim_wait" } else { "snaptrim" });
            }
        }
        words.join("+")
    }
}
