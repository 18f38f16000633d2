//! The tables that `nacre status` and its siblings print.

use super::{Health, Quorum, Volatile};
use crate::cluster_map::ClusterMap;
use crate::ec_profile::EcProfile;
use crate::feature::level_said;
use crate::ids::{Epoch, OsdId, PgId, PoolId};
use serde::Serialize;
use std::collections::BTreeMap;

/// How many OSDs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct OsdCounts {
    /// Exist.
    pub total: u32,
    /// Serve.
    pub up: u32,
    /// Get data.
    pub r#in: u32,
}
stdx::codec_plain!(OsdCounts { total, up, r#in });

/// PGs of one state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PgCount {
    /// `active+clean` and the like.
    pub state: String,
    /// How many.
    pub count: u32,
}
stdx::codec_plain!(PgCount { state, count });

/// Bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Capacity {
    /// All OSDs can hold.
    pub total_bytes: u64,
    /// In use.
    pub used_bytes: u64,
    /// Free.
    pub avail_bytes: u64,
    /// Of what is in use, compressed data.
    pub compressed_bytes: u64,
    /// What that data is.
    pub compressed_original_bytes: u64,
}
stdx::codec_plain!(Capacity {
    total_bytes,
    used_bytes,
    avail_bytes,
    compressed_bytes,
    compressed_original_bytes
});

/// Copies being made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Object copies still to be made.
    pub copies_left: u64,
    /// Copies that should exist.
    pub copies_total: u64,
    /// Made a second, lately.
    pub objects_per_second: u64,
    /// Bytes a second, lately.
    pub bytes_per_second: u64,
    /// At this rate, seconds until all are made; none while nothing moves.
    pub seconds_left: Option<u64>,
}
stdx::codec_plain!(Progress {
    copies_left,
    copies_total,
    objects_per_second,
    bytes_per_second,
    seconds_left
});

/// The whole at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The cluster.
    pub fsid: String,
    /// The map's epoch.
    pub epoch: Epoch,
    /// Health.
    pub health: Health,
    /// Monitors by name, all of them.
    pub monitors: Vec<MonRow>,
    /// The quorum's leader.
    pub leader: Option<String>,
    /// OSDs.
    pub osds: OsdCounts,
    /// Flags such as `noout`.
    pub flags: String,
    /// Pools.
    pub pools: u32,
    /// PGs by state, the most frequent first.
    pub pgs: Vec<PgCount>,
    /// Objects.
    pub objects: u64,
    /// Their bytes, one copy.
    pub bytes: u64,
    /// Raw capacity.
    pub capacity: Capacity,
    /// Recovery, while there is any.
    pub recovery: Option<Progress>,
    /// Client reads a second.
    pub reads_per_second: u64,
    /// Client writes a second.
    pub writes_per_second: u64,
    /// Client bytes read a second.
    pub read_bytes_per_second: u64,
    /// Client bytes written a second.
    pub write_bytes_per_second: u64,
    /// What all daemons can do, and so what the cluster uses; 0: not told.
    pub feature_level: u32,
    /// What monitors and OSDs run.
    pub versions: Vec<DaemonVersion>,
    /// Objects that the OSDs that run now copied to others since they started.
    pub recovered_objects: u64,
    /// Bytes of their data.
    pub recovered_bytes: u64,
}
stdx::codec_versioned!(Status, 3 {
    fsid, epoch, health, monitors, leader, osds, flags, pools, pgs, objects, bytes, capacity, recovery,
    reads_per_second, writes_per_second, read_bytes_per_second, write_bytes_per_second
} since 2 { feature_level, versions } since 3 { recovered_objects, recovered_bytes });

/// What a daemon runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DaemonVersion {
    /// As `osd.3`.
    pub name: String,
    /// Its program's version; none: it is not reached, or too old to say.
    pub version: Option<String>,
    /// What it can do; none: it is not reached.
    pub feature_level: Option<u32>,
}
stdx::codec_versioned!(DaemonVersion, 1 { name, version, feature_level });

