//! What may be asked of the monitors: the only ways in which map and rows change.

use crate::crush_change::CrushChange;
use crate::ids::{Epoch, OsdId, PgId, PoolId};
use crate::osd::Uuid;
use crate::pg_row::RowChange;
use crate::pool_placement::PoolPlacement;
use std::net::SocketAddr;

/// A change. Carried out by [`crate::ClusterState::apply`], the same on every monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Makes the cluster. Once only.
    Bootstrap(Bootstrap),
    /// Gives out an OSD number for a store. The same uuid gets the same number again.
    OsdNew {
        /// A wish; none: the lowest free one.
        id: Option<OsdId>,
        /// The store.
        uuid: Uuid,
    },
    /// An OSD serves from now on. Sent at start, and again when a map shows it as down.
    OsdBoot(OsdBoot),
    /// OSDs do not serve any more. One command, and so one epoch, for all that fail together.
    MarkDown {
        /// Number and, where known, the incarnation meant ([`crate::OsdInfo`]`::up_from`): a report about an
        /// incarnation that has been replaced changes nothing.
        osds: Vec<(OsdId, Option<Epoch>)>,
    },
    /// CRUSH gives them no data any more.
    MarkOut {
        /// Which.
        osds: Vec<OsdId>,
        /// By the monitors, for having been down too long: the next boot undoes it.
        automatic: bool,
    },
    /// CRUSH gives them data again.
    MarkIn {
        /// Which.
        osds: Vec<OsdId>,
    },
    /// Sets the in/out weight of an OSD (16.16, 0 to 1.0).
    OsdReweight {
        /// Which.
        osd: OsdId,
        /// 0: out.
        weight: u32,
    },
    /// Sets its weight in CRUSH (16.16; 1.0 is one TiB by custom).
    CrushReweight {
        /// Which.
        osd: OsdId,
        /// The weight.
        weight: u32,
    },
    /// Sets its inclination to be primary (16.16, 0 to 1.0).
    PrimaryAffinity {
        /// Which.
        osd: OsdId,
        /// The affinity.
        affinity: u32,
    },
    /// Forgets an OSD that is down and holds nothing that anybody needs.
    OsdRm {
        /// Which.
        osd: OsdId,
        /// Although PGs count on it: what only it holds is lost, and those PGs become incomplete.
        force: bool,
    },
    /// Makes a pool.
    PoolCreate(PoolCreate),
    /// Changes a setting of a pool: size, min_size, failure_domain, crush_rule, application, or an option.
    PoolSet {
        /// The pool's name.
        name: String,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
    },
    /// Removes a pool and all its objects.
    PoolRm {
        /// Its name.
        name: String,
    },
    /// Gives out the id of a new self-managed snapshot of a pool.
    SnapCreate {
        /// The pool.
        pool: PoolId,
    },
    /// Removes a self-managed snapshot: what objects keep for it is let go. Harmless if it is gone already.
    SnapRemove {
        /// The pool.
        pool: PoolId,
        /// The snapshot.
        snap: u64,
    },
    /// Changes of rows, proposed by primaries. Each is taken or refused by itself.
    Rows(Vec<RowChange>),
    /// Gives up what an incomplete PG held and lets it start empty.
    PgRecreate {
        /// The PG.
        pg: PgId,
    },
    /// Sets the pairs exchanged in a PG's CRUSH mapping; none removes them.
    PgUpmapItems {
        /// The PG.
        pg: PgId,
        /// (from, to).
        items: Vec<(OsdId, OsdId)>,
    },
    /// Sets a central setting.
    ConfigSet {
        /// `global`, a role (`osd`) or a daemon (`osd.3`).
        section: String,
        /// The setting.
        key: String,
        /// Its value.
        value: String,
    },
    /// Removes a central setting.
    ConfigRm {
        /// As in `ConfigSet`.
        section: String,
        /// The setting.
        key: String,
    },
    /// Sets or clears a flag such as `noout`.
    SetFlag {
        /// Its name.
        flag: String,
        /// On or off.
        on: bool,
    },
    /// Changes the CRUSH map.
    Crush {
        /// What.
        change: CrushChange,
        /// Although a pool cannot be placed any more then.
        force: bool,
    },
    /// Carries a plan of the balancer out: the same as many [`Command::PgUpmapItems`], in one epoch.
    Upmaps {
        /// The map that was planned for; refused if it is no longer the current one.
        planned_for: Epoch,
        /// By PG: the pairs from now on, none to remove them.
        items: Vec<(PgId, Vec<(OsdId, OsdId)>)>,
    },
    /// Keeps an erasure-code profile under a name.
    EcProfileSet {
        /// Its name.
        name: String,
        /// As [`crate::EcProfile::parse`] reads it.
        profile: String,
    },
    /// Forgets a profile. Pools that were made with it keep what they have.
    EcProfileRm {
        /// Its name.
        name: String,
    },
    /// Another monitor takes part. It runs already, with a store that knows no founders.
    MonAdd {
        /// As `mon.3`.
        name: String,
        /// Where it listens.
        addr: SocketAddr,
    },
    /// A monitor takes part no more.
    MonRm {
        /// Its name.
        name: String,
    },
    /// From now on only these keys are admitted for a name; none at all: nobody is.
    KeysSet {
        /// As `osd.3`.
        name: String,
        /// Their fingerprints: SHA-256 of the certificate, 64 hexadecimal digits.
        keys: Vec<String>,
    },
    /// A name has no rule any more: any key that the cluster's authority signed is admitted for it.
    KeysRm {
        /// As `osd.3`.
        name: String,
    },
    /// Every daemon can do this level, so the cluster uses it from now on. From the leading monitor only.
    FeatureLevel {
        /// The level; never below the map's.
        level: u32,
        /// The map in which all daemons were looked at; refused if it is no longer the current one.
        planned_for: Epoch,
    },
    /// An OSD stopped in order: it has answered nobody since before it said so, and never will under this incarnation.
    OsdStopped {
        /// Which.
        osd: OsdId,
        /// Its incarnation ([`crate::OsdInfo`]`::up_from`); of another one nothing changes.
        incarnation: Epoch,
    },
    /// Sets or removes central settings, all or none. Monitors make it of `ConfigSet` and `ConfigRm`, with who asked.
    ConfigChange {
        /// Who asked.
        who: String,
        /// Section, setting, and its value from now on; none: it is not set any more.
        changes: Vec<(String, String, Option<String>)>,
    },
    /// Goes back to the settings as they were after a change.
    ConfigReset {
        /// Who asked.
        who: String,
        /// The change's number; 0: before the first.
        version: u64,
    },
}
stdx::codec_enum!(Command {
    0 => Bootstrap(b),
    1 => OsdNew { id, uuid },
    2 => OsdBoot(boot),
    3 => MarkDown { osds },
    4 => MarkOut { osds, automatic },
    5 => MarkIn { osds },
    6 => OsdReweight { osd, weight },
    7 => CrushReweight { osd, weight },
    8 => PrimaryAffinity { osd, affinity },
    9 => OsdRm { osd, force },
    10 => PoolCreate(create),
    11 => PoolSet { name, key, value },
    12 => PoolRm { name },
    13 => Rows(changes),
    14 => PgRecreate { pg },
    15 => PgUpmapItems { pg, items },
    16 => ConfigSet { section, key, value },
    17 => ConfigRm { section, key },
    18 => SetFlag { flag, on },
    19 => Crush { change, force },
    20 => Upmaps { planned_for, items },
    21 => EcProfileSet { name, profile },
    22 => EcProfileRm { name },
    23 => MonAdd { name, addr },
    24 => MonRm { name },
    25 => SnapCreate { pool },
    26 => SnapRemove { pool, snap },
    27 => KeysSet { name, keys },
    28 => KeysRm { name },
    29 => FeatureLevel { level, planned_for },
    30 => OsdStopped { osd, incarnation },
    31 => ConfigChange { who, changes },
    32 => ConfigReset { who, version },
});

