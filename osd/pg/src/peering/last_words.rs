//! What a member that stops in order tells the others: where its log ends. Who becomes primary after it, and whose log
//! ends there too, then knows that the stopped member lacks nothing, and says so to the monitors with its activation: the
//! stopped member rests, and is in sync again should all others stop before anything is written (docs/decisions/0012-resting-members.md).

use crate::durability::Then;
use crate::machine::Pg;
use crate::sabotage::Bug;
use osd_object::Version;
use placement_map::{Epoch, OsdId};
use wire_codec::PgMessage;
use wire_codec::pg::Condition;

/// What a member said when it stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastWords {
    /// The life that ended with them, if the map still showed it.
    incarnation: Option<Epoch>,
    /// The end of its log, all of it durable.
    head: Version,
}

impl Pg {
    /// Tells whoever is in sync with us, once all of our log is durable.
    pub(crate) fn say_last_words(&mut self) {
        let complete = self.info.condition == Condition::Complete && self.row.in_sync.contains(&self.me);
        if self.shape.is_some() || !complete {
            return;
        }
        let (interval, head, me) = (self.interval, self.log.head(), self.me);
        let others = self.row.in_sync.iter().filter(|osd| **osd != me && self.alive.contains_key(osd));
        for osd in others {
            self.durability.then(Then::Send(*osd, PgMessage::LastWords { interval, head }));
        }
    }

    /// A member stops. Of whichever interval: what it had durably then it has until it starts again.
    pub(crate) fn on_last_words(&mut self, from: OsdId, head: Version) {
        if self.row.in_sync.contains(&from) {
            let incarnation = self.alive.get(&from).copied();
            self.last_words.insert(from, LastWords { incarnation, head });
        }
    }

    /// The map changed: what a former life said is void, and so is what concerns no member.
    pub(crate) fn forget_last_words(&mut self) {
        let (alive, row) = (&self.alive, &self.row);
        self.last_words.retain(|osd, words| {
            let member = row.in_sync.contains(osd) || row.resting.contains(osd);
            member && alive.get(osd).is_none_or(|now| words.incarnation == Some(*now))
        });
    }

    /// Members that stopped with our very log.
    pub(crate) fn stopped_level(&self) -> Vec<OsdId> {
        let head = self.log.head();
        let level = |osd: &&OsdId| {
            let words = self.last_words.get(osd);
            !self.alive.contains_key(osd) && words.is_some_and(|words| words.head == head)
        };
        self.row.in_sync.iter().filter(|osd| **osd != self.me).filter(level).copied().collect()
    }

    /// Members that rest while there is something that they would lack once it is answered.
    pub(crate) fn resting_in_the_way(&self) -> Vec<OsdId> {
        let primary = self.primary.as_ref().filter(|_| !self.row.resting.is_empty() && self.enough_copies());
        let Some(p) = primary else { return Vec::new() };
        let waits = self.ops.has_parked()
            || self.log.head().seq > p.committed_to
            || p.replies.waits_for_members()
            || (self.shape.is_none() && self.trim_backlog() > 0);
        if waits { self.row.resting.clone() } else { Vec::new() }
    }

    /// Whether somebody rests, so that nothing may be acknowledged.
    pub(crate) fn somebody_rests(&self) -> bool {
        !self.row.resting.is_empty() && !self.breaks(Bug::AckWhileResting)
    }
}
