//! `Rados` over a map in memory, with faults to order: what front ends are tested against.

mod hold;

pub use hold::Hold;

use crate::rados::{ListCursor, ListPage, OpError, Rados, Reply};
use osd_class::Registry;
use osd_class::memory::{apply_op_in, trim_all};
use osd_class::snapped::Snapped;
use osd_object::model::Model;
use osd_object::{ObjectId, ObjectName, Op, SnapContext, SnapId};
use placement_map::{PoolId, PoolSnaps};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use stdx::Errno;
use stdx::time::WallTime;

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It is refused with this code and does not happen.
    Refuse(Errno),
    /// It happens, but its caller gets this code instead of the answer (say `ETIMEDOUT`).
    LoseReply(Errno),
}

/// A cluster in memory. Clones share it.
#[derive(Clone)]
pub struct MemoryRados {
    shared: Arc<Mutex<State>>,
}

struct State {
    registry: Registry,
    pools: BTreeMap<String, PoolId>,
    model: Model,
    seq: u64,
    /// By pool.
    snaps: BTreeMap<PoolId, PoolSnaps>,
    /// None: the system's clock.
    clock: Option<WallTime>,
    /// Operations so far, listings not counted.
    operations: u64,
    faults: Vec<Planned>,
    holds: Vec<hold::Planned>,
}

struct Planned {
    from: u64,
    until: u64,
    fault: Fault,
}

impl MemoryRados {
    /// An empty cluster with these pools and the standard object classes.
    pub fn new(pools: &[&str]) -> MemoryRados {
        MemoryRados::with_registry(pools, Registry::standard())
    }

    /// An empty cluster with these pools and object classes.
    pub fn with_registry(pools: &[&str], registry: Registry) -> MemoryRados {
        let pools = pools.iter().zip(1..).map(|(name, id)| (name.to_string(), PoolId(id))).collect();
        let state = State {
            registry,
            pools,
            model: Model::new(),
            seq: 0,
            snaps: BTreeMap::new(),
            clock: None,
            operations: 0,
            faults: Vec::new(),
            holds: Vec::new(),
        };
        MemoryRados { shared: Arc::new(Mutex::new(state)) }
    }