impl DaemonVersion {
    /// All monitors and OSDs.
    pub(super) fn all(map: &ClusterMap, seen: &Volatile) -> Vec<DaemonVersion> {
        let said = |version: &str| (!version.is_empty()).then(|| version.to_owned());
        let monitors = map.monitors.keys().map(|name| {
            let program = seen.quorum.programs.get(name);
            DaemonVersion {
                name: name.clone(),
                version: program.and_then(|p| said(&p.version)),
                feature_level: program.map(|p| p.feature_level),
            }
        });
        let osds = map.osds.keys().map(|osd| {
            let stats = seen.osds.get(osd).filter(|_| map.is_up(*osd));
            DaemonVersion {
                name: osd.to_string(),
                version: stats.and_then(|s| said(&s.version)),
                feature_level: stats.map(|s| level_said(s.feature_level)),
            }
        });
        monitors.chain(osds).collect()
    }
}

/// One monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MonRow {
    /// `mon.0`.
    pub name: String,
    /// Where it listens.
    pub addr: String,
    /// Whether it takes part.
    pub in_quorum: bool,
    /// Whether it leads.
    pub leader: bool,
}
stdx::codec_versioned!(MonRow, 1 { name, addr, in_quorum, leader });

impl MonRow {
    pub(crate) fn all(map: &crate::ClusterMap, quorum: &Quorum) -> Vec<MonRow> {
        let row = |(name, addr): (&String, &std::net::SocketAddr)| MonRow {
            name: name.clone(),
            addr: addr.to_string(),
            in_quorum: quorum.members.contains(name),
            leader: quorum.leader.as_ref() == Some(name),
        };
        map.monitors.iter().map(row).collect()
    }
}

/// One OSD with its usage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OsdRow {
    /// Its number.
    pub id: OsdId,
    /// Whether it serves.
    pub up: bool,
    /// Whether it gets data.
    pub r#in: bool,
    /// Device class.
    pub class: Option<String>,
    /// Host.
    pub host: Option<String>,
    /// Where it listens.
    pub addr: Option<String>,
    /// CRUSH weight in millionths (1.0 = 1,000,000).
    pub crush_weight_millionths: u64,
    /// In/out weight in millionths.
    pub reweight_millionths: u64,
    /// Bytes it can hold; none before its first report.
    pub total_bytes: Option<u64>,
    /// Bytes in use.
    pub used_bytes: Option<u64>,
    /// PGs whose acting set it is in.
    pub pgs: u32,
}
stdx::codec_versioned!(OsdRow, 1 {
    id, up, r#in, class, host, addr, crush_weight_millionths, reweight_millionths, total_bytes, used_bytes, pgs
});

/// One PG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PgRowView {
    /// Its id.
    pub pgid: PgId,
    /// `active+clean` and the like.
    pub state: String,
    /// Who should hold it.
    pub up: Vec<OsdId>,
    /// Who does.
    pub acting: Vec<OsdId>,
    /// Who serves.
    pub primary: Option<OsdId>,
    /// Live objects, as last reported.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Copies still to be made.
    pub missing_copies: u64,
}
stdx::codec_versioned!(PgRowView, 1 { pgid, state, up, acting, primary, objects, bytes, missing_copies });

