//! Self-managed snapshots: ids given out and taken back.

use super::Answer;
use super::draft::Draft;
use crate::feature::Feature;
use crate::ids::PoolId;
use crate::pool::{Pool, PoolKind};
use crate::refusal::{Refusal, RefusalKind};

/// The most snapshots that a pool may have at once: the map names the gaps between those removed.
const LIVE_MAX: u64 = 1 << 16;

pub(super) fn create(draft: &mut Draft<'_>, id: PoolId) -> Result<Answer, Refusal> {
    let known = draft.next.too_new(Feature::ErasureSnapshots.level());
    let pool = pool(draft, id)?;
    if pool.kind != PoolKind::Replicated {
        known?;
    }
    if pool.snaps.seq - pool.snaps.removed.count() >= LIVE_MAX {
        let text = format!("pool {} has {LIVE_MAX} snapshots already; remove some first", pool.name);
        return Err(Refusal::new(RefusalKind::Impossible, text));
    }
    pool.snaps.seq += 1;
    Ok(Answer::Snap(pool.snaps.seq))
}

/// Removing one that is gone already is done already.
pub(super) fn remove(draft: &mut Draft<'_>, id: PoolId, snap: u64) -> Result<Answer, Refusal> {
    let pool = pool(draft, id)?;
    if !(1..=pool.snaps.seq).contains(&snap) {
        return Err(Refusal::not_found(format!("pool {} never had a snapshot {snap}", pool.name)));
    }
    pool.snaps.removed.insert(snap);
    Ok(Answer::Done)
}

fn pool<'d>(draft: &'d mut Draft<'_>, id: PoolId) -> Result<&'d mut Pool, Refusal> {
    draft.next.pools.get_mut(&id).ok_or_else(|| Refusal::not_found(format!("pool {id} does not exist")))
}
