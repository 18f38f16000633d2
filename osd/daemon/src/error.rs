//! Why an OSD could not start, or stopped.

use placement_map::OsdId;

/// Why an OSD could not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum OsdError {
    /// Its store.
    #[error("{osd}: {source}")]
    Store {
        /// Which OSD.
        osd: OsdId,
        /// Why.
        source: osd_store::StoreError,
    },
    /// The store belongs to another cluster or OSD.
    #[error(
        "{osd}: the store belongs to {found}; give this OSD a store of its own, or run the OSD it belongs to"
    )]
    Foreign {
        /// Which OSD was to run.
        osd: OsdId,
        /// Whose store it is.
        found: String,
    },
    /// What it notes of its PGs.
    #[error("{osd}: {source}")]
    Damaged {
        /// Which OSD.
        osd: OsdId,
        /// Which PG, and what is wrong.
        source: osd_pg::LoadError,
    },
    /// Its address.
    #[error("{osd}: {source}")]
    Listen {
        /// Which OSD.
        osd: OsdId,
        /// Why.
        source: wire_transport::TransportError,
    },
    /// The system.
    #[error("{osd}: {what}: {source}")]
    System {
        /// Which OSD.
        osd: OsdId,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        source: std::io::Error,
    },
}
