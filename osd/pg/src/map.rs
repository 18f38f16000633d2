//! New maps and rows: whose turn it is.

use crate::event::PoolSpec;
use crate::machine::Pg;
use placement_map::{Epoch, OsdId, PgRow};
use std::collections::BTreeMap;
use wire_codec::pg::Condition;

impl Pg {
    pub(crate) fn on_map(
        &mut self,
        epoch: Epoch,
        row: PgRow,
        up: Vec<OsdId>,
        alive: BTreeMap<OsdId, Epoch>,
        pool: PoolSpec,
    ) {
        let newness = |r: &PgRow| (r.interval, r.revision);
        if newness(&row) < newness(&self.row) || epoch < self.epoch {
            return;
        }
        let revised = newness(&row) != newness(&self.row);
        let given_up = self.row.lost && !row.lost;
        let min_size_was = self.pool.min_size;
        (self.epoch, self.row, self.up, self.alive, self.pool) = (epoch, row, up, alive, pool);
        self.fit_shape();
        if self.row.activated {
            self.yielded_at = None;
        }
        self.forget_last_words();
        if self.row.interval > self.interval {
            self.interval = self.row.interval;
        }
        if self.holds_what_was_given_up() {
            self.begin_anew();
        } else if given_up {
            self.start_over();
        }
        // Before anything is done in the interval that begins with it.
        self.divide();
        if self.primary.as_ref().is_some_and(|p| p.interval < self.row.interval) {
            self.end_tenure();
        }
        if self.row.primary != Some(self.me) || self.row.interval < self.interval {
            // Not our turn, or not any more: a query told of a later interval than this row.
            if self.primary.is_none() {
                self.turn_away();
                if self.row.primary.is_some_and(|primary| primary != self.me) {
                    // Whoever is primary now begins anew, when it is time.
                    self.scrub = None;
                    self.inconsistent.clear();
                }
            }
        } else if let Some(p) = self.primary.as_mut() {
            if revised {
                // Whoever is in sync now may have a sound copy of what nobody could read before.
                p.unreadable.clear();
            }
            self.row_changed(revised);
        } else if self.may_lead() {
            self.begin_tenure();
        }
        if revised || min_size_was != self.pool.min_size {
            self.unpark();
        }
        self.consider_removal();
    }

    /// Somebody gave up what the PG held when all its in-sync stores were lost. What is left at the primary, whole or
    /// not, is as good as anything, and becomes everybody's: others may have other objects under the same log, so each of
    /// theirs is compared.
    fn start_over(&mut self) {
        let mut t = osd_object::Transaction::new();
        self.dirty.clear();
        self.meta.clear_dirty(&mut t);
        let leads = self.row.primary == Some(self.me) || self.row.in_sync.contains(&self.me);
        self.info.condition = if leads { Condition::Complete } else { Condition::Backfilling };
        self.meta.info(&mut t, &self.info);
        self.store(t);
    }

    /// Whether this member can be the primary of the row's interval. Not if a former life of this process
    /// may have led it: the monitors then give the PG a new interval once they see the restart. Not with
    /// objects that are not what the log says: such a member cannot be in sync.
    pub(crate) fn may_lead(&self) -> bool {
        let fresh = self.row.interval > self.former_life && !self.row.activated;
        fresh
            && self.shard_fits()
            && !self.resigned
            && self.info.condition == Condition::Complete
            && self.removal.is_none()
    }
}
