//! Letting go of what objects keep for snapshots that were removed: the primary walks over the PG in hash order, a few
//! objects at a time, and each object that changes is a write of its own in the log, like a client's.
//!
//! What a walk has been through is noted as *purged*, so that no primary walks for those snapshots again. The note is
//! made only once all that the walk changed is certain, and every in-sync member keeps it. A member that was filled
//! later has it not, and should it become primary, walks once more and finds nothing.

use crate::machine::Pg;
use crate::names::meta_object;
use crate::sabotage::Bug;
use osd_class::snapped::{Trimmed, trim};
use osd_object::{Mutation, ObjectId, ObjectRead, RequestId, SnapId, Transaction, Version};
use placement_map::{ClusterMap, SnapRuns};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;
use stdx::Time;
use wire_codec::pg::LogEntry;

/// The client that writes of a PG's own carry in the log; no client draws it.
pub const OWN_CLIENT: u64 = u64::MAX;

/// How fast snapshots are let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrimPace {
    /// Objects changed at once, in one PG; 0: none, trimming stands still.
    pub at_once: usize,
    /// Rest after each object.
    pub sleep: Duration,
}

impl Default for TrimPace {
    /// Ceph's `osd_pg_max_concurrent_snap_trims`, and its `osd_snap_trim_sleep` of flash.
    fn default() -> TrimPace {
        TrimPace { at_once: 2, sleep: Duration::ZERO }
    }
}

impl TrimPace {
    /// As the central settings have it for a daemon.
    pub fn of(map: &ClusterMap, daemon: &str) -> TrimPace {
        let usual = TrimPace::default();
        let at_once = map.setting(daemon, "osd_pg_max_concurrent_snap_trims").and_then(|v| v.parse().ok());
        let sleep = map.setting(daemon, "osd_snap_trim_sleep").and_then(|v| v.parse().ok());
        // The monitors take nothing else; an older map knows neither.
        let sleep = sleep.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        TrimPace { at_once: at_once.unwrap_or(usual.at_once), sleep: sleep.unwrap_or(usual.sleep) }
    }
}

/// A walk over the PG.
#[derive(Debug)]
pub(crate) struct Trimming {
    /// The snapshots that it lets go of.
    gone: SnapRuns,
    /// Clones through this one were seen.
    after: Option<ObjectId>,
    /// Live objects, or what is left of them, whose clones were seen.
    found: VecDeque<ObjectId>,
    /// All clones were seen.
    seen_all: bool,
    /// Writes through this one may have been made without knowing that they are gone.
    behind: u64,
    /// Writes of it that are not certain.
    under_way: BTreeSet<u64>,
    /// When it goes on.
    next_at: Time,
}

/// What comes next.
enum Next {
    Nothing,
    Page,
    Object(ObjectId),
    Note,
}

impl Pg {
    /// Snapshots that are gone while objects may still keep something for them.
    pub(crate) fn unpurged(&self) -> SnapRuns {
        let removed = &self.pool.snaps.removed;
        if removed.is_empty() { SnapRuns::default() } else { removed.without(&self.purged) }
    }

    /// Goes on letting go, as far as the pace, the limits of writes and other work on the objects allow.
    pub(crate) fn advance_trim(&mut self, view: &dyn ObjectRead) {
        if self.pool.snaps.removed.is_empty() || !self.serving() || !self.writable() {
            return;
        }
        let now = self.now;
        if self.primary.as_ref().is_some_and(|p| p.trimming.is_none()) {
            let gone = self.unpurged();
            let p = self.primary.as_mut().expect("serving");
            if gone.is_empty() {
                return;
            }
            p.trimming = Some(Trimming {
                gone,
                after: None,
                found: VecDeque::new(),
                seen_all: false,
                behind: self.log.head().seq,
                under_way: BTreeSet::new(),
                next_at: now,
            });
        }
        loop {
            match self.next_to_trim() {
                Next::Nothing => return,
                Next::Note => return self.note_purged(),
                Next::Page => {
                    if !self.written_now.is_empty() {
                        // The view does not show yet what this `handle` put in place.
                        self.again = true;
                        return;
                    }
                    self.find_clones(view);
                    self.again = true;
                    return;
                }
                Next::Object(head) => {
                    if self.written_now.contains(&head) {
                        // The view does not show yet what this `handle` wrote.
                        self.again = true;
                        return;
                    }
                    // Whoever has it ends with an event, and then it is looked at again.
                    if self.ops.must_wait(&head, true) || !self.trim_object(head, view) {
                        return;
                    }
                }
            }
        }
    }

    fn next_to_trim(&mut self) -> Next {
        let (now, pace, head) = (self.now, self.trim_pace, self.log.head().seq);
        let most = self.config.in_flight_max as u64 / 2;
        let shards = self.shape.is_some();
        let p = self.primary.as_mut().expect("serving");
        let (committed_to, certain_to) = (p.committed_to, p.certain_to);
        let Some(t) = p.trimming.as_mut() else { return Next::Nothing };
        t.under_way.retain(|seq| *seq > committed_to);
        if shards && certain_to < t.behind {
            // Clones that are put aside are found nowhere.
            return Next::Nothing;
        }
        // Clients' writes first.
        if now < t.next_at || t.under_way.len() >= pace.at_once || head - committed_to >= most {
            return Next::Nothing;
        }
        match t.found.front() {
            Some(object) => Next::Object(object.clone()),
            None if !t.seen_all => Next::Page,
            None if t.under_way.is_empty() => Next::Note,
            None => Next::Nothing,
        }
    }

