//! The second half of an OSDMap: what only daemons need. Field names are Ceph's.

use super::addr::{Addr, Addrs};
use super::error::{OsdMapError, OsdMapFault};
use super::ids::Stamp;
use super::pool::SnapIntervals;
use super::wire::{Envelope, Reader, Wire, versioned_fields, wire_struct};
use crate::ids::{Epoch, PoolId};
use crate::osd::Uuid;
use std::collections::BTreeMap;

/// What only daemons need.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names")]
pub struct DaemonPart {
    /// The version it was written with; [`DaemonPart::default`] has 16.2's.
    pub envelope: Envelope,
    pub hb_back_addrs: Vec<Addrs>,
    pub osd_info: Vec<OsdHistory>,
    /// Clients that are shut out, and until when.
    pub blocklist: Vec<(Addr, Stamp)>,
    pub cluster_addrs: Vec<Addrs>,
    pub cluster_snapshot_epoch: Epoch,
    pub cluster_snapshot: String,
    pub osd_uuid: Vec<Uuid>,
    pub osd_xinfo: Vec<OsdExtra>,
    pub hb_front_addrs: Vec<Addrs>,
    pub nearfull_ratio: f32,
    pub full_ratio: f32,
    pub backfillfull_ratio: f32,
    /// A release by its number: 12 luminous, 16 pacific.
    pub require_min_compat_client: u8,
    /// A release by its number; Ceph writes maps as daemons of that release read them.
    pub require_osd_release: u8,
    pub removed_snaps_queue: BTreeMap<PoolId, SnapIntervals>,
    pub crush_node_flags: BTreeMap<i32, u32>,
    pub device_class_flags: BTreeMap<i32, u32>,
    /// Written by stretch clusters.
    pub stretch: StretchMode,
    pub range_blocklist: Vec<(Addr, Stamp)>,
}

versioned_fields!(DaemonPart {
    5 => hb_back_addrs, osd_info, blocklist, cluster_addrs, cluster_snapshot_epoch, cluster_snapshot, osd_uuid,
         osd_xinfo, hb_front_addrs, nearfull_ratio, full_ratio, backfillfull_ratio, require_min_compat_client,
         require_osd_release;
    6 => removed_snaps_queue;
    8 => crush_node_flags;
    9 => device_class_flags;
    10 => stretch;
    11 => range_blocklist;
});

impl Default for DaemonPart {
    /// No OSD.
    fn default() -> Self {
        Self {
            envelope: Envelope::new(9, 1),
            hb_back_addrs: Vec::new(),
            osd_info: Vec::new(),
            blocklist: Vec::new(),
            cluster_addrs: Vec::new(),
            cluster_snapshot_epoch: Epoch(0),
            cluster_snapshot: String::new(),
            osd_uuid: Vec::new(),
            osd_xinfo: Vec::new(),
            hb_front_addrs: Vec::new(),
            nearfull_ratio: 0.0,
            full_ratio: 0.0,
            backfillfull_ratio: 0.0,
            require_min_compat_client: 0,
            require_osd_release: 0,
            removed_snaps_queue: BTreeMap::new(),
            crush_node_flags: BTreeMap::new(),
            device_class_flags: BTreeMap::new(),
            stretch: StretchMode::default(),
            range_blocklist: Vec::new(),
        }
    }
}

impl Wire for DaemonPart {
    const BYTES_MIN: usize = 6;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let (fields, envelope) = r.envelope(5, 11, Self::read_fields)?;
        Ok(Self { envelope, ..fields })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.envelope.write(out, |out| self.write_fields(out));
    }
}

/// Epochs in the life of an OSD (`osd_info_t`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names")]
pub struct OsdHistory {
    pub last_clean_begin: Epoch,
    pub last_clean_end: Epoch,
    pub up_from: Epoch,
    pub up_thru: Epoch,
    pub down_at: Epoch,
    pub lost_at: Epoch,
}

impl Wire for OsdHistory {
    const BYTES_MIN: usize = 25;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let start = r.fault(OsdMapFault::Order);
        let version: u8 = r.read()?;
        if version != 1 {
            return Err(OsdMapError { fault: OsdMapFault::Value(version.into()), ..start });
        }
        Ok(Self {
            last_clean_begin: r.read()?,
            last_clean_end: r.read()?,
            up_from: r.read()?,
            up_thru: r.read()?,
            down_at: r.read()?,
            lost_at: r.read()?,
        })
    }
    fn write(&self, out: &mut Vec<u8>) {
        1u8.write(out);
        for epoch in [
            self.last_clean_begin,
            self.last_clean_end,
            self.up_from,
            self.up_thru,
            self.down_at,
            self.lost_at,
        ] {
            epoch.write(out);
        }
    }
}

/// More of an OSD (`osd_xinfo_t`).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names")]
pub struct OsdExtra {
    pub envelope: Envelope,
    pub down_stamp: Stamp,
    /// Of 2^32 - 1.
    pub laggy_probability: u32,
    pub laggy_interval: u32,
    pub features: u64,
    /// The weight before it was marked out.
    pub old_weight: u32,
    pub last_purged_snaps_scrub: Stamp,
    pub dead_epoch: Epoch,
}

impl Default for OsdExtra {
    fn default() -> Self {
        Self {
            envelope: Envelope::new(4, 1),
            down_stamp: Stamp::default(),
            laggy_probability: 0,
            laggy_interval: 0,
            features: 0,
            old_weight: 0,
            last_purged_snaps_scrub: Stamp::default(),
            dead_epoch: Epoch(0),
        }
    }
}

versioned_fields!(OsdExtra {
    3 => down_stamp, laggy_probability, laggy_interval, features, old_weight;
    4 => last_purged_snaps_scrub, dead_epoch;
});

impl Wire for OsdExtra {
    const BYTES_MIN: usize = 34;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let (fields, envelope) = r.envelope(3, 4, Self::read_fields)?;
        Ok(Self { envelope, ..fields })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.envelope.write(out, |out| self.write_fields(out));
    }
}

/// How a cluster over two sites is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names")]
pub struct StretchMode {
    pub stretch_mode_enabled: u8,
    pub stretch_bucket_count: u32,
    pub degraded_stretch_mode: u32,
    pub recovering_stretch_mode: u32,
    pub stretch_mode_bucket: i32,
}
wire_struct!(StretchMode {
    stretch_mode_enabled: u8,
    stretch_bucket_count: u32,
    degraded_stretch_mode: u32,
    recovering_stretch_mode: u32,
    stretch_mode_bucket: i32,
});