/// How a cluster begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Its name for ever.
    pub fsid: Uuid,
    /// The first monitors: name (`mon.0`) and address.
    pub monitors: Vec<(String, SocketAddr)>,
    /// The first settings: section, key, value.
    pub config: Vec<(String, String, String)>,
    /// What all founders can do; 0: the first level.
    pub feature_level: u32,
}
stdx::codec_versioned!(Bootstrap, 2 { fsid, monitors, config } since 2 { feature_level });

/// What an OSD says of itself at boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OsdBoot {
    /// Its number.
    pub id: OsdId,
    /// Its store. Another one than recorded: everything under this number is lost.
    pub uuid: Uuid,
    /// Where it listens.
    pub addr: SocketAddr,
    /// Drawn at the start of the process; a repeated boot of the same process that is still up changes nothing.
    pub nonce: u64,
    /// Where it is: (`host`, NAME) at least, also (`rack`, NAME), (`row`, ..), (`datacenter`, ..). The root is
    /// `default` unless given.
    pub location: Vec<(String, String)>,
    /// Its CRUSH weight if it is new there: its size in TiB (16.16).
    pub weight: u32,
    /// `ssd`, `hdd`, `nvme`.
    pub device_class: Option<String>,
    /// The store lost something below what it had acknowledged: it leaves every in-sync set.
    pub damaged: bool,
    /// What its program can do; 0: the first level.
    pub feature_level: u32,
}
stdx::codec_versioned!(OsdBoot, 2 { id, uuid, addr, nonce, location, weight, device_class, damaged }
    since 2 { feature_level });

