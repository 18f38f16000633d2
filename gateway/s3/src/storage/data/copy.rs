//! Runs in another pool: bytes that are at hand written as a run, and runs copied as they lie there.

use super::write::RunWriter;
use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::convert::Owner;
use crate::storage::encryption::{CHUNK_BYTES, TAG_BYTES};
use crate::storage::manifest::Run;
use crate::storage::names;
use crate::storage::placement::Slot;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use stdx::Errno;

impl<R: Rados> Storage<R> {
    /// Writes a run of bytes that are at hand; durable when this returns, and freed if nobody commits it.
    pub(crate) async fn write_run(
        &self,
        owner: &Owner,
        bytes: Bytes,
        slot: Slot,
    ) -> Result<RunWriter<R>, S3Error> {
        let mut writer = RunWriter::new(self, owner, None, slot, self.inner.config.object_bytes).await?;
        let share = self.inner.budget.take(bytes.len()).await;
        writer.append(bytes, Some(share)).await?;
        writer.wait(0).await?;
        Ok(writer)
    }

    /// Copies a run, data object by data object, without looking into it; `sealed`: with the tags of its chunks.
    /// Durable when this returns, and freed if nobody commits it.
    pub(crate) async fn copy_run(
        &self,
        owner: &Owner,
        run: &Run,
        slot: Slot,
        sealed: bool,
    ) -> Result<RunWriter<R>, S3Error> {
        let from = self.pool_of(run.tag).await?;
        let most = self.inner.config.piece_bytes as u64;
        let mut writer = RunWriter::new(self, owner, None, slot, run.object_bytes).await?;
        for n in 0..run.objects() {
            let clear = run.object_bytes.min(run.size - n * run.object_bytes);
            let tags = if sealed { clear.div_ceil(CHUNK_BYTES) * TAG_BYTES as u64 } else { 0 };
            // Before it is written: whoever drops the writer frees so much.
            writer.begin_object(n * run.object_bytes + clear);
            let mut offset = 0;
            while offset < clear + tags {
                let len = most.min(clear + tags - offset);
                let share = self.inner.budget.take(len as usize).await;
                let object = names::data(run.tag, n);
                let data = self.inner.rados.read(&from, object.clone(), offset, len).await?;
                if data.len() as u64 != len {
                    let what = format!("{from}/{} holds {} of {len} bytes", object.name, data.len());
                    return Err(OpError::new(Errno::EIO).with_context(what).into());
                }
                writer.write_piece((n, offset), data, Some(share), n == 0 && offset == 0).await?;
                offset += len;
            }
        }
        writer.wait(0).await?;
        Ok(writer)
    }
}
