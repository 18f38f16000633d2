//! The intent of a gateway: a durable row that names the runs it may be writing, before it writes them.
//!
//! One row per gateway instance, not one per PUT: it reserves a block of run numbers, and each renewal notes
//! which of the earlier ones are not settled. Whoever finds the row standing still revokes it, fences the
//! shards that its runs were meant for, and frees what no row refers to (docs/decisions/0010-intents-and-fences.md).

use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::names;
use crate::storage::placement::{Slot, number_of};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_class::index::Tag;
use osd_object::op::Compare;
use osd_object::{ObjectName, Op};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use stdx::Errno;
use stdx::codec::to_bytes;

/// So many run numbers are reserved ahead.
const BLOCK: u64 = 1024;
/// So many unsettled runs are named one by one; should there be more, the sweeper looks at all from the
/// first of them.
const UNSETTLED_MAX: usize = 4096;

/// The row of an instance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct IntentRow {
    /// Changes with every renewal: the sign of life.
    pub(crate) beat: u64,
    /// Runs that began before `next` and are not settled as of the renewal.
    pub(crate) unsettled: Vec<u64>,
    /// Runs from here on may have begun since ...
    pub(crate) next: u64,
    /// ... up to this one, exclusive. None beyond it ever begins under this row.
    pub(crate) reserved: u64,
    /// The instance is not to write any more, and its row is not its own any more.
    pub(crate) revoked: bool,
}
stdx::codec_versioned!(IntentRow, 1 { beat, unsettled, next, reserved, revoked });

#[derive(Default)]
pub(crate) struct Intent {
    /// Held while the row is changed, so that changes of one gateway go one after the other.
    changing: tokio::sync::Mutex<()>,
    state: Mutex<Option<Held>>,
}

struct Held {
    instance: u64,
    next: u64,
    unsettled: BTreeSet<u64>,
    /// The row as it is stored.
    row: IntentRow,
}

impl Held {
    fn renewed(&self) -> IntentRow {
        let mut next = self.next;
        if self.unsettled.len() > UNSETTLED_MAX {
            next = self.unsettled.first().copied().unwrap_or(next);
        }
        IntentRow {
            beat: self.row.beat + 1,
            unsettled: self.unsettled.range(..next).copied().collect(),
            next,
            reserved: self.row.reserved,
            revoked: false,
        }
    }
}

impl Intent {
    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The next run number and its instance, if one is reserved.
    fn take(&self) -> Option<(u64, u64)> {
        let mut state = self.lock();
        let held = state.as_mut()?;
        if held.next >= held.row.reserved {
            return None;
        }
        let seq = held.next;
        held.next += 1;
        held.unsettled.insert(seq);
        Some((held.instance, seq))
    }
    fn settle(&self, tag: Tag) {
        if let Some(held) = self.lock().as_mut().filter(|h| h.instance == tag.instance) {
            held.unsettled.remove(&number_of(tag));
        }
    }
    /// The instance that this gateway writes under now.
    pub(crate) fn instance(&self) -> Option<u64> {
        self.lock().as_ref().map(|h| h.instance)
    }
    /// Writes under another instance from now on, if it still is this one.
    fn abandon(&self, instance: u64) {
        let mut state = self.lock();
        if state.as_ref().is_some_and(|h| h.instance == instance) {
            *state = None;
        }
    }
}

/// The right to write one run. Dropping it says that the run is settled: committed, or freed.
pub(crate) struct TagLease<R: Rados> {
    storage: Storage<R>,
    tag: Tag,
}

impl<R: Rados> TagLease<R> {
    pub(crate) fn tag(&self) -> Tag {
        self.tag
    }
}
impl<R: Rados> Drop for TagLease<R> {
    fn drop(&mut self) {
        self.storage.inner.intent.settle(self.tag);
    }
}

/// The key of an instance's row.
pub(crate) fn row_key(instance: u64) -> Bytes {
    Bytes::copy_from_slice(&instance.to_be_bytes())
}

