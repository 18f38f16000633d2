//! Every mistake that the simulator must notice: rules of the PG machine that are broken (`osd/pg/src/sabotage.rs`),
//! and promises that what lies around it breaks.

use osd_pg::Bug;

/// One mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sabotage {
    /// A rule of the PG machine.
    Machine(Bug),
    /// A promise of its surroundings.
    World(WorldBug),
}

/// A promise of the machine's surroundings that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorldBug {
    /// An OSD boots with the uuid of the store that it lost.
    IgnoreNewUuid,
    /// The store calls a transaction durable before it is.
    StoredBeforeFlush,
    /// A crash leaves later transactions and loses earlier ones.
    CrashLeavesHoles,
    /// A monitor tells of changes that are not committed, and the next leader does not have them.
    TellBeforeCommit,
    /// An OSD drives its machines by a map of before its own boot.
    DriveBeforeBoot,
    /// The store gives rotten data out as if it was sound.
    GiveOutRot,
}

const WORLD: &[WorldBug] = &[
    WorldBug::IgnoreNewUuid,
    WorldBug::StoredBeforeFlush,
    WorldBug::CrashLeavesHoles,
    WorldBug::TellBeforeCommit,
    WorldBug::DriveBeforeBoot,
    WorldBug::GiveOutRot,
];

/// See [`Sabotage::is_hard`]; docs/TESTING.md says of each why.
const HARD: &[Sabotage] = &[
    Sabotage::Machine(Bug::LeaseFromGrant),
    Sabotage::Machine(Bug::ObeyStaleInterval),
    Sabotage::Machine(Bug::ForgetTouched),
    Sabotage::Machine(Bug::RepairByMajority),
    Sabotage::Machine(Bug::DivideWithoutPromise),
    Sabotage::Machine(Bug::AckWhileResting),
    Sabotage::World(WorldBug::DriveBeforeBoot),
];

impl Sabotage {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Sabotage> {
        let machine = Bug::ALL.iter().copied().map(Sabotage::Machine);
        machine.chain(WORLD.iter().copied().map(Sabotage::World))
    }

    /// Whether something else keeps it from showing, nearly always: a second line of defence, or the rarity of what it
    /// takes. These are in the list, and not among those that must be noticed.
    pub fn is_hard(self) -> bool {
        HARD.contains(&self)
    }

    /// Its name on the command line, as `ack-early`.
    pub fn name(self) -> String {
        let camel = match self {
            Sabotage::Machine(bug) => format!("{bug:?}"),
            Sabotage::World(bug) => format!("{bug:?}"),
        };
        let mut name = String::new();
        for (at, c) in camel.char_indices() {
            if c.is_ascii_uppercase() && at > 0 {
                name.push('-');
            }
            name.push(c.to_ascii_lowercase());
        }
        name
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Sabotage> {
        Sabotage::all().find(|s| s.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found_again() {
        let names: std::collections::BTreeSet<String> = Sabotage::all().map(Sabotage::name).collect();
        assert_eq!(names.len(), Sabotage::all().count());
        assert!(names.contains("ack-early") && names.contains("ignore-new-uuid"));
        assert!(names.iter().all(|n| Sabotage::named(n).is_some_and(|s| s.name() == *n)));
        assert_eq!(Sabotage::named("no-such"), None);
    }
}
