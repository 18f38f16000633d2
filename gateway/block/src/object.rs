//! One data object: reading, writing and clearing it under the fence.

use crate::absent::Absent;
use crate::error::BlockError;
use crate::fence::{self, Marked};
use crate::knowledge::Knowledge;
use crate::name;
use crate::tenure::Tenure;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::{AllocHint, ObjectName, Op, OpResult, SnapId, SnapSet};
use std::sync::atomic::{AtomicBool, Ordering};
use stdx::Errno;

/// The data objects of an open image.
pub(crate) struct Objects<R> {
    pub(crate) rados: R,
    /// The pool that they lie in.
    pub(crate) pool: String,
    pub(crate) image: String,
    pub(crate) prefix: String,
    /// The header object, and its pool.
    pub(crate) header: String,
    pub(crate) header_pool: String,
    /// Opened as of this snapshot.
    pub(crate) snap: Option<SnapId>,
    /// What writes say of snapshots.
    pub(crate) knowledge: Knowledge,
    /// None: opened for reading only.
    pub(crate) tenure: Option<Tenure>,
    pub(crate) marked: Marked,
    /// What is known not to be there.
    pub(crate) absent: Absent,
    /// What is known of its data objects beforehand.
    pub(crate) hint: AllocHint,
    /// Something was sent of which we do not know whether it ended.
    pub(crate) loose_ends: AtomicBool,
}

/// Notes a loose end unless it is told that there is none.
struct Watch<'a>(Option<&'a AtomicBool>);
impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(flag) = self.0 {
            flag.store(true, Ordering::Relaxed);
        }
    }
}

impl<R: Rados> Objects<R> {
    fn fenced(&self) -> BlockError {
        BlockError::Fenced { image: self.image.clone() }
    }
    fn writer(&self) -> Result<&Tenure, BlockError> {
        let tenure =
            self.tenure.as_ref().ok_or_else(|| BlockError::ReadOnly { image: self.image.clone() })?;
        if tenure.lost() { Err(self.fenced()) } else { Ok(tenure) }
    }
    async fn send(&self, object: u64, ops: Vec<Op>) -> Result<Vec<OpResult>, OpError> {
        let name = ObjectName::new(name::data(&self.prefix, object));
        let reply = match self.snap {
            Some(snap) => self.rados.read_at(&self.pool, name, snap, ops).await,
            None => self.rados.operate(&self.pool, name, ops).await,
        };
        reply.map(|r| r.results)
    }
    async fn send_under_context(&self, object: u64, mut ops: Vec<Op>) -> Result<(), OpError> {
        ops.push(Op::AssertSnapsKnown);
        loop {
            let context = self.knowledge.context();
            let (known, name) = (context.seq, ObjectName::new(name::data(&self.prefix, object)));
            match self.rados.operate_under(&self.pool, name, ops.clone(), context).await {
                Err(e) if e.code == Errno::EOLDSNAPC => {
                    // Somebody made a snapshot in this pool: of this image?
                    let renewed = self.learn(Some(known)).await;
                    if let Err(error) = renewed {
                        let failed = OpError::new(error.code()).with_context(error.to_string());
                        return Err(OpError { step: Some(0), ..failed });
                    }
                }
                other => return other.map(drop),
            }
        }
    }
    /// Learns what writes have to say of snapshots, if nobody did behind `known`.
    pub(crate) async fn learn(&self, known: Option<u64>) -> Result<(), BlockError> {
        let pools = (&*self.pool, &*self.header_pool);
        self.knowledge.renew(&self.rados, pools, &self.header, known).await
    }
    async fn send_change(&self, object: u64, ops: Vec<Op>) -> Result<(), OpError> {
        // Ends after `watch`: who does not see the change any more sees its loose end.
        let _under_way = self.absent.change(object);
        let mut watch = Watch(Some(&self.loose_ends));
        let sent = self.send_under_context(object, ops).await;
        // A failure that names its step was decided by the OSD; any other leaves open what became of it.
        if !matches!(&sent, Err(e) if e.step.is_none()) {
            watch.0 = None;
        }
        sent
    }