    /// Plans a fault: after `skip` more operations, the next `count` meet it (`u64::MAX`: all of them, as if
    /// the caller had been killed there). Faults planned earlier win.
    pub fn inject(&self, skip: u64, count: u64, fault: Fault) {
        let mut s = self.lock();
        let from = s.operations.saturating_add(skip);
        let until = from.saturating_add(count);
        s.faults.push(Planned { from, until, fault });
    }
    /// Forgets all planned faults.
    pub fn heal(&self) {
        self.lock().faults.clear();
    }
    /// How many operations were asked for so far, refused ones included, listings not.
    pub fn operations(&self) -> u64 {
        self.lock().operations
    }
    /// Stops the clock at `now`; it then moves only by another call.
    pub fn set_now(&self, now: WallTime) {
        self.lock().clock = Some(now);
    }
    /// A copy of everything stored, for assertions and for comparing states.
    pub fn snapshot(&self) -> Model {
        self.lock().model.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked in between has failed already; its neighbours may still look.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn now(&self) -> WallTime {
        self.clock.unwrap_or_else(|| {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            WallTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
        })
    }

    /// Counts an operation. What goes wrong with it.
    fn fault(&mut self) -> Option<Fault> {
        let n = self.operations;
        self.operations += 1;
        self.faults.iter().find(|f| (f.from..f.until).contains(&n)).map(|f| f.fault)
    }

    fn operate(
        &mut self,
        pool: &str,
        name: ObjectName,
        snap: SnapId,
        ops: &[Op],
        snaps: &SnapContext,
    ) -> Result<Reply, OpError> {
        let id = *self.pools.get(pool).ok_or_else(|| OpError::no_pool(pool))?;
        let fault = self.fault();
        if let Some(Fault::Refuse(code)) = fault {
            return Err(injected(code));
        }
        let mtime = self.now();
        let object = ObjectId { snap, ..ObjectId::head(id, hash_of(&name), name) };
        let pool_snaps = self.snaps.entry(id).or_default();
        if snaps.seq > pool_snaps.seq {
            return Err(OpError::new(Errno::EINVAL).with_context("a snapshot that was never made"));
        }
        let refused = |code| Err(OpError { step: Some(0), ..OpError::new(code) });
        if ops.iter().any(|op| matches!(op, Op::AssertSnapsKnown)) && snaps.seq < pool_snaps.seq {
            return refused(Errno::EOLDSNAPC);
        }
        let gone = |snap: &SnapId| pool_snaps.removed.contains(snap.0);
        if gone(&snap) || ops.iter().any(|op| matches!(op, Op::Rollback { snap } if gone(snap))) {
            return refused(Errno::ESTALE);
        }
        let live = snaps.snaps.iter().copied().filter(|snap| pool_snaps.is_live(snap.0)).collect();
        let context = SnapContext { seq: snaps.seq, snaps: live };
        let at = (&mut self.seq, &context);
        let (version, outcome) = apply_op_in(&mut self.model, &object, ops, mtime, &self.registry, at);
        if let Some(Fault::LoseReply(code)) = fault {
            return Err(injected(code));
        }
        match outcome {
            Ok(results) => Ok(Reply { version, results }),
            Err(failure) => Err(OpError::of_step(failure, pool, &object.name)),
        }
    }

    fn list(&self, pool: &str, after: Option<ListCursor>, max: u32) -> Result<ListPage, OpError> {
        let id = *self.pools.get(pool).ok_or_else(|| OpError::no_pool(pool))?;
        let from = match &after {
            Some(ListCursor(o)) if o.pool != id => {
                return Err(OpError::new(Errno::EINVAL).with_context("a cursor of another pool"));
            }
            Some(ListCursor(o)) => o.clone(),
            // Nothing sorts below the empty names at position zero.
            None => ObjectId { pool: id, hash: 0, name: ObjectName::default(), snap: SnapId(0) },
        };
        let mut live = self
            .model
            .objects
            .range(from..)
            .map(|(o, _)| o)
            .take_while(|o| o.pool == id)
            .filter(|o| !Snapped::of(&self.model, o).is_ok_and(|snapped| snapped.whiteout))
            .filter(|o| o.snap == SnapId::HEAD && after.as_ref().is_none_or(|ListCursor(a)| *o > a));
        let max = max.max(1) as usize;
        let page: Vec<ObjectId> = live.by_ref().take(max).cloned().collect();
        let next = match live.next() {
            Some(_) => page.last().cloned().map(ListCursor),
            None => None,
        };
        Ok(ListPage { objects: page.into_iter().map(|o| o.name).collect(), next })
    }
}

fn injected(code: Errno) -> OpError {
    OpError::new(code).with_context("injected fault")
}

/// The fake's own placement hash: spread enough that listings come back in no useful order, as in life.
fn hash_of(name: &ObjectName) -> u32 {
    stdx::checksum::crc32c_of([name.namespace.as_bytes(), &[0], name.hashed().as_bytes()])
}

impl Rados for MemoryRados {
    async fn operate(&self, pool: &str, object: ObjectName, ops: Vec<Op>) -> Result<Reply, OpError> {
        self.arrive(&object.name).await;
        self.lock().operate(pool, object, SnapId::HEAD, &ops, &SnapContext::default())
    }

    async fn operate_under(
        &self,
        pool: &str,
        object: ObjectName,
        ops: Vec<Op>,
        snaps: SnapContext,
    ) -> Result<Reply, OpError> {
        self.arrive(&object.name).await;
        self.lock().operate(pool, object, SnapId::HEAD, &ops, &snaps)
    }

    async fn read_at(
        &self,
        pool: &str,
        object: ObjectName,
        snap: SnapId,
        ops: Vec<Op>,
    ) -> Result<Reply, OpError> {
        tokio::task::yield_now().await;
        self.lock().operate(pool, object, snap, &ops, &SnapContext::default())
    }

    async fn snap_create(&self, pool: &str) -> Result<SnapId, OpError> {
        let mut s = self.lock();
        let id = *s.pools.get(pool).ok_or_else(|| OpError::no_pool(pool))?;
        let snaps = s.snaps.entry(id).or_default();
        snaps.seq += 1;
        Ok(SnapId(snaps.seq))
    }

    async fn snap_seq(&self, pool: &str, _: Option<u64>) -> Result<u64, OpError> {
        let s = self.lock();
        let id = *s.pools.get(pool).ok_or_else(|| OpError::no_pool(pool))?;
        Ok(s.snaps.get(&id).map_or(0, |snaps| snaps.seq))
    }

    async fn snap_settle(&self, _: &str) -> Result<(), OpError> {
        tokio::task::yield_now().await;
        match self.lock().fault() {
            Some(Fault::Refuse(code) | Fault::LoseReply(code)) => Err(injected(code)),
            None => Ok(()),
        }
    }