/// A pool to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolCreate {
    /// Its name.
    pub name: String,
    /// Copies; none: `osd_pool_default_size`.
    pub size: Option<u32>,
    /// Fewest copies for writes; none: more than half.
    pub min_size: Option<u32>,
    /// PGs; none: `osd_pool_default_pg_num`.
    pub pg_num: Option<u32>,
    /// A CRUSH type; none: the widest of host and osd that has `size` members.
    pub failure_domain: Option<String>,
    /// What it is for.
    pub application: String,
    /// How copies are spread.
    pub placement: PoolPlacement,
    /// Only OSDs of this class; none: all.
    pub device_class: Option<String>,
    /// Erasure-coded: a profile's name, or a profile as [`crate::EcProfile::parse`] reads it; its failure domain
    /// counts only if `failure_domain` is none. None: replicated.
    pub erasure: Option<String>,
    /// Erasure-coded: the replicated pool that keeps the metadata of what lies in it.
    pub companion: Option<String>,
    /// That the pool loses data with the first disk is meant.
    pub accept_data_loss: bool,
}
stdx::codec_versioned!(PoolCreate, 4 { name, size, min_size, pg_num, failure_domain, application }
    since 2 { placement, device_class } since 3 { erasure } since 4 { companion, accept_data_loss });

/// What a command answers when it was carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandReply {
    /// Done. Also when there was nothing to do.
    Done {
        /// The map in which it shows.
        epoch: Epoch,
    },
    /// The OSD number given out.
    Osd {
        /// The number.
        id: OsdId,
        /// The map in which it shows.
        epoch: Epoch,
    },
    /// The pool made.
    Pool {
        /// Its number.
        id: PoolId,
        /// The map in which it shows.
        epoch: Epoch,
    },
    /// The snapshot made.
    Snap {
        /// Its id within the pool.
        id: u64,
        /// The map in which it shows.
        epoch: Epoch,
    },
    /// How many row changes were taken; the others met a newer revision or broke a rule, and the row tells.
    Rows {
        /// Taken.
        taken: u32,
    },
}
stdx::codec_enum!(CommandReply {
    0 => Done { epoch },
    1 => Osd { id, epoch },
    2 => Pool { id, epoch },
    3 => Rows { taken },
    4 => Snap { id, epoch },
});
