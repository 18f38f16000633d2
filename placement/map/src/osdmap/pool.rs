//! A pool as an OSDMap has it (`pg_pool_t`). Field names are Ceph's.

use super::error::OsdMapError;
use super::ids::Stamp;
use super::wire::{Envelope, Opaque, Reader, Wire, versioned_fields, wire_struct};
use crate::hash::ObjectHash;
use crate::ids::Epoch;
use std::collections::{BTreeMap, BTreeSet};

/// `kind` of a pool of copies.
pub const POOL_REPLICATED: u8 = 1;
/// `kind` of a pool of shards.
pub const POOL_ERASURE: u8 = 3;
/// Mix the pool's number into the placement seed.
pub const POOL_FLAG_HASHPSPOOL: u64 = 1;

/// Ranges of snapshot numbers: first, count.
pub type SnapIntervals = Vec<(u64, u64)>;

/// The version Ceph 16.2 writes for every pool but those of a stretch cluster.
const VERSION: u8 = 29;
/// The version of a stretch cluster's pools; the only one that has [`StretchPool`] here.
const VERSION_STRETCH: u8 = 30;
const COMPAT: u8 = 5;
/// Luminous writes 26, or this for older readers.
const VERSION_LEAST: u8 = 24;

/// One pool. What this version of Nacre does not use is kept, so that it can be written back.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names; those that placement uses are told of")]
pub struct PoolInfo {
    /// The version it was written with; [`PoolInfo::default`] has 16.2's.
    pub envelope: Envelope,
    /// [`POOL_REPLICATED`] or [`POOL_ERASURE`].
    pub kind: u8,
    /// Copies or shards.
    pub size: u8,
    /// The rule's number; 16.2 looks for a rule with this ruleset, the pool's kind and a fitting size range.
    pub crush_rule: u8,
    /// How names are hashed; see [`ObjectHash::from_number`].
    pub object_hash: u8,
    /// Placement groups.
    pub pg_num: u32,
    /// Placement seeds.
    pub pgp_num: u32,
    pub localized_pg_nums: (u32, u32),
    pub last_change: Epoch,
    pub snap_seq: u64,
    pub snap_epoch: Epoch,
    pub snaps: BTreeMap<u64, SnapInfo>,
    pub removed_snaps: SnapIntervals,
    pub auid: u64,
    /// [`POOL_FLAG_HASHPSPOOL`] and others.
    pub flags: u64,
    pub crash_replay_interval: u32,
    pub min_size: u8,
    pub quota_max_bytes: u64,
    pub quota_max_objects: u64,
    pub tiers: BTreeSet<u64>,
    pub tier_of: i64,
    pub cache_mode: u8,
    pub read_tier: i64,
    pub write_tier: i64,
    pub properties: BTreeMap<String, String>,
    pub hit_set_params: Opaque,
    pub hit_set_period: u32,
    pub hit_set_count: u32,
    pub stripe_width: u32,
    pub target_max_bytes: u64,
    pub target_max_objects: u64,
    pub cache_target_dirty_ratio_micro: u32,
    pub cache_target_full_ratio_micro: u32,
    pub cache_min_flush_age: u32,
    pub cache_min_evict_age: u32,
    pub erasure_code_profile: String,
    pub last_force_op_resend_preluminous: Epoch,
    pub min_read_recency_for_promote: u32,
    pub expected_num_objects: u64,
    pub cache_target_dirty_high_ratio_micro: u32,
    pub min_write_recency_for_promote: u32,
    pub use_gmt_hitset: u8,
    pub fast_read: u8,
    pub hit_set_grade_decay_rate: u32,
    pub hit_set_search_last_n: u32,
    pub opts: Opaque,
    pub last_force_op_resend_prenautilus: Epoch,
    pub application_metadata: BTreeMap<String, BTreeMap<String, String>>,
    pub create_time: Stamp,
    pub pg_num_target: u32,
    pub pgp_num_target: u32,
    pub pg_num_pending: u32,
    pub pg_num_dec_epochs: (Epoch, Epoch),
    pub last_force_op_resend: Epoch,
    /// 0 off, 1 warn, 2 on.
    pub pg_autoscale_mode: u8,
    pub last_pg_merge_meta: Opaque,
    /// Only with version 30.
    pub stretch: Option<StretchPool>,
}

versioned_fields!(PoolInfo {
    24 => kind, size, crush_rule, object_hash, pg_num, pgp_num, localized_pg_nums, last_change, snap_seq, snap_epoch,
          snaps, removed_snaps, auid, flags, crash_replay_interval, min_size, quota_max_bytes, quota_max_objects,
          tiers, tier_of, cache_mode, read_tier, write_tier, properties, hit_set_params, hit_set_period,
          hit_set_count, stripe_width, target_max_bytes, target_max_objects, cache_target_dirty_ratio_micro,
          cache_target_full_ratio_micro, cache_min_flush_age, cache_min_evict_age, erasure_code_profile,
          last_force_op_resend_preluminous, min_read_recency_for_promote, expected_num_objects,
          cache_target_dirty_high_ratio_micro, min_write_recency_for_promote, use_gmt_hitset, fast_read,
          hit_set_grade_decay_rate, hit_set_search_last_n, opts;
    25 => last_force_op_resend_prenautilus;
    26 => application_metadata;
    27 => create_time;
    28 => pg_num_target, pgp_num_target, pg_num_pending, pg_num_dec_epochs, last_force_op_resend, pg_autoscale_mode;
    29 => last_pg_merge_meta;
});

