//! Clears up after gateways that died: revokes the intent, fences the shards that its runs were meant for,
//! frees the runs that no row refers to (docs/decisions/0010-intents-and-fences.md).

use super::intent::{IntentRow, row_key};
use crate::error::S3Error;
use crate::storage::Storage;
use crate::storage::names;
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::view::OmapRange;
use osd_object::{ObjectName, Op, OpResult};
use std::collections::BTreeMap;
use std::time::Instant;
use stdx::Errno;
use stdx::codec::{from_bytes, to_bytes};

/// What this gateway saw of the others' rows: the row, since when it is so, and whether it was swept.
#[derive(Default)]
pub(crate) struct Watch {
    seen: BTreeMap<u64, Seen>,
}

struct Seen {
    row: Bytes,
    since: Instant,
    swept: bool,
}

impl<R: Rados> Storage<R> {
    /// One look at the intents of all gateways. Those that stood still for `lease_expire` are revoked and
    /// swept; once more after as long again, for what was still on its way; then their rows go.
    pub async fn sweep(&self) -> Result<(), S3Error> {
        let mut watch = self.inner.watch.lock().await;
        let rows = self.intents().await?;
        watch.seen.retain(|instance, _| rows.contains_key(instance));
        let own = self.inner.intent.instance();
        let expire = self.inner.config.lease_expire;
        for (instance, row) in rows {
            if Some(instance) == own {
                continue;
            }
            let seen = watch.seen.entry(instance).or_insert_with(|| Seen {
                row: row.clone(),
                since: Instant::now(),
                swept: false,
            });
            if seen.row != row {
                *seen = Seen { row, since: Instant::now(), swept: false };
                continue;
            }
            if seen.since.elapsed() < expire {
                continue;
            }
            let Some(revoked) = self.revoke(instance, &row).await? else { continue };
            if let Err(e) = self.sweep_instance(instance, &revoked).await {
                // Say, a bucket that is being deleted: its row stays, and it is tried again.
                tracing::info!("gateway instance {instance:016x} is not cleared up yet: {e}");
                *seen = Seen { row: to_bytes(&revoked), since: Instant::now(), swept: false };
                continue;
            }
            let again = seen.swept;
            *seen = Seen { row: to_bytes(&revoked), since: Instant::now(), swept: true };
            if again && self.exchange_intent(instance, to_bytes(&revoked), Bytes::new()).await? {
                tracing::info!("cleared up after gateway instance {instance:016x}");
            }
        }
        Ok(())
    }

    /// Takes an instance's row from it. None if it is alive after all.
    async fn revoke(&self, instance: u64, row: &Bytes) -> Result<Option<IntentRow>, S3Error> {
        let mut intent: IntentRow =
            from_bytes(row.clone()).map_err(|e| S3Error::internal(format!("intent {instance:x}: {e}")))?;
        if intent.revoked {
            return Ok(Some(intent));
        }
        intent.revoked = true;
        let taken = self.exchange_intent(instance, row.clone(), to_bytes(&intent)).await?;
        Ok(taken.then_some(intent))
    }

    async fn sweep_instance(&self, instance: u64, intent: &IntentRow) -> Result<(), S3Error> {
        let slots = self.slots().await?;
        let begun = intent.unsettled.iter().copied().chain(intent.next..intent.reserved);
        for number in begun {
            // The intent does not say which pool a run went to; it is in at most one of them.
            for tag in slots.iter().map(|slot| slot.tag(instance, number)) {
                let Some(owner) = self.run_owner(tag).await? else { continue };
                if !self.fence(&owner, tag, true).await? {
                    self.free_run_found(tag).await?;
                }
            }
        }
        Ok(())
    }

    pub(crate) async fn intents(&self) -> Result<BTreeMap<u64, Bytes>, OpError> {
        let pool = &self.inner.config.meta_pool;
        let mut out = BTreeMap::new();
        let mut range = OmapRange::all();
        loop {
            let ops = vec![Op::OmapGetRange { range: range.clone() }];
            let page = match self.inner.rados.operate(pool, ObjectName::new(names::INTENTS), ops).await {
                Ok(reply) => reply.results.into_iter().next(),
                Err(e) if e.code == Errno::ENOENT && e.step.is_some() => None,
                Err(e) => return Err(e),
            };
            let Some(OpResult::Rows(page)) = page else { return Ok(out) };
            for (key, value) in page.rows {
                if let Ok(id) = key[..].try_into() {
                    let instance = u64::from_be_bytes(id);
                    range = range.after(&row_key(instance));
                    out.insert(instance, value);
                }
            }
            if !page.more {
                return Ok(out);
            }
        }
    }
}
