//! The operations of one PG, which share an aim and are held back together.

use crate::objecter::Ticket;
use placement_map::{Epoch, OsdId};
use std::collections::BTreeSet;
use std::time::Duration;
use stdx::Time;

/// The first pause after an OSD of the same or an older map said that it is not the primary.
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_LONGEST: Duration = Duration::from_secs(1);

/// Whom a PG's operations go to. Another incarnation is another receiver: what its predecessor was told is
/// forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aim {
    pub(crate) osd: OsdId,
    pub(crate) incarnation: Epoch,
}

/// Nothing of the PG is sent until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hold {
    /// A map of this epoch ends it,
    pub(crate) epoch: Epoch,
    /// and so does this time, since the next map may bring nothing.
    pub(crate) retry_at: Time,
}

#[derive(Debug, Default)]
pub(crate) struct Group {
    /// In the order they were submitted.
    pub(crate) tickets: BTreeSet<Ticket>,
    pub(crate) aim: Option<Aim>,
    pub(crate) hold: Option<Hold>,
    /// How often the same aim was refused in a row.
    refusals: u32,
}

impl Group {
    pub(crate) fn new(aim: Option<Aim>) -> Group {
        Group { aim, ..Group::default() }
    }

    /// Takes a new aim; true if it is another one, and then everything has to be sent again.
    pub(crate) fn take_aim(&mut self, aim: Option<Aim>) -> bool {
        if self.aim == aim {
            return false;
        }
        self.aim = aim;
        self.hold = None;
        self.refusals = 0;
        true
    }

    /// The aim said that it is not the primary.
    pub(crate) fn refused(&mut self, now: Time, epoch: Epoch) {
        let pause = PAUSE_FIRST.saturating_mul(1 << self.refusals.min(8)).min(PAUSE_LONGEST);
        self.refusals = self.refusals.saturating_add(1);
        self.hold = Some(Hold { epoch, retry_at: now + pause });
    }

    /// The aim answered as a primary does, or there is news: pauses start from the shortest again.
    pub(crate) fn served(&mut self) {
        self.refusals = 0;
    }
}
