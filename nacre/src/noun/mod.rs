//! One file per noun of the command line.

mod answer;
pub(crate) mod balancer;
pub(crate) mod bucket;
pub(crate) mod config;
pub(crate) mod crush;
pub(crate) mod daemon;
pub(crate) mod ec;
pub(crate) mod fsck;
pub(crate) mod gateway;
pub(crate) mod health;
pub(crate) mod image;
pub(crate) mod mon;
pub(crate) mod mon_members;
pub(crate) mod nbd;
pub(crate) mod object;
pub(crate) mod osd;
mod osd_df_tree;
mod osd_getmap;
pub(crate) mod osd_inspect;
mod osd_map;
pub(crate) mod osd_members;
pub(crate) mod pg;
pub(crate) mod pool;
pub(crate) mod s3;
pub(crate) mod status;
mod stopped_store;
pub(crate) mod user;