    /// Changes an object under our mark. Failures of `ops` come back as the OSD put them.
    async fn change(&self, object: u64, ops: &[Op]) -> Result<Result<(), OpError>, BlockError> {
        let generation = self.writer()?.generation();
        let guarded = |guard: Op, mark: Option<Op>| {
            std::iter::once(guard).chain(ops.iter().cloned()).chain(mark).collect::<Vec<Op>>()
        };
        let refused =
            |r: &Result<(), OpError>| matches!(r, Err(e) if (e.code, e.step) == (Errno::ECANCELED, Some(0)));
        if self.marked.holds(object) {
            let done = self.send_change(object, guarded(fence::ours(generation), None)).await;
            if !refused(&done) {
                return Ok(done);
            }
            // Either somebody newer was here, or we removed the object ourselves: the next says which.
        }
        let done = self
            .send_change(object, guarded(fence::not_newer(generation), Some(fence::mark(generation))))
            .await;
        if refused(&done) {
            if let Some(tenure) = &self.tenure {
                tenure.lose();
            }
            return Err(self.fenced());
        }
        self.marked.set(object, done.is_ok());
        Ok(done)
    }

    /// Writes into an object.
    pub(crate) async fn write(&self, object: u64, offset: u64, data: Bytes) -> Result<(), BlockError> {
        let write = Op::Write { offset, data };
        if self.marked.holds(object) {
            return Ok(self.change(object, &[write]).await??);
        }
        // It may not be there yet.
        Ok(self.change(object, &[Op::SetAllocHint { hint: self.hint }, write]).await??)
    }

    /// The same if it exists; false: it does not.
    pub(crate) async fn write_existing(
        &self,
        object: u64,
        offset: u64,
        data: Bytes,
    ) -> Result<bool, BlockError> {
        let ops = [Op::AssertExists, Op::Write { offset, data }];
        Ok(was_there(self.change(object, &ops).await?)?)
    }

    /// Makes an object with these bytes, unless there is one.
    pub(crate) async fn make(&self, object: u64, data: Bytes) -> Result<(), BlockError> {
        // The hint makes it; so not `Create`, which would find it there.
        let mut ops = vec![Op::AssertVersion { seq: 0 }, Op::SetAllocHint { hint: self.hint }];
        if !data.is_empty() {
            ops.push(Op::Write { offset: 0, data });
        }
        match self.change(object, &ops).await? {
            Err(e) if e.code == Errno::ERANGE => Ok(()),
            other => Ok(other?),
        }
    }

    /// The object exists and is empty.
    pub(crate) async fn empty(&self, object: u64) -> Result<(), BlockError> {
        Ok(self.change(object, &[Op::Truncate { size: 0 }]).await??)
    }

    /// The object exists, and its beginning reads as zeros.
    pub(crate) async fn write_zero(&self, object: u64, len: u64) -> Result<(), BlockError> {
        let ops = [Op::Create { exclusive: false }, Op::Zero { offset: 0, len }];
        Ok(self.change(object, &ops).await??)
    }

    /// Clears a part of an object if it exists; false: it does not.
    pub(crate) async fn clear_existing(
        &self,
        object: u64,
        offset: u64,
        len: u64,
        to_end: bool,
    ) -> Result<bool, BlockError> {
        let clear = match to_end {
            true => Op::Truncate { size: offset },
            false => Op::Zero { offset, len },
        };
        Ok(was_there(self.change(object, &[Op::AssertExists, clear]).await?)?)
    }

