//! How much each OSD gets, and which PGs are exceptions.

use super::Answer;
use super::draft::{Draft, no_osd};
use crate::cluster_map::ClusterMap;
use crate::feature::Feature;
use crate::ids::{Epoch, OsdId, PgId};
use crate::osd::WEIGHT_ONE;
use crate::refusal::{Refusal, RefusalKind};

/// More exceptions than this for one PG make no sense.
const PAIRS_MAX: usize = 32;

pub(super) fn mark_out(draft: &mut Draft<'_>, osds: &[OsdId], automatic: bool) -> Result<Answer, Refusal> {
    for id in osds {
        let osd = draft.osd(*id)?;
        if automatic && (osd.up || osd.weight == 0) {
            continue; // it came back while this was proposed
        }
        if automatic {
            osd.auto_out = Some(osd.weight);
        } else {
            osd.auto_out = None;
        }
        osd.weight = 0;
    }
    // Those that are down for long are out whatever follows; only a person is asked whether that is meant.
    if !automatic && draft.next.has(Feature::Guards) {
        enough_left(draft.state.map(), &draft.next)?;
    }
    Ok(Answer::Done)
}

/// Whether each pool that found OSDs enough before for its `min_size` still does.
fn enough_left(before: &ClusterMap, after: &ClusterMap) -> Result<(), Refusal> {
    let count = |map: &ClusterMap| map.osds.values().filter(|osd| osd.is_in()).count();
    let (had, left) = (count(before), count(after));
    let short = after.pools.values().find(|pool| {
        let fewest = pool.min_size as usize;
        left < fewest && had >= fewest
    });
    let Some(pool) = short else { return Ok(()) };
    let text = format!(
        "{left} OSDs would be in, and pool {} needs {} copies to take writes (min_size); let another OSD in first, or take \
         the weight away nevertheless with `nacre osd reweight N 0`",
        pool.name, pool.min_size
    );
    Err(Refusal::new(RefusalKind::Unsafe, text))
}

pub(super) fn mark_in(draft: &mut Draft<'_>, osds: &[OsdId]) -> Result<Answer, Refusal> {
    for id in osds {
        let osd = draft.osd(*id)?;
        if osd.weight == 0 {
            osd.weight = osd.auto_out.take().unwrap_or(WEIGHT_ONE);
        }
    }
    Ok(Answer::Done)
}

pub(super) fn reweight(draft: &mut Draft<'_>, id: OsdId, weight: u32) -> Result<Answer, Refusal> {
    at_most_one("a reweight", weight)?;
    let osd = draft.osd(id)?;
    osd.weight = weight;
    osd.auto_out = None;
    Ok(Answer::Done)
}

pub(super) fn crush_reweight(draft: &mut Draft<'_>, id: OsdId, weight: u32) -> Result<Answer, Refusal> {
    draft.osd(id)?;
    let item = i32::try_from(id.0).map_err(|_| no_osd(id))?;
    draft.next.crush.make_mut().reweight_item(item, weight)?;
    Ok(Answer::Done)
}

pub(super) fn primary_affinity(draft: &mut Draft<'_>, id: OsdId, affinity: u32) -> Result<Answer, Refusal> {
    at_most_one("a primary affinity", affinity)?;
    draft.osd(id)?.primary_affinity = affinity;
    Ok(Answer::Done)
}

fn at_most_one(what: &str, value: u32) -> Result<(), Refusal> {
    if value <= WEIGHT_ONE { Ok(()) } else { Err(Refusal::invalid(format!("{what} goes from 0 to 1.0"))) }
}

pub(super) fn upmaps(
    draft: &mut Draft<'_>,
    planned_for: Epoch,
    items: &[(PgId, Vec<(OsdId, OsdId)>)],
) -> Result<Answer, Refusal> {
    let now = draft.state.map().epoch;
    if now != planned_for {
        // Exchanges that were right for one map may put two copies into one failure domain of another.
        let text = format!("the plan is for epoch {planned_for}, and the map is at {now}; plan again");
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    for (pg, pairs) in items {
        // Removing what a pool that is gone left behind is always right.
        if !pairs.is_empty() || draft.next.has_pg(*pg) {
            upmap_items(draft, *pg, pairs)?;
        } else {
            draft.next.pg_upmap_items.remove(pg);
        }
    }
    Ok(Answer::Done)
}

pub(super) fn upmap_items(
    draft: &mut Draft<'_>,
    pg: PgId,
    items: &[(OsdId, OsdId)],
) -> Result<Answer, Refusal> {
    if !draft.next.has_pg(pg) {
        return Err(Refusal::not_found(format!("PG {pg} does not exist")));
    }
    if let Some((_, to)) = items.iter().find(|(_, to)| !draft.next.osds.contains_key(to)) {
        return Err(no_osd(*to));
    }
    if items.len() > PAIRS_MAX || items.iter().any(|(from, to)| from == to) {
        let text = format!("PG {pg}: at most {PAIRS_MAX} pairs of two different OSDs");
        return Err(Refusal::new(RefusalKind::Invalid, text));
    }
    if items.is_empty() {
        draft.next.pg_upmap_items.remove(&pg);
    } else {
        draft.next.pg_upmap_items.insert(pg, items.to_vec());
    }
    Ok(Answer::Done)
}
