//! Writes the body of a put: small ones are collected for the index row, larger ones become a run of data
//! objects while they arrive.
//!
//! A run that does not become part of an object is freed by whoever drops its writer: a task of its own
//! waits for the writes under way and deletes what was written. A gateway that dies leaves that to the
//! sweeper (docs/decisions/0010-intents-and-fences.md).

use super::OWNER_XATTR;
use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::background::intent::TagLease;
use crate::storage::budget::Share;
use crate::storage::convert::Owner;
use crate::storage::encryption::{CHUNK_BYTES, ChunkKey, Seal, TAG_BYTES, sealed_offset};
use crate::storage::manifest::Run;
use crate::storage::names;
use crate::storage::placement::Slot;
use crate::storage::types::{Body, BodySummary};
use bytes::{Bytes, BytesMut};
use gateway_client::{OpError, Rados};
use osd_object::Op;
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stdx::Errno;
use stdx::codec::to_bytes;
use tokio::task::JoinHandle;

/// Data writes of one transfer that may be under way together.
const IN_FLIGHT_MAX: usize = 2;
/// Bytes that are encrypted and written together.
const SEALED_PIECE_BYTES: u64 = 1 << 20;
/// A client may take so long for its next bytes before its buffer is written out, when memory is short.
const PATIENCE: Duration = Duration::from_millis(500);

/// A body that was taken in.
pub(crate) enum Collected<R: Rados> {
    /// All of it is here; it goes into the row.
    Inline(Bytes),
    /// It is in data objects, all of them durable.
    Run(RunWriter<R>),
}

/// A run while it is written, and until its row is committed.
pub(crate) struct RunWriter<R: Rados> {
    storage: Storage<R>,
    lease: Option<TagLease<R>>,
    pool: Arc<str>,
    owner: Bytes,
    object_bytes: u64,
    written: u64,
    in_flight: VecDeque<JoinHandle<Result<(), OpError>>>,
    sealer: Option<Sealer>,
}

/// What encrypts a run, and the bytes that make no whole chunk yet.
struct Sealer {
    key: ChunkKey,
    rest: BytesMut,
}

impl<R: Rados> RunWriter<R> {
    pub(super) async fn new(
        storage: &Storage<R>,
        owner: &Owner,
        seal: Option<&Seal>,
        slot: Slot,
        object_bytes: u64,
    ) -> Result<RunWriter<R>, S3Error> {
        let pool = storage.pool_of_slot(slot).await?;
        let lease = storage.take_tag(slot).await?;
        let sealer = seal.map(|seal| Sealer { key: seal.of_run(lease.tag()), rest: BytesMut::new() });
        Ok(RunWriter {
            sealer,
            storage: storage.clone(),
            lease: Some(lease),
            pool,
            owner: to_bytes(owner),
            object_bytes,
            written: 0,
            in_flight: VecDeque::new(),
        })
    }

    /// The run as far as it is written.
    pub(crate) fn run(&self) -> Run {
        let tag = self.lease.as_ref().expect("a writer has its tag until it is committed").tag();
        Run::new(tag, self.written, self.object_bytes)
    }

    /// Of a copy: from now on so many bytes may be there.
    pub(super) fn begin_object(&mut self, written: u64) {
        self.written = written;
    }

    /// Appends bytes; `share` is given back when they are durable.
    pub(super) async fn append(&mut self, mut data: Bytes, share: Option<Share>) -> Result<(), S3Error> {
        if let Some(sealer) = &mut self.sealer {
            sealer.rest.extend_from_slice(&data);
            return self.append_sealed(share, false).await;
        }
        let mut share = share;
        while !data.is_empty() {
            let (n, offset) = (self.written / self.object_bytes, self.written % self.object_bytes);
            let room = usize::try_from(self.object_bytes - offset).unwrap_or(usize::MAX);
            let piece = data.split_to(data.len().min(room));
            let first = self.written == 0;
            self.written += piece.len() as u64;
            let keep = if data.is_empty() { share.take() } else { None };
            self.write_piece((n, offset), piece, keep, first).await?;
        }
        Ok(())
    }