/// All about one PG.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PgDetail {
    /// The table's row.
    #[serde(flatten)]
    pub view: PgRowView,
    /// Members that hold every acknowledged write.
    pub in_sync: Vec<OsdId>,
    /// Tenure of the primary.
    pub interval: u64,
    /// Changes of the row.
    pub revision: u64,
    /// Whether the primary was let serve.
    pub activated: bool,
    /// What that means and what happens next, one sentence each.
    pub explanation: Vec<String>,
    /// When its copies were last compared, seconds since 1970; zero: not told.
    pub last_scrub_stamp: u64,
    /// When all its data was last read, seconds since 1970; zero: not told.
    pub last_deep_scrub_stamp: u64,
    /// Objects of which some copy is bad, or whose copies differ.
    pub inconsistent: u64,
    /// The newest entry of the primary's log, as last reported: `INTERVAL'NUMBER`. Every transaction adds one.
    pub last_update: String,
    /// Members that stopped and lack no acknowledged write so far.
    pub resting: Vec<OsdId>,
}
stdx::codec_versioned!(PgDetail, 4 { view, in_sync, interval, revision, activated, explanation }
    since 2 { last_scrub_stamp, last_deep_scrub_stamp, inconsistent } since 3 { last_update } since 4 { resting });

/// One pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PoolRow {
    /// Its number.
    pub id: PoolId,
    /// Its name.
    pub name: String,
    /// `replicated` or `erasure K+M`.
    pub kind: String,
    /// Copies.
    pub size: u32,
    /// Fewest for writes.
    pub min_size: u32,
    /// PGs.
    pub pg_num: u32,
    /// Its CRUSH rule's name.
    pub rule: String,
    /// What it is for.
    pub application: String,
    /// Objects.
    pub objects: u64,
    /// Their bytes, one copy.
    pub bytes: u64,
    /// Other settings.
    pub options: BTreeMap<String, String>,
    /// Seeds that the PGs are placed by; fewer than PGs while some that were split still lie together.
    pub pgp_num: u32,
}
stdx::codec_versioned!(PoolRow, 2 {
    id, name, kind, size, min_size, pg_num, rule, application, objects, bytes, options
} since 2 { pgp_num });

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigRow {
    /// Where it is set; `default`: nowhere.
    pub section: String,
    /// Its name.
    pub key: String,
    /// Its value.
    pub value: String,
    /// What it does.
    pub help: String,
}
stdx::codec_versioned!(ConfigRow, 1 { section, key, value, help });

/// Where an object lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placement {
    /// The map's epoch.
    pub epoch: Epoch,
    /// The pool.
    pub pool: PoolId,
    /// The full placement hash.
    pub hash: u32,
    /// The PG.
    pub pgid: PgId,
    /// Who should hold it.
    pub up: Vec<OsdId>,
    /// Who does.
    pub acting: Vec<OsdId>,
    /// The one a client talks to.
    pub acting_primary: Option<OsdId>,
}
stdx::codec_versioned!(Placement, 1 { epoch, pool, hash, pgid, up, acting, acting_primary });

/// An erasure-code profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EcProfileRow {
    /// Its name.
    pub name: String,
    /// As it is written: `plugin=isa technique=reed_sol_van k=4 m=2 ...`.
    pub profile: String,
    /// Shards of an object.
    pub size: u32,
    /// In-sync shards with which pools made with it accept writes, unless told otherwise.
    pub min_size: u32,
    /// Percent of the raw space that data may fill.
    pub usable_percent: u32,
    /// What it means: capacity, what may fail.
    pub meaning: String,
}
stdx::codec_versioned!(EcProfileRow, 1 { name, profile, size, min_size, usable_percent, meaning });

impl EcProfileRow {
    /// What a profile means.
    pub fn of(name: &str, profile: &EcProfile) -> EcProfileRow {
        EcProfileRow {
            name: name.to_owned(),
            profile: profile.to_string(),
            size: profile.size(),
            min_size: profile.default_min_size(),
            usable_percent: profile.usable_percent(),
            meaning: profile.words(),
        }
    }

    /// Those of a map, by name.
    pub(super) fn all(map: &ClusterMap) -> Vec<EcProfileRow> {
        let row =
            |(name, text): (&String, &String)| Some(EcProfileRow::of(name, &EcProfile::parse(text).ok()?));
        map.ec_profiles.iter().filter_map(row).collect()
    }
}
