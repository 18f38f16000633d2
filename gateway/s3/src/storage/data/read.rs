//! Reads an object's bytes as a stream: one piece in hand, one read ahead while there is memory for it.

use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::budget::Share;
use crate::storage::encryption::{CHUNK_BYTES, Seal, SealedSpan};
use crate::storage::manifest::{Extent, Manifest, Run, extent_at};
use crate::storage::names;
use crate::storage::types::{ByteStream, Entry};
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream;
use gateway_client::{OpError, Rados};
use std::sync::Arc;
use stdx::Errno;
use tokio::task::JoinHandle;

/// A read under way, and its share of the budget: of the moving bytes if somebody waits for it, of the resting
/// ones if it is read ahead. Dropping it gives both up.
struct Fetch {
    task: JoinHandle<Result<Bytes, OpError>>,
    share: Option<Share>,
    rests: Option<Share>,
}
impl Drop for Fetch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Reader<R: Rados> {
    storage: Storage<R>,
    runs: Arc<[Run]>,
    at: u64,
    end: u64,
    ahead: Option<Fetch>,
    /// Of the piece that was handed out last: held until the next is asked for. A piece for which there was
    /// none is small.
    in_hand: Option<Share>,
    seal: Option<Seal>,
}

impl<R: Rados> Reader<R> {
    /// Begins to read the next extent.
    fn fetch(&mut self, extent: Extent, share: Option<Share>) -> Fetch {
        self.at += extent.len;
        let storage = self.storage.clone();
        let sealed = self.seal.as_ref().map(|seal| {
            let run = self.runs.iter().find(|run| run.tag == extent.tag);
            let object_len = run.map_or(0, |run| {
                run.size.saturating_sub(extent.n.saturating_mul(run.object_bytes)).min(run.object_bytes)
            });
            let sealed_as = run.map_or(extent.tag, |run| run.sealed_as);
            (seal.of_run(sealed_as), SealedSpan::around(extent.offset, extent.len, object_len))
        });
        let task = tokio::spawn(async move {
            let object = names::data(extent.tag, extent.n);
            let pool = storage.pool_of(extent.tag).await?;
            let (offset, len) = match &sealed {
                Some((_, span)) => span.sealed(),
                None => (extent.offset, extent.len),
            };
            let data = storage.inner.rados.read(&pool, object.clone(), offset, len).await?;
            if data.len() as u64 != len {
                let what = format!("{pool}/{} holds {} of {len} bytes", object.name, data.len());
                return Err(OpError::new(Errno::EIO).with_context(what));
            }
            let Some((key, span)) = sealed else { return Ok(data) };
            let Some(clear) = key.open_span(extent.n, span, &data) else {
                let what = format!("{pool}/{} does not hold what was encrypted into it", object.name);
                return Err(OpError::new(Errno::EIO).with_context(what));
            };
            let from = (extent.offset - span.start) as usize;
            Ok(Bytes::from(clear).slice(from..from + extent.len as usize))
        });
        Fetch { task, share, rests: None }
    }

    fn extent(&self) -> Option<Extent> {
        let piece = self.storage.inner.budget.download_piece(self.storage.inner.config.piece_bytes);
        let most = (self.end - self.at).min(piece as u64);
        if most == 0 {
            return None;
        }
        let mut extent = extent_at(&self.runs, self.at, most)?;
        if self.seal.is_some() {
            // Up to the end of a chunk, where one ends: else the next piece would read it again.
            let end = (extent.offset + extent.len) / CHUNK_BYTES * CHUNK_BYTES;
            let later = self.at + extent.len < self.end;
            if later && end > extent.offset {
                extent.len = end - extent.offset;
            }
        }
        Some(extent)
    }

    async fn next(&mut self) -> Option<Result<Bytes, S3Error>> {
        self.in_hand = None;
        let budget = &self.storage.inner.budget.clone();
        let mut now = match self.ahead.take() {
            Some(fetch) => fetch,
            None => {
                let extent = self.extent()?;
                let share = budget.take(extent.len as usize).await;
                self.fetch(extent, Some(share))
            }
        };
        let was_ahead = now.share.is_none();
        if let Some(extent) = self.extent()
            && let Some(share) = budget.try_rest(extent.len as usize)
        {
            let mut fetch = self.fetch(extent, None);
            fetch.rests = Some(share);
            self.ahead = Some(fetch);
        }
        let got = match (&mut now.task).await {
            Ok(Ok(data)) => data,
            Ok(Err(e)) if e.code == Errno::ENOENT => {
                let what = format!("data of an object is missing: {e}");
                return Some(Err(S3Error::internal(what)));
            }
            Ok(Err(e)) => return Some(Err(e.into())),
            Err(e) => return Some(Err(S3Error::internal(format!("a read was cut off: {e}")))),
        };
        self.in_hand = if was_ahead { now.rests.take() } else { budget.try_rest(got.len()) };
        Some(Ok(got))
    }
}

impl<R: Rados> Storage<R> {
    /// Bytes `offset .. offset + len` of an object that `entry` gave; they must lie within it.
    pub fn read(&self, entry: &Entry, offset: u64, len: u64) -> ByteStream {
        let end = offset.saturating_add(len).min(entry.size);
        let offset = offset.min(end);
        match entry.sealing() {
            Ok(None) => {}
            Ok(Some(_)) if entry.seal.is_some() => {}
            Ok(Some(_)) => {
                let e = S3Error::internal("an encrypted object was read without its key");
                return stream::iter([Err(e)]).boxed();
            }
            Err(e) => return stream::iter([Err(e)]).boxed(),
        }
        let runs = match &entry.data {
            Manifest::Inline(bytes) => {
                if bytes.len() as u64 != entry.size {
                    // Only `head` leaves them out, and it says that it is not for reading.
                    let e = S3Error::internal("the bytes of an inline object were not asked for");
                    return stream::iter([Err(e)]).boxed();
                }
                let opened = match &entry.seal {
                    Some(seal) => seal.open_inline(bytes),
                    None => Ok(bytes.clone()),
                };
                let bytes = match opened {
                    Ok(bytes) => bytes,
                    Err(e) => return stream::iter([Err(e)]).boxed(),
                };
                // It fits: the row was read whole.
                let part = bytes.slice(offset as usize..end as usize);
                let some = (!part.is_empty()).then_some(Ok(part));
                return stream::iter(some).boxed();
            }
            Manifest::Runs(runs) => runs.as_slice().into(),
        };
        let seal = entry.seal.clone();
        let reader =
            Reader { storage: self.clone(), runs, at: offset, end, ahead: None, in_hand: None, seal };
        stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            let item = reader.next().await?;
            // Nothing follows an error.
            let rest = if item.is_ok() { Some(reader) } else { None };
            Some((item, rest))
        })
        .boxed()
    }
}
