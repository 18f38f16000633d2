//! Who talks to whom.

use placement_map::OsdId;

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    /// An OSD.
    Osd(OsdId),
    /// A client.
    Client(u32),
    /// A monitor.
    Mon(u32),
}

impl End {
    /// A number for the trace's hash.
    pub(crate) fn code(self) -> u64 {
        match self {
            End::Osd(id) => u64::from(id.0),
            End::Client(n) => 1000 + u64::from(n),
            End::Mon(n) => 2000 + u64::from(n),
        }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            End::Osd(id) => write!(f, "{id}"),
            End::Client(n) => write!(f, "client.{n}"),
            End::Mon(n) => write!(f, "mon.{n}"),
        }
    }
}
