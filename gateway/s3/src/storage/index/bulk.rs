//! Loads many small objects at once: for trying out what a bucket of millions of keys is like.

use super::IndexError;
use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::convert;
use crate::storage::types::{Bucket, ObjectAttrs};
use crate::storage::version_types::Versioning;
use bytes::Bytes;
use gateway_client::Rados;
use md5::{Digest, Md5};
use osd_class::index::{BULK_MAX, Bulk, BulkReply, Conditions, Detail, Head, PutRow};
use stdx::codec::to_bytes;

impl<R: Rados> Storage<R> {
    /// Stores an object of these bytes under each key, many in one transaction. Keys ascend; the bytes are few, for they
    /// lie in the index. The bucket has no versions. An error leaves some stored.
    pub async fn load_objects(&self, bucket: &Bucket, keys: &[String], data: &Bytes) -> Result<(), S3Error> {
        let mtime_ms = self.rados().now().millis();
        let head =
            Head { size: data.len() as u64, md5: Md5::digest(data).into(), mtime_ms, ..Head::default() };
        let attrs = convert::attrs_to_bytes(&ObjectAttrs::default(), None);
        let detail = Detail { attrs, ..Detail::default() };
        let row = |key: &String| PutRow {
            generation: 0,
            key: Bytes::copy_from_slice(key.as_bytes()),
            head: head.clone(),
            detail: detail.clone(),
            inline: data.clone(),
            conditions: Conditions::default(),
            gc_delay_ms: self.gc_delay_ms(),
            versioning: Versioning::Off,
            nonce: 0,
        };
        for page in keys.chunks(BULK_MAX) {
            let mut rows: Vec<PutRow> = page.iter().map(row).collect();
            while let Some(first) = rows.first().map(|row| row.key.clone()) {
                let input = |generation| to_bytes(&Bulk { generation, rows: rows.clone() });
                let stored: Result<BulkReply, IndexError> =
                    self.call_index(bucket.id, &first, "put_rows", input).await;
                let stored = stored?;
                self.note_stat(bucket, &first, &stored.stat);
                rows.drain(..(stored.stored as usize).clamp(1, rows.len()));
            }
        }
        Ok(())
    }
}
