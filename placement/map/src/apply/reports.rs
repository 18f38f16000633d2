//! What daemons report: OSDs that stopped, rows that primaries want changed; and an operator's last resort.

use super::Answer;
use super::draft::{Draft, no_osd};
use crate::feature::Feature;
use crate::ids::{Epoch, OsdId, PgId};
use crate::pg_row::{PgRow, RowChange};
use crate::pool::Pool;
use crate::refusal::{Refusal, RefusalKind};
use crate::rows::{self, Surroundings};

pub(super) fn mark_down(draft: &mut Draft<'_>, osds: &[(OsdId, Option<Epoch>)]) -> Result<Answer, Refusal> {
    if let Some((id, _)) = osds.iter().find(|(id, _)| !draft.next.osds.contains_key(id))
        && osds.len() == 1
    {
        return Err(no_osd(*id));
    }
    for (id, incarnation) in osds {
        let meant = |from: &Epoch| incarnation.is_none_or(|wanted| wanted == *from);
        if draft.next.incarnation(*id).as_ref().is_some_and(meant) {
            draft.take_down(*id);
        }
    }
    Ok(Answer::Done)
}

/// An OSD that says itself that it stopped: the same, and its rows may count on its silence.
pub(super) fn stopped(draft: &mut Draft<'_>, osd: OsdId, incarnation: Epoch) -> Result<Answer, Refusal> {
    if !draft.next.osds.contains_key(&osd) {
        return Err(no_osd(osd));
    }
    if draft.next.incarnation(osd) == Some(incarnation) {
        draft.take_down(osd);
        draft.in_order.insert(osd);
    }
    Ok(Answer::Done)
}

pub(super) fn rows(draft: &mut Draft<'_>, changes: &[RowChange]) -> Result<Answer, Refusal> {
    let mut taken = 0;
    let nowhere = crate::mapping::Up::default();
    for proposal in changes {
        let Some(mut row) = draft.row(proposal.pg).cloned() else { continue };
        let up = draft.state.mapping().up(proposal.pg).unwrap_or(&nowhere);
        let around = Surroundings {
            up,
            was_up: &up.set,
            size: 0, // `settle` trims, with the pool's size
            fewest_shards: draft.next.pools.get(&proposal.pg.pool).and_then(Pool::fewest_shards),
            map: &draft.next,
            went_down: &draft.went_down,
            lost: &draft.lost,
            in_order: &draft.in_order,
        };
        // One change a row and command: a second one cannot have seen the first one's revision.
        if draft.rows.contains_key(&proposal.pg) || rows::change(&mut row, proposal, &around).is_err() {
            continue;
        }
        draft.rows.insert(proposal.pg, row);
        taken += 1;
    }
    Ok(Answer::Rows(taken))
}

pub(super) fn recreate(draft: &mut Draft<'_>, pg: PgId) -> Result<Answer, Refusal> {
    let row = draft.row(pg).ok_or_else(|| Refusal::not_found(format!("PG {pg} does not exist")))?;
    if !row.lost {
        let text = format!("PG {pg} is not incomplete: nothing of it has to be given up");
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    let fewest = draft.next.pools.get(&pg.pool).and_then(|pool| pool.fewest_shards());
    if fewest.is_some() {
        draft.next.too_new(Feature::ErasureSnapshots.level())?;
    }
    let up = draft.state.mapping().up(pg).filter(|up| !up.set.is_empty());
    let up = up.ok_or_else(|| {
        Refusal::new(
            RefusalKind::Impossible,
            format!("no OSD that PG {pg} belongs on is up; start one first"),
        )
    })?;
    let in_sync: Vec<OsdId> = up.set.iter().copied().filter(|osd| *osd != OsdId::NONE).collect();
    if let Some(fewest) = fewest.filter(|fewest| in_sync.len() < *fewest) {
        let text = format!(
            "PG {pg} is erasure-coded and {} OSDs that it belongs on are up; it takes {fewest} to hold anything, so start \
             some first",
            in_sync.len()
        );
        return Err(Refusal::new(RefusalKind::Impossible, text));
    }
    // Of copies each may hold another part of the objects: one of them is the PG from now on, and the others are compared
    // with it, object by object, as whoever joins is.
    let in_sync = match (fewest, up.primary) {
        (None, Some(primary)) if draft.next.has(Feature::RecreateByOne) => vec![primary],
        _ => in_sync,
    };
    let interval = row.interval + 1;
    let mut fresh = PgRow {
        interval,
        revision: row.revision,
        in_sync,
        primary: up.primary,
        activated: false,
        ..PgRow::default()
    };
    if fewest.is_some() {
        // What is left are shards of nothing.
        (fresh.shards, fresh.born) = (fresh.seats(&up.set), interval);
    }
    draft.rows.insert(pg, fresh);
    Ok(Answer::Done)
}
