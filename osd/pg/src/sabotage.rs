//! Mistakes on purpose, so that the simulator (`tests/sim`) can show that it would notice each.
//!
//! The door is locked at compile time by the name of the package that is being compiled: `tests/sim/pg` compiles
//! these very sources a second time under a name of its own, and only there does a [`Sabotage`] do anything. No cargo
//! feature is involved, so nothing that is unified over a workspace can open it, and in `osd-pg` itself every
//! question that is asked here is the constant `false`.

/// Whether these sources are being compiled for the simulator.
const IN_SIMULATOR: bool = same(env!("CARGO_PKG_NAME"), "tests-sim-pg");

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}

/// One rule of the machine that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bug {
    /// A replica acknowledges a write before its disk has it.
    AckEarly,
    /// A write counts as certain with one acknowledgement short.
    AckShort,
    /// Writes go on with fewer members than `min_size`.
    IgnoreMinSize,
    /// Reads are answered without a lease.
    IgnoreLease,
    /// A new primary does not wait for its predecessor's lease to end.
    NoWaitForLease,
    /// A restarted member does not remember that it may have promised a lease.
    ForgetPromise,
    /// A lease is counted from when it was granted, not from when it was asked for.
    LeaseFromGrant,
    /// Members take messages of an interval that is over.
    ObeyStaleInterval,
    /// A member answers a new primary before it noted the interval durably.
    ForgetInterval,
    /// Replays run again.
    ReplayTwice,
    /// Requests of former intervals are not recognised.
    ForgetRequests,
    /// What was read of a write that is not certain is answered at once.
    AnswerUncommitted,
    /// Writes do not wait for reads of the object's data.
    WriteDuringRead,
    /// A joiner gets the effects of writes on objects that it does not have yet.
    WrongBackfillCursor,
    /// A backfill does not remove what only the joiner has.
    BackfillKeepsDeleted,
    /// A joiner that is level is proposed without its acknowledgements having been required.
    JoinerNotRequired,
    /// A joiner is proposed while it is still being filled.
    JoinerTooEarly,
    /// A member that fell behind counts as level.
    StaleCountsAsLevel,
    /// A joiner adopts a log although it missed writes before its end.
    AdoptWithGap,
    /// Objects that only a divergent log names are kept.
    KeepDivergent,
    /// What an interrupted recovery touched is forgotten.
    ForgetTouched,
    /// An in-sync member is changed piece by piece while peering.
    PeeringPiecemeal,
    /// A silent member is passed over without the monitors having dropped it.
    SkipShrink,
    /// A primary serves before the monitors took its activation.
    ServeBeforeActivate,
    /// The log is trimmed behind what replays need.
    TrimEarly,
    /// An object that cannot be read is pushed as absent.
    PushUnreadableAsAbsent,
    /// The log does not say which clones a write made or removed.
    ForgetClones,
    /// Clones of snapshots that are still there are let go with those that are not.
    TrimWanted,
    /// Copies that differ are made what most members have.
    RepairByMajority,
    /// A bad copy is written over good ones.
    PushBadCopy,
    /// A scrub compares versions only.
    SkipDigests,
    /// A shard puts a write in place before it is certain.
    ApplyPrepared,
    /// A write to shards counts as certain once the fewest that give the object have it.
    AckFewShards,
    /// A PG of shards goes on with its longest log instead of its shortest.
    RollForward,
    /// What was put aside for a write that never happened stays.
    KeepSidecars,
    /// Writes of the same columns of an object in shards are under way together.
    MixColumns,
    /// A member that starts again knows nothing of the small writes that it put aside.
    ForgetRecords,
    /// A child of a divided PG does not get the small writes that its parent put aside.
    DivideWithoutRecords,
    /// Writes are acknowledged while a member that stopped still counts as lacking nothing.
    AckWhileResting,
    /// A child of a divided PG does not get its parent's log.
    DivideWithoutLog,
    /// A member that has not divided a PG takes part in the interval that begins with it.
    JoinUndivided,
    /// A child of a divided PG does not keep what its parent promised to primaries.
    DivideWithoutPromise,
}

impl Bug {
    /// All of them.
    pub const ALL: &[Bug] = &[
        Bug::AckEarly,
        Bug::AckShort,
        Bug::IgnoreMinSize,
        Bug::IgnoreLease,
        Bug::NoWaitForLease,
        Bug::ForgetPromise,
        Bug::LeaseFromGrant,
        Bug::ObeyStaleInterval,
        Bug::ForgetInterval,
        Bug::ReplayTwice,
        Bug::ForgetRequests,
        Bug::AnswerUncommitted,
        Bug::WriteDuringRead,
        Bug::WrongBackfillCursor,
        Bug::BackfillKeepsDeleted,
        Bug::JoinerNotRequired,
        Bug::JoinerTooEarly,
        Bug::StaleCountsAsLevel,
        Bug::AdoptWithGap,
        Bug::KeepDivergent,
        Bug::ForgetTouched,
        Bug::PeeringPiecemeal,
        Bug::SkipShrink,
        Bug::ServeBeforeActivate,
        Bug::TrimEarly,
        Bug::PushUnreadableAsAbsent,
        Bug::RepairByMajority,
        Bug::PushBadCopy,
        Bug::SkipDigests,
        Bug::DivideWithoutLog,
        Bug::JoinUndivided,
        Bug::DivideWithoutPromise,
        Bug::ForgetClones,
        Bug::TrimWanted,
        Bug::ApplyPrepared,
        Bug::AckFewShards,
        Bug::RollForward,
        Bug::KeepSidecars,
        Bug::MixColumns,
        Bug::ForgetRecords,
        Bug::DivideWithoutRecords,
        Bug::AckWhileResting,
    ];
}

/// Which rule is broken: none, outside the simulator.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sabotage(Option<Bug>);

impl Sabotage {
    /// Breaks one rule. Asserts that this is the simulator's copy of the machine.
    #[allow(clippy::assertions_on_constants, reason = "another constant in the simulator's copy")]
    pub fn of(bug: Bug) -> Sabotage {
        assert!(IN_SIMULATOR, "only the simulator's copy of the machine can be broken");
        Sabotage(Some(bug))
    }

    /// Whether this rule is broken.
    #[inline(always)]
    pub(crate) fn breaks(self, bug: Bug) -> bool {
        IN_SIMULATOR && self.0 == Some(bug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "only the simulator's copy")]
    fn the_product_cannot_be_broken() {
        Sabotage::of(Bug::AckEarly);
    }

    #[test]
    fn names_are_compared_whole() {
        assert!(same("a-b", "a-b") && !same("a", "a-b") && !same("a-b", "a") && !same("a-b", "a-c"));
    }
}