/// A pool's snapshot (`pool_snap_info_t`).
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names")]
pub struct SnapInfo {
    pub envelope: Envelope,
    pub snapid: u64,
    pub stamp: Stamp,
    pub name: String,
}

impl Default for SnapInfo {
    fn default() -> Self {
        Self { envelope: Envelope::new(2, 2), snapid: 0, stamp: Stamp::default(), name: String::new() }
    }
}

versioned_fields!(SnapInfo { 2 => snapid, stamp, name });

impl Wire for SnapInfo {
    const BYTES_MIN: usize = 26;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let (fields, envelope) = r.envelope(2, 2, Self::read_fields)?;
        Ok(Self { envelope, ..fields })
    }
    fn write(&self, out: &mut Vec<u8>) {
        self.envelope.write(out, |out| self.write_fields(out));
    }
}

/// What peering needs in a stretch cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "Ceph's fields by Ceph's names")]
pub struct StretchPool {
    pub peering_crush_bucket_count: u32,
    pub peering_crush_bucket_target: u32,
    pub peering_crush_bucket_barrier: u32,
    pub peering_crush_mandatory_member: i32,
}
wire_struct!(StretchPool {
    peering_crush_bucket_count: u32,
    peering_crush_bucket_target: u32,
    peering_crush_bucket_barrier: u32,
    peering_crush_mandatory_member: i32,
});

impl Default for PoolInfo {
    /// A replicated pool without PGs, as Ceph 16.2 starts one.
    fn default() -> Self {
        Self {
            envelope: Envelope::new(VERSION, COMPAT),
            kind: POOL_REPLICATED,
            size: 0,
            crush_rule: 0,
            object_hash: ObjectHash::Rjenkins.number(),
            pg_num: 0,
            pgp_num: 0,
            localized_pg_nums: (0, 0),
            last_change: Epoch(0),
            snap_seq: 0,
            snap_epoch: Epoch(0),
            snaps: BTreeMap::new(),
            removed_snaps: Vec::new(),
            auid: 0,
            flags: 0,
            crash_replay_interval: 0,
            min_size: 0,
            quota_max_bytes: 0,
            quota_max_objects: 0,
            tiers: BTreeSet::new(),
            tier_of: -1,
            cache_mode: 0,
            read_tier: -1,
            write_tier: -1,
            properties: BTreeMap::new(),
            hit_set_params: Opaque::new(1, 1, &[0]), // kind none
            hit_set_period: 0,
            hit_set_count: 0,
            stripe_width: 0,
            target_max_bytes: 0,
            target_max_objects: 0,
            cache_target_dirty_ratio_micro: 0,
            cache_target_full_ratio_micro: 0,
            cache_min_flush_age: 0,
            cache_min_evict_age: 0,
            erasure_code_profile: String::new(),
            last_force_op_resend_preluminous: Epoch(0),
            min_read_recency_for_promote: 0,
            expected_num_objects: 0,
            cache_target_dirty_high_ratio_micro: 0,
            min_write_recency_for_promote: 0,
            use_gmt_hitset: 1,
            fast_read: 0,
            hit_set_grade_decay_rate: 0,
            hit_set_search_last_n: 0,
            opts: Opaque::new(2, 1, &[0; 4]), // none set
            last_force_op_resend_prenautilus: Epoch(0),
            application_metadata: BTreeMap::new(),
            create_time: Stamp::default(),
            pg_num_target: 0,
            pgp_num_target: 0,
            pg_num_pending: 0,
            pg_num_dec_epochs: (Epoch(0), Epoch(0)),
            last_force_op_resend: Epoch(0),
            pg_autoscale_mode: 0,
            last_pg_merge_meta: no_merge(),
            stretch: None,
        }
    }
}

/// `pg_merge_meta_t` of a pool whose PGs never merged: PG 0.0, three epochs and two versions of zero.
fn no_merge() -> Opaque {
    let mut body = [0; 53];
    body[0] = 1;
    body[13..17].fill(0xff);
    Opaque::new(1, 1, &body)
}

impl Wire for PoolInfo {
    // Six of envelope, and more than this of fields in any version.
    const BYTES_MIN: usize = 200;
    fn read(r: &mut Reader<'_>) -> Result<Self, OsdMapError> {
        let fields = |r: &mut Reader<'_>, version| {
            let mut pool = Self::read_fields(r, version)?;
            if version == VERSION_STRETCH {
                pool.stretch = Some(r.part("stretch").read()?);
            }
            Ok(pool)
        };
        let (fields, envelope) = r.envelope(VERSION_LEAST, COMPAT, fields)?;
        Ok(Self { envelope, ..fields })
    }
    fn write(&self, out: &mut Vec<u8>) {
        let stretch = (self.envelope.version == VERSION_STRETCH).then(|| self.stretch.unwrap_or_default());
        self.envelope.write(out, |out| {
            self.write_fields(out);
            stretch.iter().for_each(|stretch| stretch.write(out));
        });
    }
}