    /// Looks at the next objects.
    fn find_clones(&mut self, view: &dyn ObjectRead) {
        let (max, later) = (self.config.scan_max as usize, self.now + self.config.resend);
        let after = self.primary.as_ref().and_then(|p| p.trimming.as_ref()).and_then(|t| t.after.clone());
        let listing = self.objects_after(after.as_ref(), max.max(1), view);
        let Some(t) = self.primary.as_mut().and_then(|p| p.trimming.as_mut()) else { return };
        let Ok(listing) = listing else {
            // The store reports what is wrong with it.
            t.next_at = later;
            return;
        };
        t.after = listing.objects.last().cloned().or(t.after.take());
        t.seen_all = !listing.more;
        for clone in listing.objects.into_iter().filter(|o| o.snap != SnapId::HEAD) {
            let head = ObjectId { snap: SnapId::HEAD, ..clone };
            if t.found.back() != Some(&head) {
                t.found.push_back(head);
            }
        }
    }

    /// Lets one object go of what it keeps for those snapshots. False: not now.
    fn trim_object(&mut self, head: ObjectId, view: &dyn ObjectRead) -> bool {
        let later = self.now + self.config.resend;
        let careless = self.breaks(Bug::TrimWanted);
        let Some(t) = self.primary.as_mut().and_then(|p| p.trimming.as_mut()) else { return false };
        let newest = t.gone.runs().last().map_or(0, |(first, count)| first + count);
        let gone = |snap: SnapId| t.gone.contains(snap.0) || (careless && snap.0 < newest);
        let (trimmed, meta) = match trim(view, &head, gone).and_then(|done| Ok((done, view.meta(&head)?))) {
            Ok(both) => both,
            Err(_) => {
                // Tried again; scrub is who reports it.
                t.next_at = later;
                return false;
            }
        };
        t.found.pop_front();
        let Trimmed { mut transaction, clones, exists } = trimmed;
        if transaction.mutations.is_empty() {
            return true;
        }
        let version = self.next_version();
        // A version of its own tells members that differ apart; the time stays the client's.
        let mtime = meta.unwrap_or_default().mtime;
        let clones = if self.breaks(Bug::ForgetClones) { Vec::new() } else { clones };
        if self.shape.is_some() {
            let Ok(plan) = self.plan_effects(&head, None, &transaction.mutations, view) else {
                if let Some(t) = self.primary.as_mut().and_then(|p| p.trimming.as_mut()) {
                    t.found.push_front(head);
                    t.next_at = later;
                }
                return false;
            };
            self.carry_planned(own_entry(head, version, true, clones), &plan, mtime);
        } else {
            if exists {
                transaction.push(Mutation::Stamp { object: head.clone(), version, mtime });
            }
            self.carry(own_entry(head, version, true, clones), transaction);
        }
        let next_at = self.now + self.trim_pace.sleep;
        if let Some(t) = self.primary.as_mut().and_then(|p| p.trimming.as_mut()) {
            t.under_way.insert(version.seq);
            t.next_at = next_at;
        }
        true
    }

    /// Nothing is kept for those snapshots any more, and nothing undoes that.
    fn note_purged(&mut self) {
        let Some(t) = self.primary.as_mut().and_then(|p| p.trimming.take()) else { return };
        for (first, count) in t.gone.runs() {
            (*first..first + count).for_each(|snap| {
                self.purged.insert(snap);
            });
        }
        let mut transaction = Transaction::new();
        self.meta.purged(&mut transaction, &self.purged);
        let version = self.next_version();
        self.carry(own_entry(meta_object(self.id), version, false, Vec::new()), transaction);
        // Others may have been removed meanwhile.
        self.again = true;
    }

    /// A write of the PG's own, in a replicated pool.
    pub(crate) fn own_write(
        &mut self,
        object: ObjectId,
        version: Version,
        changed: bool,
        clones: Vec<SnapId>,
        transaction: Transaction,
    ) {
        self.carry(own_entry(object, version, changed, clones), transaction);
    }

    /// When trimming goes on by the clock.
    pub(crate) fn trim_timeout(&self) -> Option<Time> {
        let t = self.primary.as_ref().filter(|_| self.serving())?.trimming.as_ref()?;
        (t.next_at > self.now && self.trim_pace.at_once > 0 && self.writable()).then_some(t.next_at)
    }

    /// Removed snapshots that, as far as is known here, objects may still keep something for.
    pub(crate) fn trim_backlog(&self) -> u64 {
        self.unpurged().count()
    }
}

/// The log entry of a write that the PG makes by itself.
fn own_entry(object: ObjectId, version: Version, changed: bool, clones: Vec<SnapId>) -> LogEntry {
    let request = RequestId { client: OWN_CLIENT, seq: version.seq };
    LogEntry { version, object, request, changed, told: version, outcome: Ok(vec![]), clones }
}
