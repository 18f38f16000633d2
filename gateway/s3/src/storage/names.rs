//! The names of objects in the three pools, and random ids.

use super::types::BucketId;
use crate::error::S3Error;
use osd_class::index::Tag;
use osd_object::ObjectName;

/// The object in the meta pool whose omap holds users (`u` + uid) and access keys (`k` + access key).
pub(crate) const USERS: &str = "users";
/// The object in the meta pool whose omap holds the intents of gateways, by instance.
pub(crate) const INTENTS: &str = "intents";
/// The object in the meta pool whose omap holds the keys that wrap those of encrypted objects.
pub(crate) const ENCRYPTION_KEYS: &str = "encryption_keys";
/// The object in the meta pool whose omap holds the buckets with lifecycle rules, by name.
pub(crate) const LIFECYCLE: &str = "lifecycle";
/// The object in the meta pool whose omap holds the buckets that are gone but for their garbage, by id.
pub(crate) const DEAD_BUCKETS: &str = "dead_buckets";

/// The object in the meta pool whose omap holds the merges of shards that may need somebody to end them.
pub(crate) const MERGES: &str = "merges";

/// The object in the meta pool that holds the storage classes and the pools of data.
pub(crate) const PLACEMENT: &str = "placement";

/// The object in the meta pool that holds the rate limits of those that have none of their own.
pub(crate) const RATE_LIMITS: &str = "ratelimit";

/// The object in the meta pool whose omap names the owners of which usage is logged.
pub(crate) fn usage_owners() -> ObjectName {
    ObjectName::new("usage")
}
/// The usage log of an owner.
pub(crate) fn usage(owner: &str) -> ObjectName {
    ObjectName::new(format!("usage.{owner}"))
}
/// One of the objects in the meta pool whose omap holds records of bucket logs that are not delivered yet.
pub(crate) fn pending_logs(shard: u8) -> ObjectName {
    ObjectName::new(format!("bucket_logs.{shard}"))
}
/// The record of a bucket.
pub(crate) fn bucket_record(name: &str) -> ObjectName {
    ObjectName::new(format!("bucket.{name}"))
}
/// The list of a user's buckets.
pub(crate) fn bucket_list(uid: &str) -> ObjectName {
    ObjectName::new(format!("buckets.{uid}"))
}
/// The hint where a bucket's shards begin.
pub(crate) fn shard_map(bucket: BucketId) -> ObjectName {
    ObjectName::new(format!("map.{bucket}"))
}
/// How far a check of a bucket is that was cut short.
pub(crate) fn bucket_check(bucket: BucketId) -> ObjectName {
    ObjectName::new(format!("check.{bucket}"))
}
/// A shard of a bucket's index.
pub(crate) fn shard(bucket: BucketId, shard: u64) -> ObjectName {
    ObjectName::new(format!("{bucket}.{shard:016x}"))
}
/// A data object of a run.
pub(crate) fn data(tag: Tag, n: u64) -> ObjectName {
    ObjectName::new(format!("{:016x}.{:x}.{n:x}", tag.instance, tag.seq))
}

/// Random bytes. An error where the system has none to give.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], S3Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|e| S3Error::internal(format!("no random numbers: {e}")))?;
    Ok(bytes)
}

/// A random id, never 0.
pub(crate) fn random_id() -> Result<u64, S3Error> {
    Ok(u64::from_le_bytes(random()?).max(1))
}
