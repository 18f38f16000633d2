//! The whole gateway over a map in memory, driven over TCP.

mod access_evasion_test;
mod access_log_test;
mod access_test;
mod account_test;
mod admin_ops_test;
mod auth_test;
mod bad_input_test;
mod bucket_logging_test;
mod bucket_test;
mod checksum_test;
mod client;
mod conditions_test;
mod confusion_test;
mod copy_test;
mod disconnect_test;
mod encryption_test;
mod https_test;
mod lifecycle_test;
mod listing_test;
mod multipart_test;
mod object_lock_test;
mod object_test;
mod post_test;
mod replay_test;
mod slow_test;
mod smuggling_test;
mod storage_class_test;
mod tagging_test;
mod tenants_test;
mod traffic_test;
mod vault_test;
mod versions_test;
mod website_test;
mod world;

use client::{Answer, Call, call};
use world::World;