    /// The object becomes what it was at a snapshot, absent if it was.
    pub(crate) async fn roll_back(&self, object: u64, snap: SnapId) -> Result<(), BlockError> {
        let generation = self.writer()?.generation();
        // Its mark becomes what it was too; where nobody's late writes can follow, that is as good as none.
        let mark = self.haunted().then(|| fence::mark(generation));
        let ops = [fence::not_newer(generation), Op::Rollback { snap }].into_iter().chain(mark).collect();
        let done = self.send_change(object, ops).await;
        self.marked.set(object, false);
        match done {
            Err(e) if (e.code, e.step) == (Errno::ECANCELED, Some(0)) => {
                if let Some(tenure) = &self.tenure {
                    tenure.lose();
                }
                Err(self.fenced())
            }
            done => Ok(done?),
        }
    }

    /// The object's clones, and the bytes of the live one (none: it is absent), also of an image opened at a snapshot.
    pub(crate) async fn clones(&self, object: u64) -> Result<(SnapSet, Option<u64>), BlockError> {
        let seen = match self.snap {
            None => self.look(object, Op::ListSnaps).await?,
            Some(_) => {
                let name = ObjectName::new(name::data(&self.prefix, object));
                let reply = self.rados.operate(&self.pool, name, vec![Op::ListSnaps]).await;
                absent_is_none(reply.map(|r| r.results))?
            }
        };
        match seen {
            None => Ok((SnapSet::default(), None)),
            Some(OpResult::Snaps(snaps)) => Ok((snaps.set, snaps.head_bytes)),
            Some(_) => Err(self.senseless(object)),
        }
    }

    /// Bytes up to the object's end, and bytes that only snapshots still have.
    pub(crate) async fn kept(&self, object: u64) -> Result<(u64, u64), BlockError> {
        match self.look(object, Op::ListSnaps).await? {
            None => Ok((0, 0)),
            Some(OpResult::Snaps(snaps)) => {
                let clones = snaps.set.clones.iter();
                let kept = clones.map(|clone| clone.size.saturating_sub(clone.overlap.bytes())).sum();
                Ok((snaps.head_bytes.unwrap_or(0), kept))
            }
            Some(_) => Err(self.senseless(object)),
        }
    }

    /// Whether late writes of an earlier holder are possible, so that what is absent must be marked too.
    pub(crate) fn haunted(&self) -> bool {
        self.tenure.as_ref().is_some_and(|t| t.unclean > 0)
    }

    /// A range of an object reads as zeros, and takes no space as far as it consists of whole units.
    pub(crate) async fn clear(
        &self,
        object: u64,
        offset: u64,
        len: u64,
        to_end: bool,
    ) -> Result<(), BlockError> {
        if offset == 0 && to_end {
            return self.clear_all(object).await;
        }
        let clear = match to_end {
            true => Op::Truncate { size: offset },
            false => Op::Zero { offset, len },
        };
        let ops = match self.haunted() {
            true => vec![clear],
            // Without this the change would make an object where there is none.
            false => vec![Op::AssertExists, clear],
        };
        Ok(absent_is_fine(self.change(object, &ops).await?)?)
    }

    async fn clear_all(&self, object: u64) -> Result<(), BlockError> {
        if self.haunted() {
            // What is removed loses its mark, and an old holder's write could bring its bytes back.
            return Ok(self.change(object, &[Op::Truncate { size: 0 }]).await??);
        }
        self.remove(object).await
    }

    /// The object is gone.
    pub(crate) async fn remove(&self, object: u64) -> Result<(), BlockError> {
        let generation = self.writer()?.generation();
        let done = self.send_change(object, vec![fence::not_newer(generation), Op::Delete]).await;
        self.marked.set(object, false);
        match done {
            Err(e) if (e.code, e.step) == (Errno::ECANCELED, Some(0)) => {
                if let Some(tenure) = &self.tenure {
                    tenure.lose();
                }
                Err(self.fenced())
            }
            done => Ok(absent_is_fine(done)?),
        }
    }

    /// The first `len` bytes of an object stay; the rest is gone.
    pub(crate) async fn cut(&self, object: u64, len: u64) -> Result<(), BlockError> {
        Ok(absent_is_fine(self.change(object, &[Op::AssertExists, Op::Truncate { size: len }]).await?)?)
    }

