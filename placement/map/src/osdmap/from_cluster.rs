//! Our map as an OSDMap: what has a place in Ceph's, and a sentence where something has none.

use super::OsdMap;
use super::addr::{Addr, AddrKind, Addrs};
use super::client_part::{ClientPart, EmbeddedCrush, OSD_AUTOOUT, OSD_EXISTS, OSD_NEW, OSD_UP};
use super::daemon_part::{DaemonPart, OsdExtra, OsdHistory};
use super::ids::Stamp;
use super::pool::{POOL_ERASURE, POOL_FLAG_HASHPSPOOL, POOL_REPLICATED, PoolInfo};
use crate::cluster_map::ClusterMap;
use crate::flags::{Flag, MapFlags};
use crate::ids::{OsdId, PoolId};
use crate::osd::{OsdInfo, Uuid, WEIGHT_ONE};
use crate::pool::{Pool, PoolKind};
use std::collections::BTreeMap;

/// OSD numbers of a map to convert are below this: an OSDMap has several tables as long as its highest number.
const OSDS_MAX: u32 = 1 << 18;
/// Ceph's numbers of releases.
const LUMINOUS: u8 = 12;
const PACIFIC: u8 = 16;
/// Bytes of one shard's part of a stripe, Ceph's default.
const STRIPE_UNIT_BYTES: u32 = 4096;
/// Flags that every cluster since luminous has: objects sorted by their reversed hash, deletions recovered, snapshot
/// directories purged, PG logs with a hard limit.
const FLAGS_ALWAYS: u32 = 1 << 15 | 1 << 19 | 1 << 20 | 1 << 22;
/// Ours and Ceph's bits.
const FLAGS: [(Flag, u32); 10] = [
    (Flag::NoOut, 1 << 7),
    (Flag::NoIn, 1 << 8),
    (Flag::NoUp, 1 << 5),
    (Flag::NoDown, 1 << 6),
    (Flag::NoRebalance, 1 << 14),
    (Flag::NoRecover, 1 << 10),
    (Flag::NoBackfill, 1 << 9),
    (Flag::NoScrub, 1 << 11),
    (Flag::NoDeepScrub, 1 << 12),
    (Flag::Pause, 1 << 2 | 1 << 3),
];

/// A cluster that an OSDMap cannot describe.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// An OSD's number is too high.
    #[error("{0} has no place in an OSDMap: numbers end at {max}", max = OSDS_MAX - 1)]
    Osd(OsdId),
    /// A pool's number, size or rule is beyond what Ceph stores.
    #[error("pool {0} has no place in an OSDMap: its number, size or rule is too large")]
    Pool(PoolId),
    /// Ceph 16.2 would place the pool's PGs by another rule, or nowhere.
    #[error(
        "pool {pool} of size {size} does not fit its CRUSH rule {rule}: Ceph wants a rule of the pool's kind whose \
         min_size and max_size admit the size; make one and set it for the pool"
    )]
    Rule {
        /// The pool.
        pool: PoolId,
        /// Copies or shards.
        size: u32,
        /// The rule's id.
        rule: u32,
    },
}

impl OsdMap {
    /// Our map in Ceph's form: a stock client and `osdmaptool` place every PG where we do. What Ceph has no place for
    /// (monitors, settings, options of pools, the feature level) is left out.
    ///
    /// # Errors
    /// What an OSDMap cannot hold, or Ceph would place elsewhere.
    pub fn from_cluster(map: &ClusterMap) -> Result<OsdMap, Unfit> {
        let last = map.osds.keys().next_back().copied();
        if let Some(last) = last.filter(|last| last.0 >= OSDS_MAX) {
            return Err(Unfit::Osd(last));
        }
        let count = last.map_or(0, |last| last.0 + 1);
        let pool_max = i32::try_from(map.next_pool.0.saturating_sub(1));
        let pool_max = pool_max.map_err(|_| Unfit::Pool(map.next_pool))?;
        let mut out = OsdMap { client: client(map, count), daemon: daemon(map, count), ..OsdMap::default() };
        out.client.pool_max = pool_max;
        for (id, pool) in &map.pools {
            if i64::try_from(id.0).map_or(true, |id| id > i64::from(pool_max)) {
                return Err(Unfit::Pool(*id));
            }
            let info = pool_info(pool).ok_or(Unfit::Pool(*id))?;
            if out.rule_of(&info) != Some(pool.crush_rule) {
                return Err(Unfit::Rule { pool: *id, size: pool.size, rule: pool.crush_rule });
            }
            if let PoolKind::Erasure { data, parity } = pool.kind {
                let profile = profile(data, parity);
                out.client.erasure_code_profiles.insert(info.erasure_code_profile.clone(), profile);
            }
            out.client.pool_name.insert(*id, pool.name.clone());
            out.client.pools.insert(*id, info);
        }
        Ok(out)
    }
}

/// One value for each OSD number, `none` where no OSD has it.
fn by_number<T: Clone>(map: &ClusterMap, count: u32, none: T, some: impl Fn(&OsdInfo) -> T) -> Vec<T> {
    let mut table = vec![none; count as usize];
    for (id, osd) in &map.osds {
        table[id.0 as usize] = some(osd);
    }
    table
}

