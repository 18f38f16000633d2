//! Objects that change their storage class and stay the same: their bytes are copied as they lie there, encrypted or
//! not, and the row names the copies in one transaction.

use super::Storage;
use super::convert::{self, Owner};
use super::index::IndexError;
use super::manifest::Run;
use super::placement::Slot;
use super::types::Bucket;
use super::version_types::Seen;
use crate::error::{Code, S3Error};
use bytes::Bytes;
use gateway_client::Rados;
use osd_class::index::{MoveRow, Part, Stat};
use stdx::codec::to_bytes;

impl<R: Rados> Storage<R> {
    /// Gives a version another storage class (empty: STANDARD), if it is the one that was seen; whether it was.
    /// Whole or not at all; its bytes, names and times stay. `InvalidStorageClass`.
    ///
    /// Small encrypted objects stay in their index row and change only their class: their key may be a client's.
    pub async fn change_class(
        &self,
        bucket: &Bucket,
        key: &str,
        seen: &Seen,
        class: &str,
    ) -> Result<bool, S3Error> {
        let slot = self.slot_of_class(class).await?;
        let which = seen.version.which();
        let Some(row) = self.row(bucket, key, which, true).await?.filter(|row| !row.marker) else {
            return Ok(false);
        };
        if row.version != seen.version.0 || row.head.mtime_ms != seen.mtime.millis() {
            return Ok(false);
        }
        let owner = Owner::new(bucket.id, key);
        let sealed = convert::is_sealed(row.detail.attrs.clone(), key)?;
        let mut change = MoveRow {
            generation: 0,
            key: owner.key.clone(),
            which,
            seen: (row.version, row.head.mtime_ms),
            seen_attrs: row.detail.attrs.clone(),
            storage_class: class.to_string(),
            attrs: convert::with_class(row.detail.attrs.clone(), key, class)?,
            runs: Vec::with_capacity(row.detail.runs.len()),
            sealed_as: Vec::new(),
            inline: row.inline,
            gc_delay_ms: self.gc_delay_ms(),
        };
        let mut writers = Vec::new();
        if !sealed && !class.is_empty() && !change.inline.is_empty() {
            let bytes = std::mem::take(&mut change.inline);
            let writer = self.write_run(&owner, bytes, slot).await?;
            let run = writer.run();
            change.runs.push(Part {
                number: 0,
                size: run.size,
                md5: row.head.md5,
                mtime_ms: row.head.mtime_ms,
                checksum: Bytes::new(),
                tag: run.tag,
                object_bytes: u32::try_from(run.object_bytes).unwrap_or(u32::MAX),
            });
            writers.push(writer);
        }
        for (n, part) in row.detail.runs.into_iter().enumerate() {
            let sealed_as = row.detail.sealed_as.get(n).copied().unwrap_or(part.tag);
            if sealed {
                change.sealed_as.push(sealed_as);
            }
            if part.size == 0 || Slot::of(part.tag) == slot {
                change.runs.push(part);
                continue;
            }
            let writer = self.copy_run(&owner, &Run::of(&part), slot, sealed).await?;
            change.runs.push(Part { tag: writer.run().tag, ..part });
            writers.push(writer);
        }
        let (storage, of) = (self.clone(), bucket.clone());
        let commit = async move { storage.move_row(&of, change).await };
        match self.commit_runs(writers, owner, commit).await {
            Ok(()) => Ok(true),
            // Replaced, changed or removed meanwhile.
            Err(e) if matches!(e.code(), Code::OperationAborted | Code::NoSuchKey) => Ok(false),
            Err(e) => Err(e),
        }
    }

    async fn move_row(&self, bucket: &Bucket, change: MoveRow) -> Result<(), IndexError> {
        let key = change.key.clone();
        let input = |generation| to_bytes(&MoveRow { generation, ..change.clone() });
        let stat: Stat = self.call_index(bucket.id, &key, "move_row", input).await?;
        self.note_stat(bucket, &key, &stat);
        Ok(())
    }
}
