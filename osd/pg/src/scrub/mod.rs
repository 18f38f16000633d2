//! Scrub: the copies of a PG's objects are compared, range by range in hobject order, while clients go on.
//!
//! ```text
//! every write so far is at every member ──> each member says what it holds of the range ──> compare
//!    ^                                                                                          │
//!    ├── written meanwhile: looked at again; after a few rounds writes to it wait ──────────────┤
//!    └── repaired: looked at again, so that what is called repaired was seen to be ─────────────┘
//! ```
//!
//! What is compared of an object is one moment of it: its version with its digests. Members at which the version is
//! the same must say the same. Writes are not held off; an object that changed while its range was looked at is
//! looked at again, and only if that goes on do its writes wait for one round.
//!
//! What is repaired is what can be proved: units that do not match their checksum, from a copy that does; and copies that
//! missed a write which the log names, from one that has it (`repair::whole`). Copies of one version that differ and are
//! all sound by their own checksums are reported and left, however many of them agree.

mod chunk;
pub(crate) mod compare;
mod judge;
pub(crate) mod member;
pub(crate) mod orders;
mod parity;

use crate::effect::Ticket;
use osd_object::{ObjectId, Version};
use parity::Parity;
use placement_map::OsdId;
use std::collections::{BTreeMap, BTreeSet};
use stdx::Time;
use stdx::time::WallTime;
use wire_codec::pg::ScrubEntry;

/// What is to be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrubOrder {
    /// All data is read, not only what the index says of it.
    pub deep: bool,
    /// The time of day, noted as the PG's when it is done.
    pub at: WallTime,
}

/// A comparison under way. Kept when the interval changes, and gone on with if we are primary again.
#[derive(Debug)]
pub(crate) struct Scrub {
    pub(crate) order: ScrubOrder,
    /// Everything up to here was compared; none: nothing yet.
    after: Option<ObjectId>,
    step: Step,
    /// How often this range was looked at.
    round: u32,
    /// The range goes up to here (none: to the PG's end), once it was chosen.
    end: Option<Option<ObjectId>>,
    /// From the second round on: the objects that are looked at again.
    only: BTreeSet<ObjectId>,
    /// Units known to be bad in the round before.
    bad_before: u64,
    /// Objects written since the round began.
    pub(crate) written: BTreeSet<ObjectId>,
    /// Objects to which writes wait for this round.
    locked: BTreeSet<ObjectId>,
    /// Objects that are made what the log says they are once the round's locks are gone.
    wholes: Vec<(ObjectId, Option<Version>)>,
    /// Objects left inconsistent so far, in the ranges before this one.
    errors: u64,
    /// And in this one.
    range_errors: u64,
    /// Of an erasure-coded PG: what comes after the range was compared.
    parity: Parity,
}

/// How far a round got.
#[derive(Debug)]
enum Step {
    /// Not begun, or its interval ended.
    Begin,
    /// Until every member has the writes through this one.
    Settling {
        /// The last write when the round began.
        head: u64,
    },
    /// Members were asked.
    Asked {
        /// Names the round: answers of others are void.
        number: u64,
        /// The row's revision by which members were chosen: who left it since has let go of its copy.
        revision: u64,
        /// What they said.
        maps: BTreeMap<OsdId, Option<MemberMap>>,
        /// When those who did not answer are asked again.
        again_at: Time,
    },
    /// Until repairs have ended, and at the latest then.
    Repairing {
        /// When it is looked again, whatever became of them.
        until: Time,
    },
    /// Parity is looked at.
    Parity {
        /// The piece that was asked for.
        asked: Option<Ticket>,
    },
    /// Some member takes part in too many scrubs, until about then.
    Pausing {
        /// When to ask again.
        until: Time,
    },
}

/// What one member holds of a range.
#[derive(Clone, Debug)]
pub(crate) struct MemberMap {
    pub(crate) entries: Vec<ScrubEntry>,
    /// It goes only up to here; none: through the end of the range.
    pub(crate) reach: Option<ObjectId>,
}

impl Scrub {
    pub(crate) fn new(order: ScrubOrder) -> Scrub {
        Scrub {
            order,
            after: None,
            step: Step::Begin,
            round: 0,
            end: None,
            only: BTreeSet::new(),
            bad_before: u64::MAX,
            written: BTreeSet::new(),
            locked: BTreeSet::new(),
            wholes: Vec::new(),
            errors: 0,
            range_errors: 0,
            parity: Parity::default(),
        }
    }
    /// When it must be looked at although nothing happened.
    pub(crate) fn timeout(&self) -> Option<Time> {
        match self.step {
            Step::Begin | Step::Settling { .. } | Step::Parity { .. } => None,
            Step::Asked { again_at, .. } => Some(again_at),
            Step::Repairing { until } | Step::Pausing { until } => Some(until),
        }
    }
    /// An object is written. What was said of it may be of before or after.
    pub(crate) fn note_write(&mut self, object: &ObjectId) {
        self.written.insert(object.clone());
    }
    /// All locks are gone, with the operations that waited for them.
    pub(crate) fn unlocked(&mut self) {
        self.locked.clear();
        self.wholes.clear();
        self.begin_range_again();
    }
    /// Nothing of what the range's rounds showed counts any more.
    fn begin_range_again(&mut self) {
        self.parity.clear();
        self.only.clear();
        (self.round, self.bad_before, self.range_errors) = (0, u64::MAX, 0);
        self.step = Step::Begin;
    }
}