    /// The same; what is not there is made, for the mark that it carries.
    pub(crate) async fn cut_marked(&self, object: u64, len: u64) -> Result<(), BlockError> {
        Ok(self.change(object, &[Op::Truncate { size: len }]).await??)
    }

    /// Whether an object exists at this moment, whoever made it.
    pub(crate) async fn is_there(&self, object: u64) -> Result<bool, BlockError> {
        Ok(absent_is_none(self.send(object, vec![Op::Stat]).await)?.is_some())
    }

    /// One reading step, once no late write of an earlier holder can follow it. None: the object is absent.
    async fn look(&self, object: u64, op: Op) -> Result<Option<OpResult>, BlockError> {
        let Some(tenure) = &self.tenure else {
            return Ok(absent_is_none(self.send(object, vec![op]).await)?);
        };
        let seen = match tenure.unclean {
            0 => self.send(object, vec![op]).await,
            unclean => match self.send(object, vec![fence::past(unclean), op.clone()]).await {
                Err(e) if (e.code, e.step) == (Errno::ECANCELED, Some(0)) => {
                    self.change(object, &[Op::Create { exclusive: false }]).await??;
                    self.send(object, vec![op]).await
                }
                other => other,
            },
        };
        let seen = absent_is_none(seen)?;
        // Only now is it certain that nobody newer had written before we looked.
        if tenure.certain().await { Ok(seen) } else { Err(self.fenced()) }
    }

    /// The same, without asking again about what is known to be absent.
    async fn look_once(&self, object: u64, op: Op) -> Result<Option<OpResult>, BlockError> {
        let look = match self.absent.holds(object) {
            Ok(()) => {
                return match &self.tenure {
                    Some(tenure) if !tenure.certain().await => Err(self.fenced()),
                    _ => Ok(None),
                };
            }
            Err(look) => look,
        };
        let seen = self.look(object, op).await?;
        // A change of which we do not know whether it ended may still make it.
        if seen.is_none() && !self.loose_ends.load(Ordering::Relaxed) {
            self.absent.found(object, look);
        }
        Ok(seen)
    }

    /// Bytes of a range, cut at the object's end; none if the object is absent.
    pub(crate) async fn read(&self, object: u64, offset: u64, len: u64) -> Result<Option<Bytes>, BlockError> {
        match self.look_once(object, Op::Read { offset, len }).await? {
            None => Ok(None),
            Some(OpResult::Data(data)) if data.len() as u64 <= len => Ok(Some(data)),
            Some(_) => Err(self.senseless(object)),
        }
    }

    /// Bytes up to the object's end; none if it is absent.
    pub(crate) async fn extent(&self, object: u64) -> Result<Option<u64>, BlockError> {
        match self.look_once(object, Op::Stat).await? {
            None => Ok(None),
            Some(OpResult::Meta(meta)) => Ok(Some(meta.size)),
            Some(_) => Err(self.senseless(object)),
        }
    }

    fn senseless(&self, object: u64) -> BlockError {
        let error = OpError::new(Errno::EIO).with_context(name::data(&self.prefix, object));
        BlockError::Storage(error)
    }
}

fn absent_is_none(r: Result<Vec<OpResult>, OpError>) -> Result<Option<OpResult>, OpError> {
    match r {
        Ok(mut results) => Ok(results.pop()),
        Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(None),
        Err(e) => Err(e),
    }
}

/// False: the object is not there.
fn was_there(r: Result<(), OpError>) -> Result<bool, OpError> {
    match r {
        Ok(()) => Ok(true),
        Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(false),
        Err(e) => Err(e),
    }
}

fn absent_is_fine(r: Result<(), OpError>) -> Result<(), OpError> {
    match r {
        Err(e) if e.code == Errno::ENOENT && e.step.is_some() => Ok(()),
        other => other,
    }
}
