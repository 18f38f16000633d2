//! Operators' changes to the CRUSH map, and what they may not break.

mod buckets;
mod place;
mod rules;
#[cfg(test)]
mod tests;

use super::Answer;
use super::draft::Draft;
use super::pool_rule::check_id;
use crate::cluster_map::ClusterMap;
use crate::crush_change::CrushChange;
use crate::refusal::{Refusal, RefusalKind};

/// Carries a change out. Unless `force`d, one that leaves a pool with a rule the map can no longer satisfy is refused.
pub(super) fn apply(draft: &mut Draft<'_>, change: &CrushChange, force: bool) -> Result<Answer, Refusal> {
    let before = draft.next.clone();
    match change {
        CrushChange::AddBucket { name, kind } => buckets::add(draft, name, kind)?,
        CrushChange::Move { name, location } => place::move_item(draft, name, location)?,
        CrushChange::Reweight { name, weight } => buckets::reweight(draft, name, *weight)?,
        CrushChange::Rm { name } => buckets::remove(draft, name)?,
        CrushChange::RuleCreate { name, root, domain, class, erasure, zone_members } => {
            let shape = rules::Shape { root, domain, class: class.as_deref(), erasure: *erasure };
            rules::create(draft, name, shape, *zone_members)?;
        }
        CrushChange::RuleRm { name } => rules::remove(draft, name)?,
        CrushChange::SetDeviceClass { class, osds } => {
            buckets::set_device_class(draft, class.as_deref(), osds)?;
        }
    }
    if !force {
        pools_stay_satisfied(&before, &draft.next)?;
    }
    Ok(Answer::Done)
}

fn pools_stay_satisfied(before: &ClusterMap, after: &ClusterMap) -> Result<(), Refusal> {
    for pool in after.pools.values() {
        let Err(lack) = check_id(after, pool.crush_rule, pool.size) else { continue };
        if check_id(before, pool.crush_rule, pool.size).is_ok() {
            let text = format!(
                "pool {} could not be placed any more: {lack}; --force does it all the same, and its PGs stay undersized",
                pool.name
            );
            return Err(Refusal::new(RefusalKind::Unsafe, text));
        }
    }
    Ok(())
}

/// The item of a name; shadow buckets are not for operators.
fn find(map: &ClusterMap, name: &str) -> Result<i32, Refusal> {
    map.crush.item_id(name).filter(|item| !map.crush.is_shadow(*item)).ok_or_else(|| {
        Refusal::not_found(format!(
            "CRUSH's tree has no {name:?}; `nacre osd tree` and `nacre crush dump` show what it has"
        ))
    })
}

/// The number of a type of buckets.
fn kind_number(map: &ClusterMap, kind: &str) -> Result<i32, Refusal> {
    map.crush.type_id(kind).ok_or_else(|| {
        let known: Vec<&str> = map.crush.types().map(|(_, name)| name).collect();
        Refusal::not_found(format!("there is no type {kind:?}; there are {}", known.join(", ")))
    })
}

/// `host h1`, `osd.3`.
fn show(map: &ClusterMap, item: i32) -> String {
    let name = map.crush.item_name(item).unwrap_or("?");
    let kind = map.crush.kind_of(item).and_then(|kind| map.crush.type_name(kind));
    match kind {
        Some(kind) if item < 0 => format!("{kind} {name}"),
        _ => name.to_owned(),
    }
}
