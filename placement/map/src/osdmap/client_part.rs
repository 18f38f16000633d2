//! The first half of an OSDMap: what clients need to place objects. Field names are Ceph's.

use super::addr::Addrs;
use super::error::{OsdMapError, OsdMapFault};
use super::ids::Stamp;
use super::pool::{PoolInfo, SnapIntervals};
use super::wire::{Envelope, Reader, Wire, versioned_fields};
use crate::ids::{Epoch, OsdId, PgId, PoolId};
use crate::osd::Uuid;
use crate::shared_crush::SharedCrush;
use crush::{CrushMap, Tunables};
use std::collections::BTreeMap;

/// Bits of `osd_state`: the OSD is in the cluster.
pub const OSD_EXISTS: u32 = 1;
/// It serves.
pub const OSD_UP: u32 = 1 << 1;
/// The monitors marked it out by themselves.
pub const OSD_AUTOOUT: u32 = 1 << 2;
/// It never booted.
pub const OSD_NEW: u32 = 1 << 3;

/// What clients need.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names; those that placement uses are told of")]
pub struct ClientPart {
    /// The version it was written with; [`ClientPart::default`] has 16.2's. Squid's upmap of primaries (version 10)
    /// is in its tail.
    pub envelope: Envelope,
    pub fsid: Uuid,
    pub epoch: Epoch,
    pub created: Stamp,
    pub modified: Stamp,
    pub pools: BTreeMap<PoolId, PoolInfo>,
    pub pool_name: BTreeMap<PoolId, String>,
    pub pool_max: i32,
    /// `noout` and others, by Ceph's bits.
    pub flags: u32,
    /// OSD numbers are below this; the tables by number have this length in all that Ceph writes.
    pub max_osd: i32,
    /// Bits by OSD number: [`OSD_EXISTS`] and so on.
    pub osd_state: Vec<u32>,
    /// 16.16 by OSD number: 0 is out.
    pub osd_weight: Vec<u32>,
    pub client_addrs: Vec<Addrs>,
    /// Acting sets that stand in for the up set.
    pub pg_temp: BTreeMap<PgId, Vec<OsdId>>,
    /// Primaries that stand in for the acting set's first.
    pub primary_temp: BTreeMap<PgId, OsdId>,
    /// 16.16 by OSD number; empty when all have 1.
    pub osd_primary_affinity: Vec<u32>,
    pub crush: EmbeddedCrush,
    pub erasure_code_profiles: BTreeMap<String, BTreeMap<String, String>>,
    /// Whole mappings that replace CRUSH's.
    pub pg_upmap: BTreeMap<PgId, Vec<OsdId>>,
    /// Pairs (from, to) exchanged in CRUSH's mapping.
    pub pg_upmap_items: BTreeMap<PgId, Vec<(OsdId, OsdId)>>,
    pub crush_version: u32,
    pub new_removed_snaps: BTreeMap<PoolId, SnapIntervals>,
    pub new_purged_snaps: BTreeMap<PoolId, SnapIntervals>,
    pub last_up_change: Stamp,
    pub last_in_change: Stamp,
}

versioned_fields!(ClientPart {
    6 => fsid, epoch, created, modified, pools, pool_name, pool_max, flags, max_osd, osd_state, osd_weight,
         client_addrs, pg_temp, primary_temp, osd_primary_affinity, crush, erasure_code_profiles, pg_upmap,
         pg_upmap_items, crush_version;
    7 => new_removed_snaps, new_purged_snaps;
    9 => last_up_change, last_in_change;
});

impl Default for ClientPart {
    /// No pool, no OSD.
    fn default() -> Self {
        Self {
            envelope: Envelope::new(9, 1),
            fsid: Uuid::default(),
            epoch: Epoch(0),
            created: Stamp::default(),
            modified: Stamp::default(),
            pools: BTreeMap::new(),
            pool_name: BTreeMap::new(),
            pool_max: 0,
            flags: 0,
            max_osd: 0,
            osd_state: Vec::new(),
            osd_weight: Vec::new(),
            client_addrs: Vec::new(),
            pg_temp: BTreeMap::new(),
            primary_temp: BTreeMap::new(),
            osd_primary_affinity: Vec::new(),
            crush: EmbeddedCrush::new(SharedCrush::new(CrushMap::empty(Tunables::JEWEL))),
            erasure_code_profiles: BTreeMap::new(),
            pg_upmap: BTreeMap::new(),
            pg_upmap_items: BTreeMap::new(),
            crush_version: 1,
            new_removed_snaps: BTreeMap::new(),
            new_purged_snaps: BTreeMap::new(),
            last_up_change: Stamp::default(),
            last_in_change: Stamp::default(),
        }
    }
}

impl Wire for ClientPart {
    const BYTES_MIN: usize = 6;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let (fields, envelope) = r.envelope(6, 9, Self::read_fields)?;
        Ok(Self { envelope, ..fields })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.envelope.write(out, |out| self.write_fields(out));
    }
}

/// The CRUSH map inside, with its bytes: a map of an old Ceph encodes differently now, and must be written back as
/// it was.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedCrush {
    bytes: Vec<u8>,
    map: SharedCrush,
}

impl EmbeddedCrush {
    /// Takes a map in.
    pub fn new(map: SharedCrush) -> Self {
        Self { bytes: map.encode(), map }
    }

    /// The map.
    pub fn map(&self) -> &SharedCrush {
        &self.map
    }

    /// Its binary form, which `osdmaptool --export-crush` writes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Wire for EmbeddedCrush {
    const BYTES_MIN: usize = 4;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let count = r.count(1)?;
        let start = r.fault(OsdMapFault::Order);
        let bytes = r.bytes(count)?.to_vec();
        let map = CrushMap::decode(&bytes)
            .map_err(|fault| OsdMapError { fault: OsdMapFault::Crush(fault), ..start })?;
        Ok(Self { bytes, map: SharedCrush::new(map) })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.bytes.write(out);
    }
}
