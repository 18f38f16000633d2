//! Cluster-wide switches that an operator sets for a while: `noout`, `pause` and the like.

use std::fmt;

/// A set of flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapFlags(pub u32);
stdx::codec_newtype!(MapFlags);

/// One flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// No OSD is marked out for being down.
    NoOut,
    /// No OSD is let in automatically when it first boots.
    NoIn,
    /// No OSD may boot.
    NoUp,
    /// No OSD is marked down by failure reports.
    NoDown,
    /// Data does not move for balance, only to restore copies.
    NoRebalance,
    /// No log recovery.
    NoRecover,
    /// No backfill.
    NoBackfill,
    /// No shallow scrub begins by itself.
    NoScrub,
    /// Clients' reads and writes wait.
    Pause,
    /// No deep scrub begins by itself.
    NoDeepScrub,
}

const NAMES: [(Flag, &str); 10] = [
    (Flag::NoOut, "noout"),
    (Flag::NoIn, "noin"),
    (Flag::NoUp, "noup"),
    (Flag::NoDown, "nodown"),
    (Flag::NoRebalance, "norebalance"),
    (Flag::NoRecover, "norecover"),
    (Flag::NoBackfill, "nobackfill"),
    (Flag::NoScrub, "noscrub"),
    (Flag::Pause, "pause"),
    (Flag::NoDeepScrub, "nodeep-scrub"),
];

impl Flag {
    /// The flag of a name.
    pub fn named(name: &str) -> Option<Flag> {
        NAMES.iter().find(|(_, n)| *n == name).map(|(flag, _)| *flag)
    }
    /// The names of all flags.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMES.iter().map(|(_, name)| *name)
    }
    fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl MapFlags {
    /// Whether a flag is set.
    pub fn has(self, flag: Flag) -> bool {
        self.0 & flag.bit() != 0
    }
    /// Sets or clears a flag.
    pub fn set(&mut self, flag: Flag, on: bool) {
        if on { self.0 |= flag.bit() } else { self.0 &= !flag.bit() }
    }
}

impl fmt::Display for MapFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<&str> =
            NAMES.iter().filter(|(flag, _)| self.has(*flag)).map(|(_, name)| *name).collect();
        f.write_str(&set.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_set_clear_and_print() {
        let mut flags = MapFlags::default();
        flags.set(Flag::NoOut, true);
        flags.set(Flag::Pause, true);
        assert_eq!(flags.to_string(), "noout,pause");
        flags.set(Flag::NoOut, false);
        assert!(!flags.has(Flag::NoOut) && flags.has(Flag::Pause));
        assert_eq!(Flag::named("noscrub"), Some(Flag::NoScrub));
    }
}
