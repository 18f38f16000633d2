//! Gives a bucket's index other limits, and splits its shards until all are within them.

use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::types::Bucket;
use bytes::Bytes;
use gateway_client::Rados;
use osd_class::index::ShardStat;
use std::time::Duration;

/// The least that a shard may be told to hold: below, moving rows about would cost more than they do.
const KEYS_MIN: u64 = 16;
const BYTES_MIN: u64 = 4096;
/// How often one shard is looked at while somebody else splits it ...
const LOOKS_MAX: usize = 600;
/// ... with such a pause.
const PAUSE: Duration = Duration::from_millis(50);

impl<R: Rados> Storage<R> {
    /// From now on shards of the bucket split at so many keys or bytes of rows; those that are over are split before this
    /// returns. Readers and writers go on meanwhile. How many shards there are then. Shards that are far below the limits
    /// stay as they are. `InvalidArgument`, `NoSuchBucket`; `OperationAborted` if others' splits do not get on.
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
        let (mut shards, mut looks, mut next) = (0, 0, Some(0));
        while let Some(shard) = next {
            let stat: ShardStat = self.call_shard(bucket.id, shard, "stat", Bytes::new()).await?;
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
                continue;
            }
            // Within the limits, or all of it is one key.
            (shards, looks, next) = (shards + 1, 0, stat.header.right);
        }
        Ok(shards)
    }
}
