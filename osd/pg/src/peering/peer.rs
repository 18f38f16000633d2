//! Another member of the PG as its primary sees it.

use crate::recovery::source::Recovery;
use osd_object::Version;
use placement_map::Epoch;
use stdx::Time;

/// Another member: in sync, to be in sync again, or to join.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Which life of it.
    pub(crate) incarnation: Epoch,
    /// Numbers the conversation; answers of an earlier one are void.
    pub(crate) attempt: u64,
    /// How far we got with it.
    pub(crate) stage: Stage,
    /// When to say again what was not answered.
    pub(crate) again_at: Time,
    /// When to send again the writes that were not acknowledged.
    pub(crate) resend_at: Time,
    /// The row names it.
    pub(crate) in_sync: bool,
    /// Its acknowledgements and leases count: it is in sync, or is proposed to be, or is about to.
    pub(crate) required: bool,
    /// It has all writes through this one, durably. Of a joiner before `Ready`: those it was sent.
    pub(crate) durable_to: u64,
    /// When `durable_to` last grew, or there was nothing to wait for.
    pub(crate) progress_at: Time,
    /// Reads are current until then, as far as it is concerned.
    pub(crate) lease_until: Time,
    /// When it was asked for a lease and has not answered.
    pub(crate) lease_asked: Option<Time>,
    /// Objects copied to it in this attempt.
    pub(crate) pushed: u64,
    /// In an erasure-coded PG: the shard that it holds, or is filled as.
    pub(crate) shard: Option<u8>,
    /// Where its log ended when it became level, before the activation.
    pub(crate) level_at: Version,
    /// It put the writes through this one in place.
    pub(crate) applied_to: u64,
    /// It was told that the writes through this one are certain, and when.
    pub(crate) commit_told: Option<(u64, Time)>,
}

/// How far a primary got with a member.
#[derive(Debug)]
pub(crate) enum Stage {
    /// `Query` sent.
    Asked,
    /// `LogRequest` sent; the logs part here.
    Comparing {
        /// The last version that both logs contain.
        common: Version,
    },
    /// Objects are being copied.
    Syncing(Box<Recovery>),
    /// `Adopt` sent.
    Adopting {
        /// What the copying came to.
        recovery: Box<Recovery>,
        /// Our head when it was sent.
        head: u64,
    },
    /// In an erasure-coded PG: told where its log ends, and waits for the others to tell.
    Heard {
        /// Its last entry.
        head: Version,
    },
    /// In an erasure-coded PG: told to end its log.
    Cutting {
        /// Where it ended.
        head: Version,
        /// Where it is to end.
        end: Version,
    },
    /// Level: its log is the beginning of ours, and it gets every write.
    Ready,
    /// Cannot be brought level in this interval's peering: the activation leaves it out.
    Refused,
}

impl Peer {
    pub(crate) fn new(incarnation: Epoch, attempt: u64, now: Time) -> Peer {
        Peer {
            incarnation,
            attempt,
            stage: Stage::Asked,
            again_at: now,
            resend_at: now,
            in_sync: false,
            required: false,
            durable_to: 0,
            progress_at: now,
            lease_until: Time::ZERO,
            lease_asked: None,
            pushed: 0,
            shard: None,
            level_at: Version::ZERO,
            applied_to: 0,
            commit_told: None,
        }
    }
    /// Whether writes are sent to it as they happen.
    pub(crate) fn follows(&self) -> bool {
        match &self.stage {
            Stage::Ready => true,
            Stage::Syncing(r) | Stage::Adopting { recovery: r, .. } => !r.staged,
            Stage::Asked
            | Stage::Comparing { .. }
            | Stage::Heard { .. }
            | Stage::Cutting { .. }
            | Stage::Refused => false,
        }
    }
    /// Where its log ends, as far as was told, while that is still being settled.
    pub(crate) fn head(&self) -> Option<Version> {
        match self.stage {
            Stage::Heard { head } | Stage::Cutting { head, .. } => Some(head),
            Stage::Ready => Some(self.level_at),
            _ => None,
        }
    }
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready)
    }
    /// The copying under way, if any.
    pub(crate) fn recovery(&self) -> Option<&Recovery> {
        match &self.stage {
            Stage::Syncing(r) | Stage::Adopting { recovery: r, .. } => Some(r),
            _ => None,
        }
    }
    pub(crate) fn recovery_mut(&mut self) -> Option<&mut Recovery> {
        match &mut self.stage {
            Stage::Syncing(r) | Stage::Adopting { recovery: r, .. } => Some(r),
            _ => None,
        }
    }
}
