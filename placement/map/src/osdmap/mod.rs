//! Ceph's binary OSDMap (16.2), the map that stock clients and `osdmaptool` read: both ways, loss-free.
//!
//! * [`decode`] and [`encode`]: `encode(decode(bytes))` gives the same bytes.
//! * [`OsdMap`] is a [`crate::PlacementSource`]: `Placer::new(&map)` computes where its PGs lie.
//! * [`OsdMap::from_cluster`] makes one from our own map.
//!
//! Bytes: docs/formats/osdmap.md. Source: Ceph's `src/osd/OSDMap.cc` and `osd_types.cc`, and what its tools write.

mod addr;
mod client_part;
mod daemon_part;
mod error;
mod from_cluster;
mod ids;
mod place;
mod pool;
mod wire;

pub use addr::{Addr, AddrKind, Addrs};
pub use client_part::{ClientPart, EmbeddedCrush, OSD_AUTOOUT, OSD_EXISTS, OSD_NEW, OSD_UP};
pub use daemon_part::{DaemonPart, OsdExtra, OsdHistory, StretchMode};
pub use error::{OsdMapError, OsdMapFault};
pub use from_cluster::Unfit;
pub use ids::Stamp;
pub use place::Placed;
pub use pool::{
    POOL_ERASURE, POOL_FLAG_HASHPSPOOL, POOL_REPLICATED, PoolInfo, SnapInfo, SnapIntervals, StretchPool,
};
pub use wire::{Envelope, Opaque};

use stdx::checksum::crc32c_of;
use wire::{Reader, Wire};

/// An OSDMap.
#[derive(Clone, Debug, PartialEq)]
pub struct OsdMap {
    /// The version of the whole; its tail stands behind the checksum.
    pub envelope: Envelope,
    /// What clients need.
    pub client: ClientPart,
    /// What only daemons need.
    pub daemon: DaemonPart,
}

/// The version of the whole since firefly: 8 has the checksum.
const VERSION: u8 = 8;
const COMPAT: u8 = 7;

impl Default for OsdMap {
    /// A map with nothing in it, of the versions that Ceph 16.2 writes.
    fn default() -> Self {
        Self {
            envelope: Envelope::new(VERSION, COMPAT),
            client: ClientPart::default(),
            daemon: DaemonPart::default(),
        }
    }
}

/// CRC32C as Ceph uses it: without the inversion at the end.
fn checksum(before: &[u8], behind: &[u8]) -> u32 {
    !crc32c_of([before, behind])
}

/// Reads the binary form, as any Ceph since luminous writes it. What it allocates is bounded by a small multiple of
/// the bytes given. Fields of newer versions are kept as bytes where those say that they may be skipped.
///
/// # Errors
/// The first part that is cut, impossible, too old or too new, with its offset and Ceph's name of the field.
pub fn decode(bytes: &[u8]) -> Result<OsdMap, OsdMapError> {
    let r = &mut Reader::new(bytes);
    let fields = |r: &mut Reader<'_>, _| {
        let client: ClientPart = r.part("the client part").read()?;
        let daemon: DaemonPart = r.part("the daemon part").read()?;
        let crc_at = r.offset();
        let stored: u32 = r.part("the checksum").read()?;
        Ok((client, daemon, crc_at, stored))
    };
    let ((client, daemon, crc_at, stored), envelope) = r.envelope(VERSION, VERSION, fields)?;
    if r.left() > 0 {
        let left = r.left();
        return Err(r.part("the end").fault(OsdMapFault::Trailing(left)));
    }
    let actual = checksum(&bytes[..crc_at], &bytes[crc_at + 4..]);
    if actual != stored {
        let fault = OsdMapFault::Checksum { stored, actual };
        return Err(OsdMapError { offset: crc_at, part: "the checksum", fault });
    }
    Ok(OsdMap { envelope, client, daemon })
}

/// Writes the binary form: for what [`decode`] read the same bytes, for what is made here those that Ceph 16.2
/// writes for the same map.
#[must_use]
pub fn encode(map: &OsdMap) -> Vec<u8> {
    let mut out = Vec::new();
    let mut crc_at = 0;
    map.envelope.write(&mut out, |out| {
        map.client.write(out);
        map.daemon.write(out);
        crc_at = out.len();
        0u32.write(out);
    });
    let crc = checksum(&out[..crc_at], &out[crc_at + 4..]);
    out[crc_at..crc_at + 4].copy_from_slice(&crc.to_le_bytes());
    out
}
