//! What an OSD is told at its start.

use osd_store::StoreConfig;
use placement_map::OsdId;
use std::net::SocketAddr;
use wire_transport::{PeerName, Security};

/// What an OSD is told at its start.
pub struct OsdConfig {
    /// Its number.
    pub id: OsdId,
    /// The cluster; a store of another one is refused.
    pub fsid: [u8; 16],
    /// Its store.
    pub store: StoreConfig,
    /// The monitors.
    pub monitors: Vec<(PeerName, SocketAddr)>,
    /// Its identity on links.
    pub security: Security,
    /// Where to listen; port 0 takes a free one.
    pub addr: SocketAddr,
    /// Where it stands: (`host`, NAME) at least.
    pub location: Vec<(String, String)>,
}