    /// Writes out the chunks that are whole, or, at the end, all that is left.
    async fn append_sealed(&mut self, mut share: Option<Share>, last: bool) -> Result<(), S3Error> {
        while let Some(sealer) = &mut self.sealer {
            let (n, offset) = (self.written / self.object_bytes, self.written % self.object_bytes);
            let room = (self.object_bytes - offset).min(SEALED_PIECE_BYTES);
            let ready = usize::try_from(room).unwrap_or(usize::MAX).min(sealer.rest.len());
            // Chunks end where their data object does, or where all does.
            let whole = last || ready as u64 == self.object_bytes - offset;
            let ready = if whole { ready } else { ready - ready % CHUNK_BYTES as usize };
            if ready == 0 {
                break;
            }
            let clear = sealer.rest.split_to(ready);
            let mut sealed = Vec::with_capacity(ready + (ready / CHUNK_BYTES as usize + 1) * TAG_BYTES);
            sealer.key.seal_span(n, offset, &clear, &mut sealed);
            let keep = if sealer.rest.len() < CHUNK_BYTES as usize { share.take() } else { None };
            let first = self.written == 0;
            self.written += ready as u64;
            self.write_piece((n, sealed_offset(offset)), sealed.into(), keep, first).await?;
        }
        Ok(())
    }

    /// Begins to write a piece of data object `n`, and waits while too much is under way.
    pub(super) async fn write_piece(
        &mut self,
        (n, offset): (u64, u64),
        piece: Bytes,
        keep: Option<Share>,
        first: bool,
    ) -> Result<(), S3Error> {
        let run = self.run();
        let mut ops = Vec::with_capacity(2);
        if first {
            ops.push(Op::SetXattr { name: OWNER_XATTR.into(), value: self.owner.clone() });
        }
        ops.push(Op::Write { offset, data: piece });
        let (inner, pool) = (self.storage.inner.clone(), self.pool.clone());
        self.in_flight.push_back(tokio::spawn(async move {
            let done = inner.rados.operate(&pool, names::data(run.tag, n), ops).await;
            drop(keep);
            if matches!(&done, Err(e) if e.code == Errno::ENOSPC) {
                inner.pace.space_is_short();
            }
            done.map(|_| ())
        }));
        // The first object must be there before any other, for it says whose they are.
        self.wait(if first { 0 } else { IN_FLIGHT_MAX - 1 }).await
    }

    /// Waits until at most so many writes are under way.
    pub(super) async fn wait(&mut self, most: usize) -> Result<(), S3Error> {
        while self.in_flight.len() > most {
            let Some(oldest) = self.in_flight.front_mut() else { break };
            let done = oldest.await;
            self.in_flight.pop_front();
            done.map_err(|e| S3Error::internal(format!("a data write was cut off: {e}")))??;
        }
        Ok(())
    }

    /// The row that names this run is committed: it is not ours to free any more.
    pub(crate) fn committed(mut self) {
        drop(self.lease.take());
    }

    /// Nobody knows whether the row was committed. Asks the index, as often as it takes, and frees the run
    /// if it was not and now cannot be. In a task of its own.
    pub(crate) fn resolve(self, owner: Owner) {
        self.ask(owner, false);
    }

    /// The row was refused. Frees the run unless an earlier sending of the same was carried out after all: an OSD
    /// remembers requests only for so long. In a task of its own.
    pub(crate) fn refused(self, owner: Owner) {
        self.ask(owner, true);
    }

    fn ask(mut self, owner: Owner, answered: bool) {
        let Some(lease) = self.lease.take() else { return };
        let (storage, run) = (self.storage.clone(), Run::new(lease.tag(), self.written, self.object_bytes));
        spawn_if_running(async move {
            let in_use = match answered {
                true => storage.refused_but_in_use(&owner, run.tag).await,
                false => storage.disown_until_sure(&owner, run.tag).await,
            };
            if !in_use {
                storage.free_run_until_done(&run).await;
            }
            drop(lease);
        });
    }
}

impl<R: Rados> Drop for RunWriter<R> {
    fn drop(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let run = Run::new(lease.tag(), self.written, self.object_bytes);
        let in_flight = std::mem::take(&mut self.in_flight);
        let storage = self.storage.clone();
        spawn_if_running(async move {
            for write in in_flight {
                // Whatever came of it: the object is deleted next.
                let _ = write.await;
            }
            storage.free_run_until_done(&run).await;
            drop(lease);
        });
    }
}

/// Where the runtime is gone already, the process ends, and its leftovers are the sweeper's.
fn spawn_if_running(task: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(task);
    }
}