impl<R: Rados> Storage<R> {
    /// Names a run that nobody ever named before, covered by a durable intent.
    pub(crate) async fn take_tag(&self, slot: Slot) -> Result<TagLease<R>, S3Error> {
        let intent = &self.inner.intent;
        let lease = |(instance, number)| TagLease { storage: self.clone(), tag: slot.tag(instance, number) };
        if let Some(taken) = intent.take() {
            return Ok(lease(taken));
        }
        let _changing = intent.changing.lock().await;
        for _ in 0..3 {
            if let Some(taken) = intent.take() {
                return Ok(lease(taken));
            }
            self.reserve().await?;
        }
        Err(S3Error::internal("the gateway's intent is revoked again and again"))
    }

    /// Reserves a block under the row that there is, or under a new one.
    async fn reserve(&self) -> Result<(), S3Error> {
        let intent = &self.inner.intent;
        let renewal = intent.lock().as_ref().map(|held| {
            let mut row = held.renewed();
            row.reserved = held.next + BLOCK;
            (held.instance, held.row.clone(), row)
        });
        let (instance, old, new) = match renewal {
            Some(x) => x,
            None => {
                let row = IntentRow { next: 1, reserved: 1 + BLOCK, ..IntentRow::default() };
                (names::random_id()?, IntentRow::default(), row)
            }
        };
        let is_new = old == IntentRow::default();
        let before = if is_new { Bytes::new() } else { to_bytes(&old) };
        match self.exchange_intent(instance, before, to_bytes(&new)).await {
            Ok(true) => {
                let mut state = intent.lock();
                match state.as_mut().filter(|h| h.instance == instance) {
                    Some(held) => held.row = new,
                    None => {
                        *state =
                            Some(Held { instance, next: new.next, unsettled: BTreeSet::new(), row: new });
                    }
                }
                Ok(())
            }
            Ok(false) => {
                intent.abandon(instance);
                Ok(())
            }
            Err(e) => {
                // Whether the row changed is not known: write under another instance.
                intent.abandon(instance);
                Err(e.into())
            }
        }
    }

    /// Changes an instance's row if it is as it was believed to be; whether it was.
    pub(crate) async fn exchange_intent(
        &self,
        instance: u64,
        old: Bytes,
        new: Bytes,
    ) -> Result<bool, OpError> {
        let key = row_key(instance);
        let ops = vec![
            Op::Create { exclusive: false },
            Op::CmpOmap { key: key.clone(), compare: Compare::Eq, value: old },
            if new.is_empty() {
                Op::OmapRm { keys: vec![key] }
            } else {
                Op::OmapSet { rows: vec![(key, new)] }
            },
        ];
        let pool = &self.inner.config.meta_pool;
        match self.inner.rados.operate(pool, ObjectName::new(names::INTENTS), ops).await {
            Ok(_) => Ok(true),
            Err(e) if e.code == Errno::ECANCELED => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// A sign of life, if this gateway has an intent at all.
    pub(crate) async fn renew_intent(&self) {
        let intent = &self.inner.intent;
        let _changing = intent.changing.lock().await;
        let Some((instance, old, new)) =
            intent.lock().as_ref().map(|h| (h.instance, h.row.clone(), h.renewed()))
        else {
            return;
        };
        match self.exchange_intent(instance, to_bytes(&old), to_bytes(&new)).await {
            Ok(true) => {
                if let Some(held) = intent.lock().as_mut().filter(|h| h.instance == instance) {
                    held.row = new;
                }
            }
            Ok(false) => {
                tracing::warn!(
                    "this gateway stood still for too long and was revoked; puts under way may fail"
                );
                intent.abandon(instance);
            }
            Err(e) => {
                tracing::warn!("renewing the intent failed; going on under a new one: {e}");
                intent.abandon(instance);
            }
        }
    }

    /// At the end: takes the row back, if nothing is unsettled.
    pub(crate) async fn give_up_intent(&self) {
        let intent = &self.inner.intent;
        let _changing = intent.changing.lock().await;
        let held = intent.lock().take();
        if let Some(held) = held.filter(|h| h.unsettled.is_empty())
            && let Err(e) = self.exchange_intent(held.instance, to_bytes(&held.row), Bytes::new()).await
        {
            tracing::info!("the intent stays for a sweeper: {e}");
        }
    }
}
