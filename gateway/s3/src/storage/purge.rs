//! What administrators do to whole buckets and users: empty them, remove them with all they have, give them away.

use super::Storage;
use super::types::Bucket;
use super::version_types::{Deletion, VersionId, VersionQuery, Which};
use crate::error::{Code, S3Error};
use gateway_client::Rados;

/// Versions removed at once.
const PAGE: u32 = 1000;

impl<R: Rados> Storage<R> {
    /// Removes a bucket with all that is in it, for good: at once, with the space coming back later. A bucket that locks
    /// objects is emptied first, one object after the other, and the first that is locked ends it.
    pub async fn bucket_remove(&self, bucket: &Bucket) -> Result<(), S3Error> {
        if bucket.lock()?.is_none() {
            return self.bucket_condemn(bucket).await;
        }
        self.bucket_purge(bucket).await?;
        self.bucket_delete(&bucket.full_name()).await
    }

    /// Removes every object and version of a bucket, for good. The first that cannot be removed ends it.
    pub async fn bucket_purge(&self, bucket: &Bucket) -> Result<(), S3Error> {
        loop {
            let query = VersionQuery { max: PAGE, ..VersionQuery::default() };
            let page = self.list_versions(bucket, &query).await?;
            if page.versions.is_empty() {
                return Ok(());
            }
            let deletions = page.versions.into_iter().map(|v| {
                let VersionId(version) = v.version;
                let which = if version.is_null() { Which::Null } else { Which::Version(version) };
                Deletion { key: v.object.key, which, ..Deletion::default() }
            });
            for deleted in self.delete_many(bucket, deletions.collect()).await {
                deleted?;
            }
        }
    }

    /// Removes a user with all its buckets and all that is in them, for good. `NoSuchUser`.
    pub async fn user_purge(&self, uid: &str) -> Result<(), S3Error> {
        if self.user_get(uid).await?.is_none() {
            return Err(S3Error::new(Code::NoSuchUser));
        }
        for (name, _) in self.bucket_ids(uid).await? {
            if let Some(bucket) = self.settled(&name).await? {
                self.bucket_remove(&bucket).await?;
            }
        }
        self.user_rm(uid).await
    }
}
