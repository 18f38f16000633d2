//! Gives buckets to other users.
//!
//! the new owner's list -> record -> off the old owner's list. After a crash in between the bucket shows in two lists;
//! its record says whose it is, and doing it again ends it.

use super::buckets::{ListRow, Phase};
use crate::access::Acl;
use crate::error::{Code, S3Error};
use crate::storage::Storage;
use crate::storage::names;
use crate::storage::types::Bucket;
use bytes::Bytes;
use gateway_client::Rados;
use osd_object::Op;
use stdx::codec::to_bytes;

impl<R: Rados> Storage<R> {
    /// Makes another user the owner of a bucket. Its ACL becomes private; objects that others own stay theirs.
    /// `NoSuchUser`, `NoSuchBucket`, `OperationAborted` if the bucket changed meanwhile.
    pub async fn bucket_chown(&self, bucket: &Bucket, uid: &str) -> Result<(), S3Error> {
        if self.user_get(uid).await?.is_none() {
            return Err(S3Error::new(Code::NoSuchUser));
        }
        let name = bucket.full_name();
        let found = self.record(&name).await?.filter(|(r, _)| r.id == bucket.id.0);
        let (mut record, version) = found.ok_or_else(|| S3Error::new(Code::NoSuchBucket))?;
        if record.phase != Phase::Ready {
            return Err(S3Error::new(Code::OperationAborted));
        }
        let before = std::mem::replace(&mut record.owner, uid.to_string());
        if before == uid {
            return Ok(());
        }
        Acl::private(uid).keep(&mut record.settings, uid);
        let row = ListRow { id: record.id, created: record.created };
        let rows = vec![(Bytes::from(name.clone()), to_bytes(&row))];
        let pool = &self.inner.config.meta_pool;
        self.inner.rados.operate(pool, names::bucket_list(uid), vec![Op::OmapSet { rows }]).await?;
        if self.change_record(&name, version, &record).await?.is_none() {
            // Unless the other change was the same one, the bucket is not the new owner's.
            let now = self.record(&name).await?;
            if now.is_none_or(|(r, _)| r.owner != uid || r.id != record.id) {
                self.unlist(&name, uid, record.id, record.created).await?;
            }
            return Err(S3Error::new(Code::OperationAborted));
        }
        self.unlist(&name, &before, record.id, record.created).await
    }
}
