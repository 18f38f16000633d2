//! Feature levels: what daemons of several versions may do together (issue: rolling upgrade). The map has one level, the
//! lowest that every daemon in it can do; it is raised once all of them can do more, and never lowered. Whatever an older
//! program would not understand is used only from its level on, so that a quorum of old and new monitors computes one map.
//!
//! Which feature has which level, and how to add one: docs/formats/feature-levels.md.

use crate::cluster_map::ClusterMap;
use crate::command::Command;
use crate::refusal::{Refusal, RefusalKind};
use crate::status::Query;

/// What this build can do; a map's level is never above that of any daemon in it.
pub const FEATURE_LEVEL: u32 = 2;
/// The first level: of a daemon that says nothing, and of a map that was made before there were levels.
pub const FEATURE_LEVEL_BASE: u32 = 1;

/// What a level names, from "said nothing" on.
pub fn level_said(said: u32) -> u32 {
    said.max(FEATURE_LEVEL_BASE)
}

/// What an older program does not understand. Add to it; a feature's level never changes once it was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The level itself can be raised.
    Levels,
    /// Changes of settings are kept with who made them and when.
    ConfigHistory,
    /// An OSD that stops in order says so by a command of its own.
    OrderlyStop,
    /// Rows name members that stopped and lack nothing yet.
    RestingMembers,
    /// A primary that was not let serve yet may let another member lead.
    Yield,
    /// Every OSD divides what it holds when a pool's `pg_num` grows.
    Split,
    /// Clients watch objects and notify those who do.
    Watch,
    /// Erasure-coded pools: snapshots, companions, no parity at all, PGs that begin anew.
    ErasureSnapshots,
    /// A PG of copies that begins anew has one member, and the others join it.
    RecreateByOne,
    /// What was carried out before is refused: another store in the place of an OSD that is up, settings that nothing
    /// can work with, and an `out` that leaves a pool too few OSDs to write to.
    Guards,
    /// Erasure-coded pools: records of small writes, `fast_read`.
    ErasureRecords,
}

impl Feature {
    /// From which level on it is used.
    pub const fn level(self) -> u32 {
        match self {
            Feature::Levels
            | Feature::ConfigHistory
            | Feature::OrderlyStop
            | Feature::RestingMembers
            | Feature::Yield
            | Feature::Split
            | Feature::Watch
            | Feature::ErasureSnapshots
            | Feature::RecreateByOne
            | Feature::Guards
            | Feature::ErasureRecords => 2,
        }
    }
}

impl ClusterMap {
    /// Whether all daemons know a feature, so that it may be used.
    pub fn has(&self, feature: Feature) -> bool {
        self.feature_level >= feature.level()
    }

    /// Why something of a level is not done yet, if it is above the map's.
    pub fn too_new(&self, level: u32) -> Result<(), Refusal> {
        if level <= level_said(self.feature_level) {
            return Ok(());
        }
        Err(Refusal::new(
            RefusalKind::Impossible,
            format!(
                "that needs feature level {level}, and the cluster is at {}: it rises by itself once every daemon runs a \
                 program that can do it; `nacre versions` shows who cannot",
                level_said(self.feature_level)
            ),
        ))
    }
}

impl Command {
    /// From which level on it may be given: an older monitor could not read it in the log.
    pub fn level(&self) -> u32 {
        match self {
            // A daemon that asks for it is one that knows it, and the leader asks only when all others do too.
            Command::FeatureLevel { .. } => FEATURE_LEVEL_BASE,
            Command::OsdStopped { .. } => Feature::OrderlyStop.level(),
            Command::ConfigChange { .. } | Command::ConfigReset { .. } => Feature::ConfigHistory.level(),
            _ => FEATURE_LEVEL_BASE,
        }
    }
}

impl Query {
    /// From which level on it may be asked.
    pub fn level(&self) -> u32 {
        match self {
            Query::ConfigLog => Feature::ConfigHistory.level(),
            _ => FEATURE_LEVEL_BASE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_feature_is_beyond_this_build() {
        for feature in [
            Feature::Levels,
            Feature::ConfigHistory,
            Feature::OrderlyStop,
            Feature::RestingMembers,
            Feature::Yield,
            Feature::Split,
            Feature::Watch,
            Feature::ErasureSnapshots,
            Feature::RecreateByOne,
            Feature::Guards,
        ] {
            assert!((FEATURE_LEVEL_BASE..=FEATURE_LEVEL).contains(&feature.level()), "{feature:?}");
        }
    }

    #[test]
    fn a_map_that_says_nothing_is_at_the_first_level() {
        let map = ClusterMap::default();
        assert!(map.too_new(FEATURE_LEVEL_BASE).is_ok() && !map.has(Feature::Levels));
        let refusal = map.too_new(2).unwrap_err();
        assert!(refusal.text.contains("nacre versions"), "{refusal}");
    }
}
