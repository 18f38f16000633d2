//! Seeded bugs: each breaks one rule of the store in one line, so that the crash tests can show that they
//! would notice. A harness that has never failed proves nothing. In production every switch is a constant.

/// A rule to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Acknowledge a batch that is written but not flushed.
    AcknowledgeUnflushed,
    /// Begin the flush without waiting for fresh data.
    FlushBesideFreshData,
    /// Force only the log through the device's cache when the batch has fresh data that is written already.
    FlushLogOnly,
    /// Write in place before the record is durable.
    ApplyUndurable,
    /// Trim the log though data of trimmed records is not in place.
    TrimBeforeData,
    /// Trim the log though the index is not on disk up to there.
    TrimBeforeIndex,
    /// Trim the log without flushing the data that was written in place.
    TrimUnflushed,
    /// Trim the log though records that superseded trimmed data are not durable.
    TrimWithoutBarrier,
    /// Use freed units again at once.
    ReuseAtOnce,
    /// Flush the index though the log does not hold all of it yet.
    IndexAheadOfLog,
    /// Accept the last batch without comparing its fresh data.
    AcceptUncheckedFreshData,
    /// Cut the last batch for fresh data that was overwritten in place since.
    CompareOverwrittenFreshData,
    /// Write in place during replay what may lie in the device's cache only.
    ReplayUnflushed,
    /// Begin a new life under the old incarnation.
    KeepIncarnation,
    /// Trim the log before the superblock that says so is durable.
    TrustUnflushedSuperblock,
    /// Rewrite whichever superblock pair is next, even the one in force.
    OverwriteSuperblockInForce,
    /// Return what the device returns.
    SkipReadChecksum,
    /// Overwrite in place what a clone shares.
    OverwriteShared,
}

#[cfg(test)]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
}

/// Whether a rule is to be broken.
#[cfg(test)]
pub(crate) fn is(sabotage: Sabotage) -> bool {
    ACTIVE.get() == Some(sabotage)
}

/// Never, outside tests.
#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn is(_: Sabotage) -> bool {
    false
}

#[cfg(test)]
impl Sabotage {
    /// Those that random runs must notice; the others have a test of their own, since chance seldom finds them.
    pub(crate) const BY_CHANCE: [Sabotage; 13] = [
        Sabotage::AcknowledgeUnflushed,
        Sabotage::FlushBesideFreshData,
        Sabotage::FlushLogOnly,
        Sabotage::ApplyUndurable,
        Sabotage::TrimBeforeData,
        Sabotage::TrimBeforeIndex,
        Sabotage::TrimUnflushed,
        Sabotage::ReuseAtOnce,
        Sabotage::IndexAheadOfLog,
        Sabotage::AcceptUncheckedFreshData,
        Sabotage::TrustUnflushedSuperblock,
        Sabotage::SkipReadChecksum,
        Sabotage::OverwriteShared,
    ];

    /// Breaks the rule on this thread while `run` runs.
    pub(crate) fn during<T>(self, run: impl FnOnce() -> T) -> T {
        ACTIVE.set(Some(self));
        let outcome = run();
        ACTIVE.set(None);
        outcome
    }
}
