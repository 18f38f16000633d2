//! Seeded bugs: each breaks one rule of the store in one line, so that the crash tests can show that they
//! would notice. A harness that has never failed proves nothing. In production every switch is a constant.

// Named outside the crate only where the harness is built (see lib.rs).
#![cfg_attr(not(feature = "harness"), allow(unreachable_pub))]

macro_rules! sabotages {
    ($($variant:ident, $name:literal, $about:literal;)*) => {
        /// A rule to break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Sabotage {
            $(#[doc = $about] $variant,)*
        }

        #[cfg(any(test, feature = "harness"))]
        impl Sabotage {
            /// All of them.
            pub const ALL: &[Sabotage] = &[$(Sabotage::$variant,)*];

            /// Its name on the command line.
            pub fn name(self) -> &'static str {
                match self {
                    $(Sabotage::$variant => $name,)*
                }
            }

            /// What it does, a sentence.
            pub fn about(self) -> &'static str {
                match self {
                    $(Sabotage::$variant => $about,)*
                }
            }
        }
    };
}

sabotages! {
    AcknowledgeUnflushed, "acknowledge-unflushed", "Acknowledge a batch that is written but not flushed.";
    FlushBesideFreshData, "flush-beside-fresh-data", "Begin the flush without waiting for fresh data.";
    FlushLogOnly, "flush-log-only",
        "Force only the log through the device's cache when the batch has fresh data that is written already.";
    ApplyUndurable, "apply-undurable", "Write in place before the record is durable.";
    TrimBeforeData, "trim-before-data", "Trim the log though data of trimmed records is not in place.";
    TrimBeforeIndex, "trim-before-index", "Trim the log though the index is not on disk up to there.";
    TrimUnflushed, "trim-unflushed", "Trim the log without flushing the data that was written in place.";
    TrimWithoutBarrier, "trim-without-barrier",
        "Trim the log though records that superseded trimmed data are not durable.";
    ReuseAtOnce, "reuse-at-once", "Use freed units again at once.";
    DiscardAtOnce, "discard-at-once", "Discard freed units while a crash could bring back a pointer to them.";
    IndexAheadOfLog, "index-ahead-of-log", "Flush the index though the log does not hold all of it yet.";
    AcceptUncheckedFreshData, "accept-unchecked-fresh-data",
        "Accept the last batch without comparing its fresh data.";
    CompareOverwrittenFreshData, "compare-overwritten-fresh-data",
        "Cut the last batch for fresh data that was overwritten in place since.";
    ReplayUnflushed, "replay-unflushed",
        "Write in place during replay what may lie in the device's cache only.";
    KeepIncarnation, "keep-incarnation", "Begin a new life under the old incarnation.";
    TrustUnflushedSuperblock, "trust-unflushed-superblock",
        "Trim the log before the superblock that says so is durable.";
    OverwriteSuperblockInForce, "overwrite-superblock-in-force", "Rewrite the superblock pair in force.";
    SkipReadChecksum, "skip-read-checksum", "Return what the device returns.";
    FreePackedEarly, "free-packed-early", "Free a packed extent when the first of its units is overwritten.";
    OverwriteShared, "overwrite-shared", "Overwrite in place what a clone shares.";
    RetryFailedFlush, "retry-failed-flush", "Flush again after a failed flush, and go on if that succeeds.";
    IgnoreFailedWrite, "ignore-failed-write", "Go on after a failed write in place.";
    CutDamage, "cut-damage", "Cut the log where it is broken, even below what was durable.";
    AcceptTornBatch, "accept-torn-batch", "Accept a log batch without its checksum.";
    TrustPartialOverwrite, "trust-partial-overwrite",
        "Overwrite a part of a unit without checking the rest of it.";
    IgnoreLoneSuperblock, "ignore-lone-superblock", "Go by a superblock only if two copies hold it.";
    LeaveSuperblockTorn, "leave-superblock-torn", "Leave a superblock as it is when one of its copies is lost.";
    LeakRefused, "leak-refused", "Keep the space that a refused transaction had taken.";
}

#[cfg(any(test, feature = "harness"))]
thread_local! {
    static ACTIVE: std::cell::Cell<Option<Sabotage>> = const { std::cell::Cell::new(None) };
}

/// Whether a rule is to be broken.
#[cfg(any(test, feature = "harness"))]
pub(crate) fn is(sabotage: Sabotage) -> bool {
    ACTIVE.get() == Some(sabotage)
}

/// Never, outside tests.
#[cfg(not(any(test, feature = "harness")))]
#[inline(always)]
pub(crate) const fn is(_: Sabotage) -> bool {
    false
}

#[cfg(any(test, feature = "harness"))]
impl Sabotage {
    /// Breaks the rule on this thread while `run` runs.
    pub fn during<T>(self, run: impl FnOnce() -> T) -> T {
        /// A panic must not leave the rule broken for the next case.
        struct Restore;
        impl Drop for Restore {
            fn drop(&mut self) {
                ACTIVE.set(None);
            }
        }
        let _restore = Restore;
        ACTIVE.set(Some(self));
        run()
    }
}
