//! What a front end may ask of storage, and what it gets: the trait `Rados`, its answers and its error.

use bytes::Bytes;
use osd_object::op::OpFailure;
use osd_object::{ObjectId, ObjectName, Op, OpResult, SnapContext, SnapId, Version};
use std::fmt;
use std::future::Future;
use stdx::Errno;
use stdx::time::WallTime;

/// Objects by pool name. Cloning is cheap; every method may be called from many tasks at once.
///
/// Two operations on the same object that one handle issues one after the other (the second call made after
/// the first one's future was polled once) take effect in that order. Across objects there is no order.
pub trait Rados: Clone + Send + Sync + 'static {
    /// Carries out `ops` on one object, all or nothing, stamped with `now()`. When this returns, what it
    /// changed is durable on every in-sync member.
    ///
    /// Errors: the code of the failing step (`ENOENT`, `ECANCELED`, a class method's own, ...); `ENOENT` with
    /// no step when there is no such pool; `ETIMEDOUT` only from a handle that was made with a deadline, and
    /// then the operation may or may not have happened, or may happen yet. Dropping the future gives up
    /// waiting, not the operation.
    fn operate(
        &self,
        pool: &str,
        object: ObjectName,
        ops: Vec<Op>,
    ) -> impl Future<Output = Result<Reply, OpError>> + Send;

    /// As `operate`, under a snapshot context: what its snapshots have to keep is kept before the object changes. The
    /// context names every snapshot that was made before this call and still counts, newest first.
    fn operate_under(
        &self,
        pool: &str,
        object: ObjectName,
        ops: Vec<Op>,
        snaps: SnapContext,
    ) -> impl Future<Output = Result<Reply, OpError>> + Send {
        let _ = (pool, object, ops, snaps);
        async { Err(no_snapshots()) }
    }

    /// Reads one object as it was at a snapshot: `ENOENT` if it was not there then, or if the snapshot is gone.
    fn read_at(
        &self,
        pool: &str,
        object: ObjectName,
        snap: SnapId,
        ops: Vec<Op>,
    ) -> impl Future<Output = Result<Reply, OpError>> + Send {
        let _ = (pool, object, snap, ops);
        async { Err(no_snapshots()) }
    }

    /// The id of a new snapshot of a pool, for contexts from now on. Given out once and for ever.
    fn snap_create(&self, pool: &str) -> impl Future<Output = Result<SnapId, OpError>> + Send {
        let _ = pool;
        async { Err(no_snapshots()) }
    }

    /// The newest snapshot id of a pool that is known here. If that is no newer than `known`, waits a moment for news.
    fn snap_seq(&self, pool: &str, known: Option<u64>) -> impl Future<Output = Result<u64, OpError>> + Send {
        let _ = (pool, known);
        async { Ok(0) }
    }

    /// Waits until every PG of a pool knows of all snapshots that are known here, and so refuses writers that do not
    /// (`Op::AssertSnapsKnown`), however late their writes come.
    fn snap_settle(&self, pool: &str) -> impl Future<Output = Result<(), OpError>> + Send {
        let _ = pool;
        async { Err(no_snapshots()) }
    }

    /// A snapshot is gone: what objects keep for it is let go of after a while. Harmless if it is gone already.
    fn snap_remove(&self, pool: &str, snap: SnapId) -> impl Future<Output = Result<(), OpError>> + Send {
        let _ = (pool, snap);
        async { Err(no_snapshots()) }
    }

    /// A page of the pool's live objects of all namespaces, in hobject order (by bit-reversed hash, not by
    /// name), starting after `after`. A page shorter than `max` says nothing; `next` being none does.
    /// What is created or deleted meanwhile may or may not show.
    fn list(
        &self,
        pool: &str,
        after: Option<ListCursor>,
        max: u32,
    ) -> impl Future<Output = Result<ListPage, OpError>> + Send;

    /// The time of day that front ends stamp on what they write. Never used for safety.
    fn now(&self) -> WallTime;

    /// Reads a range of an object's data, cut at its end; `len` 0 reads to the end. `ENOENT` if absent.
    fn read(
        &self,
        pool: &str,
        object: ObjectName,
        offset: u64,
        len: u64,
    ) -> impl Future<Output = Result<Bytes, OpError>> + Send {
        async move { self.operate(pool, object, vec![Op::Read { offset, len }]).await?.data(0) }
    }

    /// Runs one method of an object class and returns its output.
    fn call(
        &self,
        pool: &str,
        object: ObjectName,
        class: &str,
        method: &str,
        input: Bytes,
    ) -> impl Future<Output = Result<Bytes, OpError>> + Send {
        let op = Op::Call { class: class.to_string(), method: method.to_string(), input };
        async move { self.operate(pool, object, vec![op]).await?.data(0) }
    }
}

