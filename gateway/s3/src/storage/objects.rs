//! Objects: put, look up, delete.

use super::Storage;
use super::convert::{self, Owner};
use super::data::{Collected, RunWriter};
use super::index::IndexError;
use super::names;
use super::types::{Body, BodySummary, Bucket, Conditions, Entry, ObjectAttrs, ObjectChecksum, PutDone};
use super::version_types::{Deleted, Deletion, Found, VersionId, Versioning, Which};
use crate::checksum::ChecksumKind;
use crate::error::{Code, S3Error};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gateway_client::Rados;
use osd_class::index::{
    DeleteRow, Detail, GetRow, GotRow, Head, Part, PutReply, PutRow, Refusal, SetAttrs, Stat,
};
use stdx::codec::to_bytes;

/// Deletes under way together for one request.
const DELETES_AT_ONCE: usize = 16;

/// How often attributes are read again because somebody else changed them meanwhile.
const CHANGES_MAX: usize = 50;

/// What makes the name of a new version unique, where one is made.
pub(crate) fn version_nonce(bucket: &Bucket) -> Result<u64, S3Error> {
    if bucket.versioning() == Versioning::Enabled { names::random_id() } else { Ok(0) }
}

/// The run of a writer as a row holds it.
pub(crate) fn part_of<R: Rados>(
    writer: &RunWriter<R>,
    number: u16,
    summary: &BodySummary,
    mtime_ms: u64,
) -> Part {
    let run = writer.run();
    Part {
        number,
        size: run.size,
        md5: summary.md5,
        mtime_ms,
        checksum: convert::part_checksum_to_bytes(summary.checksum.as_ref()),
        tag: run.tag,
        object_bytes: u32::try_from(run.object_bytes).unwrap_or(u32::MAX),
    }
}

impl<R: Rados> Storage<R> {
    /// Stores an object. It is visible and durable when this returns; any error (and dropping the future
    /// before its end) leaves what was there before, and nothing of this one stays.
    pub async fn put<B: Body>(
        &self,
        bucket: &Bucket,
        key: &str,
        mut attrs: ObjectAttrs,
        conditions: Conditions,
        body: &mut B,
    ) -> Result<PutDone, S3Error> {
        let owner = Owner::new(bucket.id, key);
        let mut seal = attrs.seal.take();
        // The index lies where STANDARD's small objects may; other classes have a place of their own.
        let standard = attrs.storage_class.is_empty();
        let inline_max = if standard { self.inner.config.inline_bytes_max } else { 0 };
        let place = (attrs.storage_class.as_str(), seal.as_ref());
        let (mut collected, summary) = self.collect(&owner, body, inline_max, place).await?;
        if let Some(seal) = &mut seal {
            if let Collected::Inline(bytes) = &mut collected {
                *bytes = seal.seal_inline(std::mem::take(bytes));
            }
            seal.sealing.keep(&mut attrs.extra);
        }
        let checksum = summary
            .checksum
            .clone()
            .map(|checksum| ObjectChecksum { checksum, kind: ChecksumKind::FullObject });
        let numbers = checksum.as_ref().map(|c| (c.checksum.algorithm, c.kind));
        let (checksum_algorithm, checksum_kind) = convert::checksum_numbers(numbers);
        let mtime_ms = self.inner.rados.now().millis();
        let head = Head {
            size: summary.length,
            md5: summary.md5,
            parts: 0,
            mtime_ms,
            checksum_algorithm,
            checksum_kind,
            storage_class: attrs.storage_class.clone(),
        };
        let mut row = PutRow {
            generation: 0,
            key: owner.key.clone(),
            detail: Detail {
                attrs: convert::attrs_to_bytes(&attrs, checksum.as_ref()),
                runs: Vec::new(),
                upload: None,
                lock: bucket.lock_of_new(attrs.lock, mtime_ms)?,
                sealed_as: Vec::new(),
            },
            head,
            inline: Bytes::new(),
            conditions: convert::conditions(&conditions),
            gc_delay_ms: self.gc_delay_ms(),
            versioning: bucket.versioning(),
            nonce: version_nonce(bucket)?,
        };
        let mut done = PutDone {
            etag: convert::etag(&row.head),
            size: row.head.size,
            mtime: convert::wall(mtime_ms),
            checksum,
            version: VersionId::default(),
        };
        let reply = match collected {
            Collected::Inline(bytes) => {
                row.inline = bytes;
                self.put_row(bucket, row).await?
            }
            Collected::Run(writer) => {
                row.detail.runs.push(part_of(&writer, 0, &summary, mtime_ms));
                let (storage, bucket) = (self.clone(), bucket.clone());
                // Whoever waits for it may go away; the commit does not.
                let commit = async move { storage.put_row(&bucket, row).await };
                self.commit_runs(vec![writer], owner, commit).await?
            }
        };
        self.count_put(bucket, done.size);
        done.version = VersionId(reply.version);
        Ok(done)
    }

    async fn put_row(&self, bucket: &Bucket, row: PutRow) -> Result<PutReply, IndexError> {
        let key = row.key.clone();
        let input = |generation| to_bytes(&PutRow { generation, ..row.clone() });
        let reply: PutReply = self.call_index(bucket.id, &key, "put_row", input).await?;
        self.note_stat(bucket, &key, &reply.stat);
        Ok(reply)
    }