    async fn snap_remove(&self, pool: &str, snap: SnapId) -> Result<(), OpError> {
        let mut s = self.lock();
        let s = &mut *s;
        let id = *s.pools.get(pool).ok_or_else(|| OpError::no_pool(pool))?;
        let snaps = s.snaps.entry(id).or_default();
        if !(1..=snaps.seq).contains(&snap.0) {
            return Err(OpError::new(Errno::ENOENT).with_context("a snapshot that was never made"));
        }
        snaps.removed.insert(snap.0);
        let removed = snaps.removed.clone();
        // Numbers of another pool may be the same, and its objects know nothing of them.
        let mut others = std::mem::take(&mut s.model.objects);
        let mine = others.extract_if(.., |o, _| o.pool == id).collect();
        s.model.objects = mine;
        trim_all(&mut s.model, |snap| removed.contains(snap.0), &mut s.seq);
        s.model.objects.append(&mut others);
        Ok(())
    }

    async fn list(&self, pool: &str, after: Option<ListCursor>, max: u32) -> Result<ListPage, OpError> {
        tokio::task::yield_now().await;
        self.lock().list(pool, after, max)
    }

    fn now(&self) -> WallTime {
        self.lock().now()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use osd_object::OpResult;
    use std::collections::BTreeSet;

    fn write(data: &'static [u8]) -> Vec<Op> {
        vec![Op::WriteFull { data: Bytes::from_static(data) }]
    }

    #[tokio::test]
    async fn what_is_written_is_read_and_what_is_missing_is_enoent() {
        let r = MemoryRados::new(&["data"]);
        let o = || ObjectName::new("a");
        let first = r.operate("data", o(), write(b"hello")).await.unwrap();
        let second = r.operate("data", o(), write(b"hello again")).await.unwrap();
        assert!(second.version > first.version);
        assert_eq!(r.read("data", o(), 6, 0).await.unwrap(), "again");
        assert_eq!(r.read("data", ObjectName::new("b"), 0, 0).await.unwrap_err().code, Errno::ENOENT);
        let e = r.read("nowhere", o(), 0, 0).await.unwrap_err();
        assert_eq!((e.code, e.step), (Errno::ENOENT, None));
        let guard = vec![Op::AssertVersion { seq: first.version.seq }, Op::Delete];
        assert_eq!(r.operate("data", o(), guard).await.unwrap_err().code, Errno::ERANGE);
        let stat = r.operate("data", o(), vec![Op::Stat]).await.unwrap();
        assert!(
            matches!(&stat.results[..], [OpResult::Meta(m)] if m.size == 11 && m.version == second.version)
        );
    }

    #[tokio::test]
    async fn planned_faults_come_when_they_were_planned() {
        let r = MemoryRados::new(&["data"]);
        r.inject(1, 1, Fault::Refuse(Errno::EIO));
        r.inject(2, u64::MAX, Fault::LoseReply(Errno::ETIMEDOUT));
        let mut codes = Vec::new();
        for name in ["a", "b", "c", "d"] {
            codes.push(r.operate("data", ObjectName::new(name), write(b"x")).await.err().map(|e| e.code));
        }
        assert_eq!(codes, [None, Some(Errno::EIO), Some(Errno::ETIMEDOUT), Some(Errno::ETIMEDOUT)]);
        r.heal();
        let names: BTreeSet<String> =
            r.list("data", None, 100).await.unwrap().objects.into_iter().map(|o| o.name).collect();
        assert_eq!(names, ["a", "c", "d"].map(String::from).into(), "refused: absent; reply lost: there");
        assert_eq!(r.operations(), 4);
    }

    #[tokio::test]
    async fn pages_of_any_size_cover_a_pool_once() {
        let r = MemoryRados::new(&["data", "other"]);
        let all: BTreeSet<String> = (0..50).map(|i| format!("o{i}")).collect();
        for name in &all {
            r.operate("data", ObjectName::new(name), write(b"x")).await.unwrap();
            r.operate("other", ObjectName::new(name), write(b"x")).await.unwrap();
        }
        for max in [1, 7, 50, 51] {
            let (mut seen, mut at) = (Vec::new(), None);
            loop {
                let page = r.list("data", at, max).await.unwrap();
                assert!(page.objects.len() <= max as usize);
                seen.extend(page.objects.into_iter().map(|o| o.name));
                at = page.next;
                if at.is_none() {
                    break;
                }
            }
            assert_eq!(seen.len(), 50);
            assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), all);
        }
    }
}
