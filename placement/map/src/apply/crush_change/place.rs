//! Moving a part of the tree to a place that exists.

use super::{find, kind_number, show};
use crate::apply::draft::Draft;
use crate::cluster_map::ClusterMap;
use crate::location::LEVELS_MAX;
use crate::refusal::{Refusal, RefusalKind};

pub(super) fn move_item(
    draft: &mut Draft<'_>,
    name: &str,
    location: &[(String, String)],
) -> Result<(), Refusal> {
    let item = find(&draft.next, name)?;
    check(&draft.next, item, location)?;
    let pairs: Vec<(&str, &str)> =
        location.iter().map(|(kind, name)| (kind.as_str(), name.as_str())).collect();
    draft.next.crush.make_mut().move_bucket(item, &pairs)?;
    if item >= 0 {
        remember(draft, name, item);
    }
    Ok(())
}

/// Makes an OSD's place its central `crush_location`: at its next boot it would go back to its own host otherwise.
fn remember(draft: &mut Draft<'_>, name: &str, item: i32) {
    let levels = draft.next.crush.location_of(item).into_iter();
    let text = levels.map(|(kind, name)| format!("{kind}={name}")).collect::<Vec<_>>().join(" ");
    draft.next.config.insert((name.to_owned(), "crush_location".to_owned()), text);
}

/// Whether all levels of the location exist, agree with each other, and can hold the item.
fn check(map: &ClusterMap, item: i32, location: &[(String, String)]) -> Result<(), Refusal> {
    if location.is_empty() || location.len() > LEVELS_MAX {
        return Err(Refusal::invalid("say where to: one to twelve TYPE=NAME, such as rack=r1"));
    }
    let mut levels = Vec::with_capacity(location.len());
    for (kind, name) in location {
        let number = kind_number(map, kind)?;
        let missing = || {
            Refusal::not_found(format!(
                "there is no {kind} {name} to move to; `nacre crush add-bucket {name} {kind}` makes it"
            ))
        };
        let bucket =
            map.crush.item_id(name).filter(|item| !map.crush.is_shadow(*item)).ok_or_else(missing)?;
        if map.crush.kind_of(bucket) != Some(number) || bucket >= 0 {
            let text = format!("{} is no {kind} that something can be moved to", show(map, bucket));
            return Err(Refusal::invalid(text));
        }
        levels.push((number, bucket));
    }
    levels.sort_unstable();
    let (nearest_kind, nearest) = levels[0];
    if item >= 0 && map.crush.type_name(nearest_kind) != Some("host") {
        let text = format!("{} hangs below a host; say which, as host=NAME", show(map, item));
        return Err(Refusal::invalid(text));
    }
    if map.crush.under(item).contains(&nearest) {
        let text = format!("{} is a part of {}; that would be a cycle", show(map, nearest), show(map, item));
        return Err(Refusal::invalid(text));
    }
    if map.crush.kind_of(item).is_some_and(|own| own >= nearest_kind) {
        let text = format!("{} cannot hold {}: its type is not above", show(map, nearest), show(map, item));
        return Err(Refusal::invalid(text));
    }
    for (kind, bucket) in &levels[1..] {
        if map.crush.ancestor_of_type(nearest, *kind) != Some(*bucket) {
            let text = format!(
                "{} is not in {}; move it there first, or leave {} away",
                show(map, nearest),
                show(map, *bucket),
                show(map, *bucket)
            );
            return Err(Refusal::new(RefusalKind::Impossible, text));
        }
    }
    Ok(())
}
