//! Watching objects, and notifying those who do (RADOS' watch/notify).

use crate::client::Client;
use crate::driver::Order;
use crate::rados::OpError;
use bytes::Bytes;
use osd_object::watch::{TIMEOUT_MS, WATCHER_NAME_BYTES_MAX};
use osd_object::{Notified, ObjectName, Op, OpResult, WatchId, Watcher};
use placement_map::{Feature, PoolId};
use std::time::Duration;
use stdx::Errno;
use tokio::sync::mpsc;
use wire_codec::watch::WatchNews;

/// Notifies that wait for a watcher; what comes beyond it misses, as their senders are told.
const NEWS_MAX: usize = 64;

/// A watch. It is kept up in the background, through failovers, until it is dropped or `next` says that it ended.
/// Dropped without `end` it stays with the object until its timeout.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    pool: PoolId,
    object: ObjectName,
    id: WatchId,
    news: mpsc::Receiver<WatchNews>,
}

/// A notify, as a watcher hears it: to be acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Names it in `Watch::ack`.
    pub notify: u64,
    /// The client instance that sent it.
    pub notifier: u64,
    /// What it says.
    pub payload: Bytes,
}

/// A time as operations carry it, brought within what they may carry.
pub fn notify_timeout(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX).clamp(*TIMEOUT_MS.start(), *TIMEOUT_MS.end())
}

impl Client {
    /// Watches an object from here on. Silent for longer than `timeout` (which is brought between 1 s and an hour), the
    /// watch is lost.
    ///
    /// Errors: ENOENT: the object is not there. EBUSY: it has all watchers that it may have. EOPNOTSUPP: the pool is
    /// erasure-coded, or some OSD too old.
    pub async fn watch(&self, pool: PoolId, object: ObjectName, timeout: Duration) -> Result<Watch, OpError> {
        self.all_know_watches()?;
        let timeout_ms = notify_timeout(timeout);
        let id = WatchId { client: self.instance(), cookie: self.next_cookie() };
        let mut name = self.name().to_string();
        name.truncate(name.floor_char_boundary(WATCHER_NAME_BYTES_MAX));
        let op = Op::Watch { watcher: Watcher { id, timeout_ms, name } };
        self.operate(pool, object.clone(), vec![op], crate::Rados::now(self)).await?;
        let (sender, news) = mpsc::channel(NEWS_MAX);
        let watch = gateway_objecter::Watch {
            pool,
            name: object.clone(),
            cookie: id.cookie,
            timeout: Duration::from_millis(u64::from(timeout_ms)),
        };
        self.order(Order::Watch { watch, news: sender }).await?;
        Ok(Watch { client: self.clone(), pool, object, id, news })
    }

    /// Tells all watchers of an object, and waits until each has acknowledged it or `timeout` is over.
    ///
    /// Errors: ENOENT: the object is not there. E2BIG: above `NOTIFY_BYTES_MAX`. EBUSY: too many at once.
    pub async fn notify(
        &self,
        pool: PoolId,
        object: ObjectName,
        payload: Bytes,
        timeout: Duration,
    ) -> Result<Notified, OpError> {
        self.all_know_watches()?;
        let op = Op::Notify { timeout_ms: notify_timeout(timeout), payload };
        let reply = self.operate(pool, object, vec![op], crate::Rados::now(self)).await?;
        match reply.results.into_iter().next() {
            Some(OpResult::Notified(told)) => Ok(*told),
            _ => Err(strange()),
        }
    }

    /// Who watches an object.
    pub async fn list_watchers(&self, pool: PoolId, object: ObjectName) -> Result<Vec<Watcher>, OpError> {
        self.all_know_watches()?;
        let reply = self.operate(pool, object, vec![Op::ListWatchers], crate::Rados::now(self)).await?;
        match reply.results.into_iter().next() {
            Some(OpResult::Watchers(all)) => Ok(all),
            _ => Err(strange()),
        }
    }
}

impl Client {
    /// An older OSD would end the session over an operation that it cannot read, again and again.
    fn all_know_watches(&self) -> Result<(), OpError> {
        match self.map().too_new(Feature::Watch.level()) {
            Ok(()) => Ok(()),
            Err(refusal) => Err(OpError::new(Errno::EOPNOTSUPP).with_context(refusal.text)),
        }
    }
}

fn strange() -> OpError {
    OpError::new(Errno::EIO).with_context("the OSD's answer has the wrong shape")
}

impl Watch {
    /// Names it, as `list_watchers` shows it.
    pub fn id(&self) -> WatchId {
        self.id
    }

    /// The next notify. None: the watch has ended, since the object was deleted or we were not heard for its timeout;
    /// what was notified since is not known, and who still cares looks at the object and watches anew.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.news.recv().await? {
            WatchNews::Notify { notify, notifier, payload } => Some(Heard { notify, notifier, payload }),
            WatchNews::Gone => None,
        }
    }

    /// Acknowledges a notify; its sender gets `reply`, of at most `ACK_BYTES_MAX` bytes.
    pub async fn ack(&self, notify: u64, reply: Bytes) -> Result<(), OpError> {
        let op = Op::NotifyAck { notify, id: self.id, reply };
        let now = crate::Rados::now(&self.client);
        self.client.operate(self.pool, self.object.clone(), vec![op], now).await.map(drop)
    }

    /// Watches no more.
    pub async fn end(self) -> Result<(), OpError> {
        self.client.order(Order::Forget { cookie: self.id.cookie }).await?;
        let op = Op::Unwatch { id: self.id };
        let now = crate::Rados::now(&self.client);
        self.client.operate(self.pool, self.object.clone(), vec![op], now).await.map(drop)
    }
}
