//! What an S3 user, bucket and object are made of, over `Rados` (decision D7). Knows nothing of HTTP.

mod config;
mod manifest;
pub mod types;

pub use config::StorageConfig;
pub use types::*;

use crate::error::S3Error;
use gateway_client::Rados;
use std::future::Future;
use std::sync::Arc;

/// The handle of the storage side. Cloning is cheap.
#[derive(Clone)]
pub struct Storage<R: Rados> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    rados: R,
    config: StorageConfig,
}

#[allow(unused_variables)]
impl<R: Rados> Storage<R> {
    /// A handle over a cluster. Starts nothing: `run` does.
    pub fn new(rados: R, config: StorageConfig) -> Storage<R> {
        Storage { inner: Arc::new(Inner { rados, config }) }
    }
    /// The settings.
    pub fn config(&self) -> &StorageConfig {
        &self.inner.config
    }
    /// The cluster's handle.
    pub fn rados(&self) -> &R {
        &self.inner.rados
    }
    /// The background work of a gateway (renewing its intent, splitting shards, freeing garbage, clearing up
    /// after dead gateways) until `shutdown` is done.
    pub async fn run(&self, shutdown: impl Future<Output = ()> + Send) {
        unimplemented!()
    }

    /// Makes a user, with a key of its own choice or a generated one. `UserAlreadyExists`.
    pub async fn user_create(
        &self,
        uid: &str,
        display_name: &str,
        key: Option<(String, Secret)>,
    ) -> Result<Credential, S3Error> {
        unimplemented!()
    }
    /// A user by id.
    pub async fn user_get(&self, uid: &str) -> Result<Option<User>, S3Error> {
        unimplemented!()
    }
    /// All users, by id.
    pub async fn user_list(&self) -> Result<Vec<User>, S3Error> {
        unimplemented!()
    }
    /// Removes a user and its keys. `NoSuchUser`; `BucketNotEmpty` (409) while the user owns buckets.
    pub async fn user_rm(&self, uid: &str) -> Result<(), S3Error> {
        unimplemented!()
    }
    /// One more key for a user, given or generated. `NoSuchUser`.
    pub async fn key_create(&self, uid: &str, key: Option<(String, Secret)>) -> Result<Credential, S3Error> {
        unimplemented!()
    }
    /// Removes a key. `InvalidAccessKeyId` if the user has no such key.
    pub async fn key_rm(&self, uid: &str, access_key: &str) -> Result<(), S3Error> {
        unimplemented!()
    }
    /// The credential of an access key, from memory for a few seconds.
    pub async fn lookup_access_key(&self, access_key: &str) -> Result<Option<Arc<Credential>>, S3Error> {
        unimplemented!()
    }

    /// Makes a bucket. `BucketAlreadyExists` if another user owns it. The name must be valid.
    pub async fn bucket_create(&self, owner: &str, name: &str) -> Result<BucketCreated, S3Error> {
        unimplemented!()
    }
    /// A bucket by name, from memory for a few seconds.
    pub async fn bucket_get(&self, name: &str) -> Result<Option<Arc<Bucket>>, S3Error> {
        unimplemented!()
    }
    /// Removes an empty bucket. `NoSuchBucket`, `BucketNotEmpty`.
    pub async fn bucket_delete(&self, name: &str) -> Result<(), S3Error> {
        unimplemented!()
    }
    /// A user's buckets by name behind `after`, at most `max`.
    pub async fn bucket_list(
        &self,
        owner: &str,
        after: Option<&str>,
        max: usize,
    ) -> Result<Vec<Bucket>, S3Error> {
        unimplemented!()
    }

    /// Stores an object. It is visible and durable when this returns; any error (and dropping the future
    /// before its end) leaves what was there before, and nothing of this one.
    pub async fn put<B: Body>(
        &self,
        bucket: &Bucket,
        key: &str,
        attrs: ObjectAttrs,
        conditions: Conditions,
        body: &mut B,
    ) -> Result<PutDone, S3Error> {
        unimplemented!()
    }
    /// The object of a key.
    pub async fn entry(&self, bucket: &Bucket, key: &str) -> Result<Option<Entry>, S3Error> {
        unimplemented!()
    }
    /// The object of a key without the bytes that lie in its row: for HEAD.
    pub async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<Entry>, S3Error> {
        unimplemented!()
    }
    /// Bytes `offset .. offset + len` of an object that `entry` gave; they must lie within it.
    pub fn read(&self, entry: &Entry, offset: u64, len: u64) -> ByteStream {
        unimplemented!()
    }
    /// Removes an object. Whether there was one; a missing one is no error, unless `if_match` is given.
    pub async fn delete(&self, bucket: &Bucket, key: &str, conditions: Conditions) -> Result<bool, S3Error> {
        unimplemented!()
    }
    /// Removes many; one result per key, in order.
    pub async fn delete_many(
        &self,
        bucket: &Bucket,
        keys: Vec<(String, Conditions)>,
    ) -> Vec<Result<bool, S3Error>> {
        unimplemented!()
    }
    /// A page of objects.
    pub async fn list(&self, bucket: &Bucket, query: &ListQuery) -> Result<Listing, S3Error> {
        unimplemented!()
    }

    /// Begins a multipart upload.
    pub async fn upload_create(
        &self,
        bucket: &Bucket,
        key: &str,
        attrs: ObjectAttrs,
        checksum: Option<(crate::checksum::ChecksumAlgorithm, crate::checksum::ChecksumKind)>,
    ) -> Result<UploadId, S3Error> {
        unimplemented!()
    }
    /// An upload that is under way. `NoSuchUpload`.
    pub async fn upload_get(&self, bucket: &Bucket, key: &str, upload: UploadId) -> Result<UploadInfo, S3Error> {
        unimplemented!()
    }
    /// Stores a part, in place of one of that number. `NoSuchUpload`.
    pub async fn part_put<B: Body>(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
        number: u16,
        body: &mut B,
    ) -> Result<PartInfo, S3Error> {
        unimplemented!()
    }
    /// Parts behind number `after`, at most `max`. `NoSuchUpload`.
    pub async fn part_list(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
        after: u16,
        max: u32,
    ) -> Result<PartListing, S3Error> {
        unimplemented!()
    }
    /// A page of uploads under way.
    pub async fn upload_list(&self, bucket: &Bucket, query: &UploadQuery) -> Result<UploadListing, S3Error> {
        unimplemented!()
    }
    /// Makes the object of the parts named, in their order. `checksum` gets the upload and the parts as they
    /// are stored, and gives the whole's checksum or refuses (it compares what the client said). Errors:
    /// `NoSuchUpload`, `InvalidPart`, `InvalidPartOrder`, `EntityTooSmall`, those of the conditions. Doing it
    /// again after it succeeded succeeds as long as the object is that one.
    pub async fn upload_complete(
        &self,
        bucket: &Bucket,
        key: &str,
        upload: UploadId,
        parts: Vec<CompletePart>,
        conditions: Conditions,
        checksum: impl Fn(&UploadInfo, &[PartInfo]) -> Result<Option<ObjectChecksum>, S3Error> + Send,
    ) -> Result<PutDone, S3Error> {
        unimplemented!()
    }
    /// Ends an upload and frees its parts. `NoSuchUpload`.
    pub async fn upload_abort(&self, bucket: &Bucket, key: &str, upload: UploadId) -> Result<(), S3Error> {
        unimplemented!()
    }
}