fn no_snapshots() -> OpError {
    OpError::new(Errno::EOPNOTSUPP).with_context("this storage keeps no snapshots")
}

/// The answer to a compound operation that took place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The object's version after it; of a pure read, the version that was read.
    pub version: Version,
    /// One result per step, in order.
    pub results: Vec<OpResult>,
}

impl Reply {
    /// The bytes that step `step` gave (`Read`, `GetXattr`, `Call`); empty from a step that gives none.
    /// `EIO` if the answer has another shape than the operation, which only a broken OSD sends.
    pub fn data(mut self, step: usize) -> Result<Bytes, OpError> {
        match self.results.get_mut(step) {
            Some(OpResult::Data(d)) => Ok(std::mem::take(d)),
            Some(OpResult::Done) => Ok(Bytes::new()),
            _ => Err(OpError::new(Errno::EIO).with_context("the OSD's answer has the wrong shape")),
        }
    }
}

/// Why an operation failed.
#[derive(Clone, PartialEq, Eq)]
pub struct OpError {
    /// The code.
    pub code: Errno,
    /// Which step of the operation failed; none if it failed as a whole (no such pool, gave up waiting).
    pub step: Option<u32>,
    /// What a class method says besides (a redirect, say); else empty. Not for people.
    pub detail: Bytes,
    /// What it was about, for a person: pool and object, or why the whole failed.
    pub context: String,
}

impl OpError {
    /// A failure as a whole, with nothing more to say.
    pub fn new(code: Errno) -> OpError {
        OpError { code, step: None, detail: Bytes::new(), context: String::new() }
    }
    /// The same failure, saying what it was about.
    pub fn with_context(mut self, context: impl Into<String>) -> OpError {
        self.context = context.into();
        self
    }
    /// A step's failure as an OSD reports it.
    pub fn of_step(failure: OpFailure, pool: &str, object: &ObjectName) -> OpError {
        let context = match object.namespace.as_str() {
            "" => format!("{pool}/{}", object.name),
            ns => format!("{pool}/{ns}/{}", object.name),
        };
        OpError { code: failure.code, step: Some(failure.step), detail: failure.detail, context }
    }
    /// There is no such pool.
    pub fn no_pool(pool: &str) -> OpError {
        OpError::new(Errno::ENOENT).with_context(format!("there is no pool {pool:?}"))
    }
}

impl fmt::Display for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.context.is_empty() {
            write!(f, "{}: ", self.context)?;
        }
        write!(f, "{}", self.code)?;
        if let Some(step) = self.step {
            write!(f, " at step {step}")?;
        }
        Ok(())
    }
}
impl fmt::Debug for OpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The detail may hold a user's metadata, which has no place in a log.
        write!(f, "OpError({self}, {} bytes of detail)", self.detail.len())
    }
}
impl std::error::Error for OpError {}

/// A place in a pool's listing. Stays valid while objects come and go and PGs split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListCursor(pub(crate) ObjectId);

impl ListCursor {
    /// The cursor as text that can be kept and handed back (hex).
    pub fn to_text(&self) -> String {
        self.0.sort_key().iter().map(|b| format!("{b:02x}")).collect()
    }
    /// Reads back `to_text`; none if it is not such a text.
    pub fn from_text(text: &str) -> Option<ListCursor> {
        if !text.len().is_multiple_of(2) || !text.is_ascii() {
            return None;
        }
        let key: Option<Vec<u8>> =
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).ok()).collect();
        ObjectId::from_sort_key(&key?).map(ListCursor)
    }
}

/// A page of a pool's listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListPage {
    /// Names, in hobject order.
    pub objects: Vec<ObjectName>,
    /// Where the next page starts; none: this was the last.
    pub next: Option<ListCursor>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use placement_map::PoolId;

    #[test]
    fn a_cursor_survives_being_text() {
        let c = ListCursor(ObjectId::head(PoolId(3), 0xdead_beef, ObjectName::new("a\0ü")));
        assert_eq!(ListCursor::from_text(&c.to_text()), Some(c));
        assert_eq!(ListCursor::from_text("zz"), None);
        assert_eq!(ListCursor::from_text("é"), None);
    }

    #[test]
    fn errors_say_what_they_are_about_and_hide_details() {
        let f = OpFailure { code: Errno::ECANCELED, step: 2, detail: Bytes::from_static(b"secret") };
        let e = OpError::of_step(f, "data", &ObjectName::new("x"));
        assert_eq!(e.to_string(), "data/x: a guard of the operation did not hold (ECANCELED) at step 2");
        assert!(!format!("{e:?}").contains("secret"));
    }
}
