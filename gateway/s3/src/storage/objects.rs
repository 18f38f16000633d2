//! Objects: put, look up, delete.

use super::Storage;
use super::convert::{self, Owner};
use super::data::{Collected, RunWriter};
use super::index::IndexError;
use super::types::{Body, BodySummary, Bucket, Conditions, Entry, ObjectAttrs, ObjectChecksum, PutDone};
use crate::checksum::ChecksumKind;
use crate::error::{Code, S3Error};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gateway_client::Rados;
use osd_class::index::{DeleteRow, Detail, GetRow, GotRow, Head, Part, PutReply, PutRow};
use stdx::codec::to_bytes;

/// Deletes under way together for one request.
const DELETES_AT_ONCE: usize = 16;

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
        attrs: ObjectAttrs,
        conditions: Conditions,
        body: &mut B,
    ) -> Result<PutDone, S3Error> {
        let owner = Owner::new(bucket.id, key);
        let (collected, summary) = self.collect(&owner, body, self.inner.config.inline_bytes_max).await?;
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
            },
            head,
            inline: Bytes::new(),
            conditions: convert::conditions(&conditions),
            gc_delay_ms: self.gc_delay_ms(),
        };
        let done = PutDone {
            etag: convert::etag(&row.head),
            size: row.head.size,
            mtime: convert::wall(mtime_ms),
            checksum,
        };
        match collected {
            Collected::Inline(bytes) => {
                row.inline = bytes;
                self.put_row(bucket, row).await?;
            }
            Collected::Run(writer) => {
                row.detail.runs.push(part_of(&writer, 0, &summary, mtime_ms));
                let (storage, bucket) = (self.clone(), bucket.clone());
                // Whoever waits for it may go away; the commit does not.
                let commit = async move { storage.put_row(&bucket, row).await };
                self.commit_run(writer, owner, commit).await?;
            }
        }
        Ok(done)
    }

    async fn put_row(&self, bucket: &Bucket, row: PutRow) -> Result<PutReply, IndexError> {
        let key = row.key.clone();
        let input = |generation| to_bytes(&PutRow { generation, ..row.clone() });
        let reply: PutReply = self.call_index(bucket.id, &key, "put_row", input).await?;
        self.note_stat(bucket, &key, &reply.stat);
        Ok(reply)
    }

    /// Commits the row that names a run, in a task that outlives its caller, and settles what becomes of the
    /// run: kept, freed, or asked about until that is known.
    pub(crate) async fn commit_run<T: Send + 'static>(
        &self,
        writer: RunWriter<R>,
        owner: Owner,
        commit: impl Future<Output = Result<T, IndexError>> + Send + 'static,
    ) -> Result<T, S3Error> {
        let task = tokio::spawn(async move {
            match commit.await {
                Ok(done) => {
                    writer.committed();
                    Ok(done)
                }
                Err(e @ IndexError::Failed(_)) => {
                    writer.resolve(owner);
                    Err(S3Error::from(e))
                }
                // It certainly did not happen: dropping the writer frees the run.
                Err(e) => Err(S3Error::from(e)),
            }
        });
        task.await.map_err(|e| S3Error::internal(format!("a commit was cut off: {e}")))?
    }

    /// The object of a key.
    pub async fn entry(&self, bucket: &Bucket, key: &str) -> Result<Option<Entry>, S3Error> {
        self.look_up(bucket, key, true).await
    }

    /// The object of a key without the bytes that lie in its row: for HEAD, not for `read`.
    pub async fn head(&self, bucket: &Bucket, key: &str) -> Result<Option<Entry>, S3Error> {
        self.look_up(bucket, key, false).await
    }

    async fn look_up(&self, bucket: &Bucket, key: &str, inline: bool) -> Result<Option<Entry>, S3Error> {
        let name = Bytes::copy_from_slice(key.as_bytes());
        let input = |generation| to_bytes(&GetRow { generation, key: name.clone(), inline });
        let got: Option<GotRow> = self.call_index(bucket.id, &name, "get_row", input).await?;
        got.map(|row| convert::entry(key, row)).transpose()
    }

    /// Removes an object. Whether there was one; a missing one is no error, unless `if_match` is given.
    pub async fn delete(&self, bucket: &Bucket, key: &str, conditions: Conditions) -> Result<bool, S3Error> {
        let name = Bytes::copy_from_slice(key.as_bytes());
        let conditions = convert::conditions(&conditions);
        let gc_delay_ms = self.gc_delay_ms();
        let input = |generation| {
            let (key, conditions) = (name.clone(), conditions.clone());
            to_bytes(&DeleteRow { generation, key, conditions, gc_delay_ms })
        };
        let reply: PutReply = self.call_index(bucket.id, &name, "delete_row", input).await?;
        self.note_stat(bucket, &name, &reply.stat);
        Ok(reply.replaced)
    }

    /// Removes many; one result per key, in order.
    pub async fn delete_many(
        &self,
        bucket: &Bucket,
        keys: Vec<(String, Conditions)>,
    ) -> Vec<Result<bool, S3Error>> {
        stream::iter(keys)
            .map(|(key, conditions)| async move {
                if key.len() > osd_class::index::KEY_BYTES_MAX {
                    return Err(S3Error::new(Code::KeyTooLongError));
                }
                self.delete(bucket, &key, conditions).await
            })
            .buffered(DELETES_AT_ONCE)
            .collect()
            .await
    }

    pub(crate) fn gc_delay_ms(&self) -> u64 {
        u64::try_from(self.inner.pace.delay().as_millis()).unwrap_or(u64::MAX)
    }
}
