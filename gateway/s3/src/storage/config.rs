//! What can be set of the storage side, with the defaults that operators get.

use std::time::Duration;

/// Pools, sizes and times of the storage side.
#[derive(Clone, Debug)]
pub struct StorageConfig {
    /// Pool of users and bucket records.
    pub meta_pool: String,
    /// Pool of bucket index shards.
    pub index_pool: String,
    /// Pool of data objects.
    pub data_pool: String,
    /// Objects up to so many bytes live in their index row.
    pub inline_bytes_max: usize,
    /// Data is written and read in pieces of so many bytes.
    pub piece_bytes: usize,
    /// Size of a data object, bytes; a multiple of `piece_bytes`.
    pub object_bytes: u64,
    /// All transfers together buffer at most about so many bytes.
    pub buffer_bytes: usize,
    /// The least size of every part of a multipart upload but the last, bytes. S3's is 5 MiB.
    pub part_bytes_min: u64,
    /// New buckets: a shard of the index splits at so many keys.
    pub split_keys: u64,
    /// New buckets: a shard of the index splits at so many bytes of rows.
    pub split_bytes: u64,
    /// Whoever waits so long for the last step of a split drives it on itself.
    pub split_patience: Duration,
    /// Data that lost its object is freed so much later: longer than the longest GET. (At first; see
    /// `Storage::set_garbage_pace`.)
    pub gc_delay: Duration,
    /// How often garbage is looked for, at first.
    pub gc_every: Duration,
    /// At most so many data objects are freed per second.
    pub gc_objects_per_second: u32,
    /// How often a gateway renews its intent.
    pub lease_renew: Duration,
    /// An intent that was not renewed for so long is revoked by other gateways.
    pub lease_expire: Duration,
    /// How long credentials and bucket records may be answered from memory.
    pub cache_ttl: Duration,
}

impl Default for StorageConfig {
    fn default() -> StorageConfig {
        StorageConfig {
            meta_pool: "s3.meta".into(),
            index_pool: "s3.index".into(),
            data_pool: "s3.data".into(),
            inline_bytes_max: 32 << 10,
            piece_bytes: 1 << 20,
            object_bytes: 4 << 20,
            buffer_bytes: 96 << 20,
            part_bytes_min: 5 << 20,
            split_keys: 50_000,
            split_bytes: 64 << 20,
            split_patience: Duration::from_millis(800),
            gc_delay: Duration::from_secs(3600),
            gc_every: Duration::from_secs(300),
            gc_objects_per_second: 5000,
            lease_renew: Duration::from_secs(10),
            lease_expire: Duration::from_secs(60),
            cache_ttl: Duration::from_secs(2),
        }
    }
}