impl<R: Rados> Storage<R> {
    /// Takes a body in, to its verified end.
    pub(crate) async fn collect<B: Body>(
        &self,
        owner: &Owner,
        body: &mut B,
        inline_max: usize,
        (class, seal): (&str, Option<&Seal>),
    ) -> Result<(Collected<R>, BodySummary), S3Error> {
        let config = &self.inner.config;
        let budget = &self.inner.budget;
        let mut intake =
            Intake { storage: self, owner, buffer: BytesMut::new(), share: None, writer: None, seal, class };
        let mut taken = 0u64;
        loop {
            let hint = body.length_hint();
            let next = intake.wait_for(body.next()).await?;
            let Some(mut chunk) = next else { break };
            while !chunk.is_empty() {
                let piece = budget.upload_piece(config.piece_bytes).max(inline_max + 1);
                let room = piece.saturating_sub(intake.buffer.len()).max(1);
                let part = chunk.split_to(chunk.len().min(room));
                intake.make_room(part.len()).await?;
                if intake.buffer.capacity() == 0 {
                    // Untouched memory costs nothing; growing by doubling would copy everything twice.
                    let left = hint.map_or(piece as u64, |n| n.saturating_sub(taken));
                    intake.buffer.reserve(part.len().max(left.min(piece as u64) as usize));
                }
                taken += part.len() as u64;
                intake.buffer.extend_from_slice(&part);
                if intake.buffer.len() >= piece {
                    intake.flush().await?;
                }
            }
        }
        if intake.writer.is_some() || intake.buffer.len() > inline_max {
            intake.flush().await?;
        }
        if let Some(writer) = &mut intake.writer {
            writer.append_sealed(None, true).await?;
        }
        let Intake { buffer, writer, share, .. } = intake;
        let summary = body.finish().await?;
        let stored = writer.as_ref().map_or(buffer.len() as u64, |w| w.written);
        if summary.length != stored {
            let told = summary.length;
            return Err(S3Error::internal(format!("a body of {told} bytes delivered {stored}")));
        }
        Ok(match writer {
            Some(mut w) => {
                w.wait(0).await?;
                (Collected::Run(w), summary)
            }
            None => {
                drop(share);
                (Collected::Inline(buffer.freeze()), summary)
            }
        })
    }
}

/// A body on its way in: what is buffered, with its share of the budget, and the run it goes to.
struct Intake<'a, R: Rados> {
    storage: &'a Storage<R>,
    owner: &'a Owner,
    buffer: BytesMut,
    share: Option<Share>,
    writer: Option<RunWriter<R>>,
    seal: Option<&'a Seal>,
    class: &'a str,
}

impl<R: Rados> Intake<'_, R> {
    /// Waits for the client. While memory is short, one that takes its time does not keep a buffer.
    async fn wait_for<T>(&mut self, next: impl Future<Output = Result<T, S3Error>>) -> Result<T, S3Error> {
        let mut next = pin!(next);
        loop {
            if self.buffer.is_empty() {
                return next.await;
            }
            match tokio::time::timeout(PATIENCE, &mut next).await {
                Ok(done) => return done,
                Err(_) if self.storage.inner.budget.is_short() => self.flush().await?,
                Err(_) => {}
            }
        }
    }

    /// Gets a share for `more` bytes behind those that are buffered.
    async fn make_room(&mut self, more: usize) -> Result<(), S3Error> {
        let budget = &self.storage.inner.budget;
        let len = self.buffer.len();
        let share = match budget.try_grow(len, len + more) {
            Some(share) => share,
            None => {
                // Too much is under way all over: write ours out, then stand in line empty-handed.
                self.flush().await?;
                if let Some(writer) = &mut self.writer {
                    writer.wait(0).await?;
                }
                budget.take(more).await
            }
        };
        match &mut self.share {
            Some(held) => held.merge(share),
            None => self.share = Some(share),
        }
        Ok(())
    }

    /// Hands what is buffered to the run.
    async fn flush(&mut self) -> Result<(), S3Error> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let slot = self.storage.slot_of_class(self.class).await?;
                let object_bytes = self.storage.inner.config.object_bytes;
                let writer = RunWriter::new(self.storage, self.owner, self.seal, slot, object_bytes).await?;
                self.writer.insert(writer)
            }
        };
        writer.append(self.buffer.split().freeze(), self.share.take()).await
    }
}