    /// Commits the row that names some runs, in a task that outlives its caller, and settles what becomes of the
    /// runs: kept, freed, or asked about until that is known.
    pub(crate) async fn commit_runs<T: Send + 'static>(
        &self,
        writers: Vec<RunWriter<R>>,
        owner: Owner,
        commit: impl Future<Output = Result<T, IndexError>> + Send + 'static,
    ) -> Result<T, S3Error> {
        let task = tokio::spawn(async move {
            match commit.await {
                Ok(done) => {
                    writers.into_iter().for_each(RunWriter::committed);
                    Ok(done)
                }
                Err(e @ IndexError::Failed(_)) => {
                    writers.into_iter().for_each(|writer| writer.resolve(owner.clone()));
                    Err(S3Error::from(e))
                }
                Err(e) => {
                    writers.into_iter().for_each(|writer| writer.refused(owner.clone()));
                    Err(S3Error::from(e))
                }
            }
        });
        task.await.map_err(|e| S3Error::internal(format!("a commit was cut off: {e}")))?
    }

    /// The object of a key.
    pub async fn entry(&self, bucket: &Bucket, key: &str) -> Result<Option<Entry>, S3Error> {
        Ok(self.find(bucket, key, Which::Current, true).await?.object())
    }

    /// The object of a key without the bytes that lie in its row: for HEAD, not for `read`.
    pub async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<Entry>, S3Error> {
        Ok(self.find(bucket, key, Which::Current, false).await?.object())
    }

    /// A version of a key; with `inline` also the bytes that lie in its row, as `read` needs them.
    pub async fn find(
        &self,
        bucket: &Bucket,
        key: &str,
        which: Which,
        inline: bool,
    ) -> Result<Found, S3Error> {
        Ok(match self.row(bucket, key, which, inline).await? {
            None => Found::Nothing,
            Some(row) if row.marker => {
                Found::Marker { version: VersionId(row.version), mtime: convert::wall(row.head.mtime_ms) }
            }
            Some(row) => Found::Object(Box::new(convert::entry(key, row)?)),
        })
    }

    pub(crate) async fn row(
        &self,
        bucket: &Bucket,
        key: &str,
        which: Which,
        inline: bool,
    ) -> Result<Option<GotRow>, S3Error> {
        let name = Bytes::copy_from_slice(key.as_bytes());
        let input = |generation| to_bytes(&GetRow { generation, key: name.clone(), inline, which });
        Ok(self.call_index(bucket.id, &name, "get_row", input).await?)
    }

    /// Changes the attributes of a version. `change` may be called more than once: each time somebody else was
    /// quicker. None if there is no such version, or it is a delete marker.
    pub async fn change_attrs(
        &self,
        bucket: &Bucket,
        key: &str,
        which: Which,
        change: impl Fn(&mut ObjectAttrs) -> Result<(), S3Error>,
    ) -> Result<Option<VersionId>, S3Error> {
        let name = Bytes::copy_from_slice(key.as_bytes());
        for _ in 0..CHANGES_MAX {
            let row = self.row(bucket, key, which, false).await?.filter(|row| !row.marker);
            let Some(row) = row else { return Ok(None) };
            // The version that was read is the one that is changed, whatever becomes current meanwhile.
            let which = if row.version.is_null() { Which::Null } else { Which::Version(row.version) };
            let seen = row.detail.attrs;
            let attrs = convert::change_attrs(seen.clone(), key, &change)?;
            let input = |generation| {
                let (key, seen, attrs) = (name.clone(), seen.clone(), attrs.clone());
                to_bytes(&SetAttrs { generation, key, which, seen, attrs })
            };
            match self.call_index::<Stat>(bucket.id, &name, "set_attrs", input).await {
                Ok(stat) => {
                    self.note_stat(bucket, &name, &stat);
                    return Ok(Some(VersionId(row.version)));
                }
                Err(IndexError::Refused(Refusal::Changed)) => {}
                Err(IndexError::Refused(Refusal::Absent)) => return Ok(None),
                Err(e) => return Err(e.into()),
            }
        }
        Err(S3Error::new(Code::OperationAborted))
    }

    /// Removes an object or a version. A missing one is no error.
    pub async fn delete(&self, bucket: &Bucket, deletion: &Deletion) -> Result<Deleted, S3Error> {
        let name = Bytes::copy_from_slice(deletion.key.as_bytes());
        let row = DeleteRow {
            generation: 0,
            key: name.clone(),
            conditions: convert::conditions(&deletion.conditions),
            if_mtime_s: deletion.if_modified_at,
            if_size: deletion.if_size,
            if_attrs: None,
            gc_delay_ms: self.gc_delay_ms(),
            versioning: bucket.versioning(),
            nonce: version_nonce(bucket)?,
            which: deletion.which,
            bypass: deletion.bypass,
            if_seen: deletion.if_seen.as_ref().map(|seen| (seen.version.0, seen.mtime.millis())),
        };
        let input = |generation| to_bytes(&DeleteRow { generation, ..row.clone() });
        let reply: PutReply = self.call_index(bucket.id, &name, "delete_row", input).await?;
        self.note_stat(bucket, &name, &reply.stat);
        Ok(Deleted { existed: reply.replaced, version: VersionId(reply.version), marker: reply.marker })
    }

    /// Removes many; one result for each, in order.
    pub async fn delete_many(
        &self,
        bucket: &Bucket,
        deletions: Vec<Deletion>,
    ) -> Vec<Result<Deleted, S3Error>> {
        stream::iter(deletions)
            .map(|deletion| async move {
                if deletion.key.len() > osd_class::index::KEY_BYTES_MAX {
                    return Err(S3Error::new(Code::KeyTooLongError));
                }
                self.delete(bucket, &deletion).await
            })
            .buffered(DELETES_AT_ONCE)
            .collect()
            .await
    }

    pub(crate) fn gc_delay_ms(&self) -> u64 {
        u64::try_from(self.inner.pace.delay().as_millis()).unwrap_or(u64::MAX)
    }
}
