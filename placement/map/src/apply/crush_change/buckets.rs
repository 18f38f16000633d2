//! Buckets and OSDs of the tree: add, weigh, classify, remove.

use super::{find, kind_number, show};
use crate::apply::draft::{Draft, no_osd};
use crate::ids::OsdId;
use crate::refusal::{Refusal, RefusalKind};
use crush::{Op, WEIGHT_ONE};

/// Weights are below this, because Ceph reads them as signed.
const WEIGHT_MAX: u32 = 32_767 * WEIGHT_ONE;
/// How many names a sentence lists.
const LISTED_MAX: usize = 5;

pub(super) fn add(draft: &mut Draft<'_>, name: &str, kind: &str) -> Result<(), Refusal> {
    if kind_number(&draft.next, kind)? == 0 {
        return Err(Refusal::invalid(format!("an {kind} comes into the tree by booting, not as a bucket")));
    }
    if name.strip_prefix("osd.").is_some_and(|rest| rest.parse::<u32>().is_ok()) {
        return Err(Refusal::invalid(format!("{name} is the name of an OSD, not of a bucket")));
    }
    let crush = &draft.next.crush;
    if let Some(item) = crush.item_id(name) {
        let text = format!("{} exists already", show(&draft.next, item));
        return Err(Refusal::new(RefusalKind::Exists, text));
    }
    let alg = crush.tunables().default_alg();
    draft.next.crush.make_mut().add_bucket(kind, alg, name)?;
    Ok(())
}

pub(super) fn reweight(draft: &mut Draft<'_>, name: &str, weight: u32) -> Result<(), Refusal> {
    let item = find(&draft.next, name)?;
    if weight > WEIGHT_MAX {
        let most = WEIGHT_MAX / WEIGHT_ONE;
        return Err(Refusal::invalid(format!("{name} cannot weigh that much: weights go from 0 to {most}")));
    }
    let heavy = |error| match error {
        crush::Error::WeightOverflow { bucket, .. } => Refusal::invalid(format!(
            "with that weight of {name}, {} is too heavy",
            show(&draft.next, bucket)
        )),
        other => other.into(),
    };
    let mut crush = draft.next.crush.clone();
    crush.make_mut().reweight_item(item, weight).map_err(heavy)?;
    draft.next.crush = crush;
    Ok(())
}

pub(super) fn remove(draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
    let item = find(&draft.next, name)?;
    let map = &draft.next;
    let in_use = |text| Err(Refusal::new(RefusalKind::Unsafe, text));
    if let Ok(id) = u32::try_from(item)
        && map.osds.contains_key(&OsdId(id))
    {
        return in_use(format!("{name} is an OSD of this cluster; `nacre osd rm {id}` removes it"));
    }
    let held = map.crush.bucket(item).map(|bucket| bucket.items()).unwrap_or_default();
    if !held.is_empty() {
        let mut names: Vec<String> = held.iter().take(LISTED_MAX).map(|item| show(map, *item)).collect();
        if held.len() > LISTED_MAX {
            names.push(format!("and {} more", held.len() - LISTED_MAX));
        }
        return in_use(format!("{} still holds {}; move them first", show(map, item), names.join(", ")));
    }
    let crush = &map.crush;
    let shadows: Vec<i32> = crush.classes().filter_map(|(_, class)| crush.shadow(item, class)).collect();
    let takes =
        |step: &crush::Step| step.op == Op::Take && (step.arg1 == item || shadows.contains(&step.arg1));
    if let Some((rule, _)) = crush.rules().find(|(_, rule)| rule.steps.iter().any(takes)) {
        let rule = crush.rule_name(rule).unwrap_or_default();
        let text = format!("rule {rule} starts from {}; `nacre crush rule rm {rule}` first", show(map, item));
        return in_use(text);
    }
    draft.next.crush.make_mut().remove_item(item)?;
    Ok(())
}

pub(super) fn set_device_class(
    draft: &mut Draft<'_>,
    class: Option<&str>,
    osds: &[OsdId],
) -> Result<(), Refusal> {
    for id in osds {
        let item = i32::try_from(id.0).map_err(|_| no_osd(*id))?;
        if draft.next.crush.item_name(item).is_none() {
            return Err(no_osd(*id));
        }
    }
    draft.next.crush.make_mut().edit(|edit| {
        for id in osds {
            edit.set_device_class(id.0 as i32, class)?; // a device number: looked at above
        }
        Ok::<(), Refusal>(())
    })
}
