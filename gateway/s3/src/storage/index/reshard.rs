//! Gives a bucket's index other limits, splits its shards until all are within them, and merges those far below.

use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::types::Bucket;
use gateway_client::Rados;
use std::time::Duration;

/// The least that a shard may be told to hold: below, moving rows about would cost more than they do.
const KEYS_MIN: u64 = 16;
const BYTES_MIN: u64 = 4096;
/// How often one shard is looked at while somebody else splits it ...
const LOOKS_MAX: usize = 600;
/// ... with such a pause.
const PAUSE: Duration = Duration::from_millis(50);

impl<R: Rados> Storage<R> {
    /// From now on shards of the bucket split at so many keys or bytes of rows; before this returns those that are over are
    /// split, and neighbours that are far below are merged. Readers and writers go on meanwhile. How many shards there are then. `InvalidArgument`, `NoSuchBucket`; `OperationAborted` if others' splits do not get on.
    pub async fn bucket_reshard(&self, bucket: &Bucket, keys: u64, bytes: u64) -> Result<u64, S3Error> {
        if keys < KEYS_MIN || bytes < BYTES_MIN {
            let text = format!("a shard holds at least {KEYS_MIN} keys and {BYTES_MIN} bytes");
            return Err(S3Error::with_message(Code::InvalidArgument, text));
        }
        let limits = |bucket: &mut Bucket| {
            (bucket.split_keys, bucket.split_bytes) = (keys, bytes);
            Ok(())
        };
        let bucket = self.bucket_change(bucket, limits).await?;
        let (mut shards, mut looks, mut next) = (0, 0, self.shard_of(bucket.id, b"").await?);
        while let Some(stat) = next {
            let shard = stat.header.shard;
            let over = stat.counters.entries() > keys || stat.counters.row_bytes > bytes;
            let splitting = stat.split.is_some();
            if (over || splitting) && self.split(bucket.id, shard, keys, bytes).await? {
                // Half of it is a shard of its own now, or somebody else is at it: look again.
                looks += 1;
                if looks > LOOKS_MAX {
                    return Err(S3Error::new(Code::OperationAborted));
                }
                if splitting {
                    tokio::time::sleep(PAUSE).await;
                }
                next = self.shard_of(bucket.id, &stat.header.from).await?;
                continue;
            }
            if self.merge_right(&bucket, &stat).await? {
                // It is as large as both were.
                next = self.shard_of(bucket.id, &stat.header.from).await?;
                continue;
            }
            // Within the limits, or all of it is one key.
            (shards, looks, next) = (shards + 1, 0, self.right_neighbour(bucket.id, &stat).await?);
        }
        Ok(shards)
    }
}
