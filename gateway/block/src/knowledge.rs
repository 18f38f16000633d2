//! What the writer of an image knows of its snapshots, kept as new as its writes need.

use crate::error::BlockError;
use crate::header::{key, row_is};
use crate::snapshot::{self, INTENT, Snapshot};
use bytes::Bytes;
use gateway_client::{OpError, Rados};
use osd_object::{ObjectName, OmapRange, Op, OpResult, SnapContext};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stdx::Errno;
use tokio::time::Instant;

/// A creation of a snapshot that stands still for so long was given up by who began it.
const INTENT_MAX: Duration = Duration::from_secs(5);
/// Between two looks at one.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// All rows of a header object, whatever their number.
pub(crate) async fn rows_of<R: Rados>(
    rados: &R,
    pool: &str,
    header: &str,
) -> Result<BTreeMap<Bytes, Bytes>, OpError> {
    let mut rows = BTreeMap::new();
    let mut range = OmapRange::all();
    loop {
        let ops = vec![Op::OmapGetRange { range: range.clone() }];
        let reply = rados.operate(pool, ObjectName::new(header), ops).await?;
        let Some(OpResult::Rows(page)) = reply.results.into_iter().next() else {
            return Err(OpError::new(Errno::EIO).with_context(format!("{pool}/{header}: not rows")));
        };
        let last = page.rows.last().map(|(key, _)| key.clone());
        rows.extend(page.rows);
        match last {
            Some(last) if page.more => range = range.after(&last),
            _ => return Ok(rows),
        }
    }
}

/// The context of an open image's writes.
#[derive(Default)]
pub(crate) struct Knowledge {
    context: Mutex<SnapContext>,
    renewing: tokio::sync::Mutex<()>,
}

impl Knowledge {
    pub(crate) fn context(&self) -> SnapContext {
        self.context.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Learns what there is to know: at opening, and when an OSD knew of a snapshot behind `known`. The pools: of the
    /// image's data, which its snapshots are of, and of its header.
    pub(crate) async fn renew<R: Rados>(
        &self,
        rados: &R,
        (data_pool, pool): (&str, &str),
        header: &str,
        known: Option<u64>,
    ) -> Result<(), BlockError> {
        let _one_at_a_time = self.renewing.lock().await;
        if known.is_some_and(|known| self.context().seq > known) {
            // Somebody else did meanwhile.
            return Ok(());
        }
        // First the pool's number, then the header: what was given an id by then has an intent or its row there.
        let seq = rados.snap_seq(data_pool, known).await?;
        let mut seen: Option<(Bytes, Instant)> = None;
        loop {
            let rows = rows_of(rados, pool, header).await?;
            let (snapshots, intent) = snapshot::from_rows(header, &rows)?;
            let Some(intent) = intent else {
                let context = snapshot::context(seq, &snapshots);
                *self.context.lock().unwrap_or_else(PoisonError::into_inner) = context;
                return Ok(());
            };
            match &seen {
                Some((same, since)) if *same == intent => {
                    if since.elapsed() > INTENT_MAX {
                        give_up(rados, pool, header, intent).await?;
                        continue;
                    }
                }
                _ => seen = Some((intent, Instant::now())),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}

/// Removes an intent, so that its creation fails if it goes on after all.
pub(crate) async fn give_up<R: Rados>(
    rados: &R,
    pool: &str,
    header: &str,
    intent: Bytes,
) -> Result<(), BlockError> {
    let ops = vec![row_is(INTENT, intent), Op::OmapRm { keys: vec![key(INTENT)] }];
    match rados.operate(pool, ObjectName::new(header), ops).await {
        Err(e) if e.code == Errno::ECANCELED => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// A guard: the snapshot's row is as it was read.
pub(crate) fn unchanged(snapshot: &Snapshot) -> Op {
    row_is(&Snapshot::row(snapshot.id), stdx::codec::to_bytes(snapshot))
}
