//! Questions to the monitors and their answers.

use super::{
    ConfigRow, EcProfileRow, Health, MonRow, OsdRow, PgDetail, PgRowView, Placement, PoolRow, Status,
    TreeNode,
};
use crate::config_log::ConfigEntry;
use crate::ids::PgId;
use serde::Serialize;
use stdx::codec_enum;

/// A question. Answered by the leader, which has the latest reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Query {
    /// The whole at a glance.
    Status,
    /// What is wrong, in detail.
    Health,
    /// OSDs in their CRUSH tree.
    OsdTree,
    /// OSDs with their usage.
    OsdDf,
    /// PGs with their states.
    PgLs,
    /// All about one PG.
    PgQuery(PgId),
    /// Pools.
    PoolLs,
    /// Monitors.
    MonLs,
    /// Settings: those set, and all with their defaults.
    ConfigLs,
    /// Where an object lies.
    ObjectPlacement {
        /// The pool's name.
        pool: String,
        /// Namespace.
        namespace: String,
        /// Locator key.
        locator: String,
        /// Name.
        name: String,
    },
    /// Whether OSDs may be stopped without a PG becoming unavailable: no answer rows means yes.
    OkToStop(Vec<crate::ids::OsdId>),
    /// Erasure-code profiles.
    EcProfileLs,
    /// The history of the settings.
    ConfigLog,
}
codec_enum!(Query {
    0 => Status,
    1 => Health,
    2 => OsdTree,
    3 => OsdDf,
    4 => PgLs,
    5 => PgQuery(pg),
    6 => PoolLs,
    7 => MonLs,
    8 => ConfigLs,
    9 => ObjectPlacement { pool, namespace, locator, name },
    10 => OkToStop(osds),
    11 => EcProfileLs,
    12 => ConfigLog,
});

/// An answer. `serde_json::to_value(&answer)` is what `--format json` prints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Answer {
    /// To `Status`.
    Status(Box<Status>),
    /// To `Health`.
    Health(Health),
    /// To `OsdTree`: depth first, roots first.
    OsdTree {
        /// Buckets and OSDs.
        nodes: Vec<TreeNode>,
    },
    /// To `OsdDf`.
    OsdDf {
        /// By number.
        osds: Vec<OsdRow>,
    },
    /// To `PgLs`, `OkToStop` (those that would become unavailable).
    PgLs {
        /// By id.
        pgs: Vec<PgRowView>,
    },
    /// To `PgQuery`.
    PgQuery(Box<PgDetail>),
    /// To `PoolLs`.
    PoolLs {
        /// By number.
        pools: Vec<PoolRow>,
    },
    /// To `MonLs`.
    MonLs {
        /// By name.
        mons: Vec<MonRow>,
    },
    /// To `ConfigLs`.
    ConfigLs {
        /// By section and key; the section `default` for what nobody set.
        config: Vec<ConfigRow>,
    },
    /// To `ObjectPlacement`.
    ObjectPlacement(Placement),
    /// To `EcProfileLs`.
    EcProfileLs {
        /// By name.
        profiles: Vec<EcProfileRow>,
    },
    /// To `ConfigLog`.
    ConfigLog {
        /// The newest first.
        changes: Vec<ConfigEntry>,
    },
}
codec_enum!(Answer {
    0 => Status(status),
    1 => Health(health),
    2 => OsdTree { nodes },
    3 => OsdDf { osds },
    4 => PgLs { pgs },
    5 => PgQuery(detail),
    6 => PoolLs { pools },
    7 => MonLs { mons },
    8 => ConfigLs { config },
    9 => ObjectPlacement(placement),
    10 => EcProfileLs { profiles },
    11 => ConfigLog { changes },
});
