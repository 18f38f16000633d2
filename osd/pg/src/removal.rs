//! Deleting a PG that is not ours any more, in bounded steps.

use crate::durability::Then;
use crate::log::Log;
use crate::log::rows::Info;
use crate::machine::Pg;
use crate::names::{belongs, meta_object, start_of};
use osd_object::{Mutation, ObjectRead, Transaction, Version};
use placement_map::OsdId;
use wire_codec::PgMessage;
use wire_codec::pg::Condition;

/// A removal under way.
#[derive(Debug)]
pub(crate) struct Removal {
    /// The pool is gone, or what was here was given up: nothing can call it off.
    for_good: bool,
    /// Behind it the PG goes on here, with nothing in it.
    anew: bool,
    /// Waits for a step to be durable.
    stepping: bool,
    /// Nothing is left.
    pub(crate) done: bool,
}

/// Whether a log that ends so is of a PG's data before it was given up in `born`.
pub(crate) fn is_given_up(head: Version, born: u64) -> bool {
    head != Version::ZERO && head.interval < born
}

impl Pg {
    /// The pool is gone, and with it all of this.
    pub(crate) fn on_pool_deleted(&mut self) {
        if self.removal.as_ref().is_some_and(|r| r.for_good && !r.anew) {
            return;
        }
        self.end_tenure();
        self.turn_away();
        self.begin_removal(true);
    }

    /// Notices whether we hold a copy that nobody counts on, or are wanted again.
    pub(crate) fn consider_removal(&mut self) {
        let wanted = self.wanted();
        if wanted && self.removal.as_ref().is_some_and(|r| !r.for_good) {
            // What is left is no copy of anything; the note of that was the first thing stored.
            self.removal = None;
        }
        let stray = !wanted && self.removal.is_none() && self.primary.is_none() && self.row.interval > 0;
        if stray && self.info.interval == 0 && self.log.head() == Version::ZERO {
            self.removal = Some(Removal { for_good: false, anew: false, stepping: false, done: true });
        } else if !stray {
            self.stray_again_at = None;
        } else if self.stray_again_at.is_none() {
            self.stray_again_at = Some(self.now);
        }
    }

    fn wanted(&self) -> bool {
        self.is_counted_on(self.me)
    }

    /// Whether a copy is to be kept: of who should have one, who is in sync, and who rests, which may be in sync again.
    fn is_counted_on(&self, osd: OsdId) -> bool {
        let row = &self.row;
        self.up.contains(&osd) || row.in_sync.contains(&osd) || row.resting.contains(&osd)
    }

    /// Asks the primary whether our copy may go. Our own map cannot tell: we may be about to be counted in.
    pub(crate) fn advertise_stray(&mut self) {
        let Some(at) = self.stray_again_at.filter(|at| *at <= self.now) else { return };
        // Seldom: until the PG is whole elsewhere there is nothing to answer.
        self.stray_again_at = Some(at.max(self.now) + self.config.resend * 4);
        if let Some(primary) = self.row.primary.filter(|osd| *osd != self.me) {
            self.send(primary, PgMessage::Stray { interval: self.interval });
        }
    }

    /// Another OSD holds a copy. If all that should be in sync are, it may go; we count it in again only
    /// after a new conversation, in which it says what it has then.
    pub(crate) fn on_stray(&mut self, from: OsdId) {
        let whole = self.serving() && self.is_covered() && self.row.copies() >= self.pool.size as usize;
        let member = self.is_counted_on(from);
        let Some(p) = self.primary.as_ref() else { return };
        if whole && !member && !p.peers.contains_key(&from) {
            let (interval, attempt) = (self.interval, p.attempts);
            self.send(from, PgMessage::Remove { interval, attempt });
        }
    }

    /// The primary can do without our copy.
    pub(crate) fn on_remove(&mut self, from: OsdId, attempt: u64) {
        let later = self.follower.session.is_some_and(|(_, i, a)| i == self.interval && a > attempt);
        let ours = self.wanted() || self.primary.is_some() || self.removal.is_some();
        if self.row.primary == Some(from) && !later && !ours {
            self.begin_removal(false);
        }
    }

    /// Whether what is here is from before the PG's data was given up. Versions tell: those of writes since carry later
    /// intervals. A removal that was cut short left no log, and a note with an earlier one.
    pub(crate) fn holds_what_was_given_up(&self) -> bool {
        let (born, head) = (self.row.born, self.log.head());
        let cut_short = self.info.condition != Condition::Complete && (1..born).contains(&self.info.interval);
        self.removal.is_none() && (is_given_up(head, born) || cut_short)
    }

    /// All of it goes, and then the PG begins here with nothing.
    pub(crate) fn begin_anew(&mut self) {
        self.end_tenure();
        self.turn_away();
        self.begin_removal(true);
        if let Some(removal) = self.removal.as_mut() {
            removal.anew = true;
        }
    }

    /// Nothing is left of it.
    fn go_on_anew(&mut self) {
        self.removal = None;
        self.info = Info::default();
        self.again = true;
        let turn = self.row.primary == Some(self.me) && self.row.interval == self.interval;
        if turn && self.may_lead() {
            self.begin_tenure();
        }
        self.consider_removal();
    }

    fn begin_removal(&mut self, for_good: bool) {
        self.forget_follower();
        self.stray_again_at = None;
        self.removal = Some(Removal { for_good, anew: false, stepping: false, done: false });
        // From here on the log vouches for nothing.
        self.log = Log::new(Version::ZERO);
        self.dirty.clear();
        self.info.condition = Condition::Backfilling;
        self.info.tail = Version::ZERO;
        self.info.shard = None;
        self.prepared.forget();
        self.purged = placement_map::SnapRuns::default();
        let mut t = Transaction::new();
        self.meta.clear_log(&mut t);
        self.meta.clear_records(&mut t);
        self.meta.clear_dirty(&mut t);
        self.meta.info(&mut t, &self.info);
        self.store(t);
    }

    /// Takes the next step, unless one is under way.
    pub(crate) fn advance_removal(&mut self, view: &dyn ObjectRead) {
        let Some(removal) = &self.removal else { return };
        if removal.stepping || removal.done {
            return;
        }
        if !self.written_now.is_empty() {
            self.again = true;
            return;
        }
        let max = self.config.scan_max as usize;
        // An index that cannot be read is tried again with the next event.
        let Ok(page) = view.list(self.id.pool, Some(&start_of(self.id)), max + 1) else { return };
        let meta = meta_object(self.id);
        let mine = page.into_iter().take_while(|o| belongs(self.id, self.pool.pg_num, o));
        let mut objects: Vec<_> = mine.filter(|o| *o != meta).take(max).collect();
        let last = objects.is_empty();
        if last {
            if self.info.interval == 0 && matches!(view.meta(&meta), Ok(None)) {
                let removal = self.removal.as_mut().expect("just seen");
                removal.done = !removal.anew;
                if removal.anew {
                    self.go_on_anew();
                }
                return;
            }
            objects.push(meta);
        }
        let mutations = objects.into_iter().map(|object| Mutation::Remove { object }).collect();
        let removal = self.removal.as_mut().expect("just seen");
        removal.stepping = true;
        if last {
            self.info.interval = 0;
        }
        self.store(Transaction { mutations });
        self.durability.then(Then::RemoveMore);
    }

    /// A step is durable.
    pub(crate) fn remove_more(&mut self) {
        if let Some(removal) = self.removal.as_mut() {
            removal.stepping = false;
            self.again = true;
        }
    }
}