/// Where an OSD listens. It speaks our protocol there, not Ceph's; the address is for people.
fn addrs(osd: &OsdInfo) -> Addrs {
    Addrs::of(osd.addr.map(|at| Addr::new(AddrKind::Msgr2, at, osd.nonce as u32)))
}

fn state(osd: &OsdInfo) -> u32 {
    let bit = |bit, set| if set { bit } else { 0 };
    OSD_EXISTS
        | bit(OSD_UP, osd.up)
        | bit(OSD_AUTOOUT, osd.auto_out.is_some())
        | bit(OSD_NEW, osd.uuid == Uuid::default())
}

fn flags(flags: MapFlags) -> u32 {
    FLAGS.iter().filter(|(flag, _)| flags.has(*flag)).fold(FLAGS_ALWAYS, |all, (_, bit)| all | bit)
}

fn client(map: &ClusterMap, count: u32) -> ClientPart {
    let affinity_set = map.osds.values().any(|osd| osd.primary_affinity != WEIGHT_ONE);
    let affinity = || by_number(map, count, WEIGHT_ONE, |osd| osd.primary_affinity);
    ClientPart {
        fsid: map.fsid,
        epoch: map.epoch,
        created: map.created.into(),
        modified: map.modified.into(),
        flags: flags(map.flags),
        max_osd: count as i32,
        osd_state: by_number(map, count, 0, state),
        osd_weight: by_number(map, count, 0, |osd| osd.weight),
        client_addrs: by_number(map, count, Addrs::default(), addrs),
        pg_temp: map.pg_temp.clone(),
        primary_temp: map.primary_temp.clone(),
        osd_primary_affinity: if affinity_set { affinity() } else { Vec::new() },
        crush: EmbeddedCrush::new(map.crush.clone()),
        pg_upmap: map.pg_upmap.clone(),
        pg_upmap_items: map.pg_upmap_items.clone(),
        ..ClientPart::default()
    }
}

fn daemon(map: &ClusterMap, count: u32) -> DaemonPart {
    let ratio =
        |key: &str, otherwise| map.setting("mon", key).and_then(|v| v.parse().ok()).unwrap_or(otherwise);
    let full_ratio = ratio("mon_osd_full_ratio", 0.95);
    let history = |osd: &OsdInfo| OsdHistory {
        up_from: osd.up_from,
        up_thru: osd.up_from,
        down_at: osd.down_at,
        ..OsdHistory::default()
    };
    let extra = |osd: &OsdInfo| OsdExtra {
        down_stamp: Stamp::from(osd.down_since),
        old_weight: osd.auto_out.unwrap_or(0),
        ..OsdExtra::default()
    };
    DaemonPart {
        hb_back_addrs: vec![Addrs::default(); count as usize],
        osd_info: by_number(map, count, OsdHistory::default(), history),
        cluster_addrs: by_number(map, count, Addrs::default(), addrs),
        osd_uuid: by_number(map, count, Uuid::default(), |osd| osd.uuid),
        osd_xinfo: by_number(map, count, OsdExtra::default(), extra),
        hb_front_addrs: vec![Addrs::default(); count as usize],
        nearfull_ratio: ratio("mon_osd_nearfull_ratio", 0.85),
        full_ratio,
        // Ours stop filling where they stop writing.
        backfillfull_ratio: full_ratio,
        require_min_compat_client: LUMINOUS,
        require_osd_release: PACIFIC,
        ..DaemonPart::default()
    }
}

fn pool_info(pool: &Pool) -> Option<PoolInfo> {
    let (kind, profile, stripe_width) = match pool.kind {
        PoolKind::Replicated => (POOL_REPLICATED, String::new(), 0),
        PoolKind::Erasure { data, parity } => {
            (POOL_ERASURE, profile_name(data, parity), data.checked_mul(STRIPE_UNIT_BYTES)?)
        }
    };
    let application = Some(pool.application.clone()).filter(|name| !name.is_empty());
    Some(PoolInfo {
        kind,
        size: u8::try_from(pool.size).ok()?,
        min_size: u8::try_from(pool.min_size).ok()?,
        crush_rule: u8::try_from(pool.crush_rule).ok()?,
        pg_num: pool.pg_num,
        pgp_num: pool.pgp_num,
        pg_num_target: pool.pg_num,
        pgp_num_target: pool.pgp_num,
        pg_num_pending: pool.pg_num,
        last_change: pool.created,
        flags: if pool.hashpspool { POOL_FLAG_HASHPSPOOL } else { 0 },
        erasure_code_profile: profile,
        stripe_width,
        application_metadata: application.map(|name| (name, BTreeMap::new())).into_iter().collect(),
        ..PoolInfo::default()
    })
}

fn profile_name(data: u32, parity: u32) -> String {
    format!("nacre-{data}-{parity}")
}

fn profile(data: u32, parity: u32) -> BTreeMap<String, String> {
    [
        ("k", data.to_string()),
        ("m", parity.to_string()),
        ("plugin", "jerasure".to_owned()),
        ("technique", "reed_sol_van".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}
