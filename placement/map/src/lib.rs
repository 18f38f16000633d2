//! The cluster map, the rows beside it, and the placement that follows from both. Pure.
//!
//! * [`ClusterMap`] with [`Incremental`]s; [`ClusterMap::up_acting`] and [`Mapping`] say where PGs lie.
//! * [`ClusterState::apply`] carries a [`Command`] out: the one place where map and rows change.
//! * [`balance`] plans upmaps that even PGs out over OSDs.
//! * [`osdmap`] reads and writes Ceph's OSDMap; [`PlacementSource`] is what its placement and ours share.
//! * [`status`] explains a state to people.

mod apply;
pub mod balance;
pub mod cluster_map;
pub mod command;
pub mod config;
pub mod config_log;
pub mod crush_change;
pub mod crush_dump;
pub mod delta;
pub mod ec_profile;
pub mod feature;
pub mod flags;
pub mod hash;
pub mod ids;
mod ids_serde;
pub mod incremental;
pub mod location;
pub mod mapping;
pub mod osd;
pub mod osdmap;
pub mod pg_row;
pub mod placement;
pub mod pool;
pub mod pool_compression;
pub mod pool_placement;
pub mod refusal;
mod rows;
pub mod shared_crush;
mod snaps;
mod source;
pub mod state;
pub mod stats;
pub mod status;

pub use apply::{Applied, mon_add_refusal, placement_due};
pub use cluster_map::ClusterMap;
pub use command::{Bootstrap, Command, CommandReply, OsdBoot, PoolCreate};
pub use config_log::{ConfigEntry, ConfigLog, ConfigStep};
pub use crush_change::CrushChange;
pub use ec_profile::EcProfile;
pub use feature::{FEATURE_LEVEL, FEATURE_LEVEL_BASE, Feature};
pub use flags::{Flag, MapFlags};
pub use hash::{ObjectHash, object_hash};
pub use ids::{Epoch, OsdId, PgId, PoolId};
pub use incremental::{Gap, Incremental};
pub use mapping::{Mapping, Up};
pub use osd::{OsdInfo, Uuid, WEIGHT_ONE};
pub use pg_row::{PgRow, RowChange, RowChangeKind};
pub use placement::{Placer, UpActing};
pub use pool::{Pool, PoolKind};
pub use pool_compression::{CompressionAlgorithm, CompressionMode, PoolCompression};
pub use pool_placement::PoolPlacement;
pub use refusal::{Refusal, RefusalKind};
pub use shared_crush::SharedCrush;
pub use snaps::{PoolSnaps, SnapRuns};
pub use source::{PlacementSource, PoolShape};
pub use state::ClusterState;

/// From this level on small writes to erasure-coded PGs are put aside as records of what will change (pg-meta.md).
pub const FEATURE_RECORDS: u32 = Feature::ErasureRecords.level();
/// From this level on a primary may let another member lead ([`RowChangeKind::Yield`]).
pub const FEATURE_YIELD: u32 = Feature::Yield.level();
