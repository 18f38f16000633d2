//! The words of `nacre up`.

use crate::cluster::settings::Link;
use crate::noun::gateway_doors::GatewayDoors;
use crate::size;
use clap::Args;

/// What a new cluster has where nothing is said.
pub(super) const OSDS_DEFAULT: u32 = 3;
/// See `OSDS_DEFAULT`.
pub(super) const MONS_DEFAULT: u32 = 1;
/// See `OSDS_DEFAULT`.
pub(super) const OSD_SIZE_DEFAULT: u64 = 8 << 30;
/// See `OSDS_DEFAULT`.
pub(super) const POOL_SIZE_DEFAULT: u32 = 3;

/// What `up` is told. What is absent is as an existing cluster has it, and else the default.
#[derive(Args, Clone)]
pub(crate) struct UpArgs {
    /// OSDs of a new cluster; 3 unless said.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub osds: Option<u32>,
    /// Monitors of a new cluster: 1, 3 or 5; 1 unless said.
    #[arg(long)]
    pub mons: Option<u32>,
    /// Size of each OSD's store, taken from the disk at once; 8G unless said.
    #[arg(long, value_name = "SIZE", value_parser = size::parse)]
    pub osd_size: Option<u64>,
    /// What this host's gateway serves.
    #[command(flatten)]
    pub doors: GatewayDoors,
    /// Forget what the gateway of an existing cluster serves and how it is guarded (certificates, NBD's rules, domains):
    /// it is only what this command says.
    #[arg(long)]
    pub reset_doors: bool,
    /// Access key of the first S3 user; drawn at random if absent.
    #[arg(long, value_name = "K", requires = "secret_key")]
    pub access_key: Option<String>,
    /// Its secret key. Others on this host see what stands here (`ps`): say - and give it on standard input, or put it into
    /// NACRE_SECRET_KEY.
    #[arg(long, value_name = "S", requires = "access_key", env = "NACRE_SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<String>,
    /// Copies of each object in the first pools; 3 unless said.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10))]
    pub pool_size: Option<u32>,
    /// Protection of the links between daemons of a new cluster; secure unless said.
    #[arg(long, value_enum)]
    pub link: Option<Link>,
    /// Start a daemon that dies again.
    #[arg(long)]
    pub respawn: bool,
}

impl UpArgs {
    /// OSDs of a new cluster.
    pub(super) fn osds(&self) -> u32 {
        self.osds.unwrap_or(OSDS_DEFAULT)
    }
    /// Monitors of a new cluster.
    pub(super) fn mons(&self) -> u32 {
        self.mons.unwrap_or(MONS_DEFAULT)
    }
    /// Bytes of a store in a new cluster.
    pub(super) fn osd_size(&self) -> u64 {
        self.osd_size.unwrap_or(OSD_SIZE_DEFAULT)
    }
    /// Copies in the first pools.
    pub(super) fn pool_size(&self) -> u32 {
        self.pool_size.unwrap_or(POOL_SIZE_DEFAULT)
    }
}
