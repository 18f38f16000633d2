//! OSDs come, restart and go.

use super::cluster::ROOT;
use super::draft::{Draft, no_osd};
use super::{Answer, feature_level, keys};
use crate::command::OsdBoot;
use crate::feature::Feature;
use crate::flags::Flag;
use crate::ids::OsdId;
use crate::location::{self, LEVELS_MAX};
use crate::osd::{OsdInfo, Uuid, WEIGHT_ONE};
use crate::refusal::{Refusal, RefusalKind};

/// OSD numbers are below this: CRUSH's own bound would let one number cost 64 MiB of weights.
const OSDS_MAX: u32 = 1 << 16;

pub(super) fn osd_new(draft: &mut Draft<'_>, id: Option<OsdId>, uuid: Uuid) -> Result<Answer, Refusal> {
    if uuid == Uuid::default() {
        return Err(Refusal::invalid("an OSD's store needs a uuid; `nacre osd mkfs` gives it one"));
    }
    let known = draft.next.osds.iter().find(|(_, osd)| osd.uuid == uuid).map(|(known, _)| *known);
    if let Some(known) = known {
        return match id {
            Some(wanted) if wanted != known => {
                Err(Refusal::new(RefusalKind::Exists, format!("this store is {known} already, not {wanted}")))
            }
            _ => Ok(Answer::Osd(known)),
        };
    }
    let free = || (0..OSDS_MAX).map(OsdId).find(|id| !draft.next.osds.contains_key(id));
    let id = id.or_else(free).filter(|id| id.0 < OSDS_MAX);
    let id = id.ok_or_else(|| Refusal::invalid(format!("OSD numbers are below {OSDS_MAX}")))?;
    if draft.next.osds.contains_key(&id) {
        let text =
            format!("{id} exists with another store; `nacre osd rm {}` first, or ask for no number", id.0);
        return Err(Refusal::new(RefusalKind::Exists, text));
    }
    draft.next.osds.insert(id, OsdInfo::new(uuid));
    Ok(Answer::Osd(id))
}

pub(super) fn osd_boot(draft: &mut Draft<'_>, boot: &OsdBoot) -> Result<Answer, Refusal> {
    let id = boot.id;
    if draft.next.flags.has(Flag::NoUp) {
        let text = format!("{id} may not boot while the flag noup is set; `nacre osd unset noup` lets it");
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    feature_level::admit(draft, &id.to_string(), boot.feature_level)?;
    if id.0 >= OSDS_MAX || boot.location.len() > LEVELS_MAX || boot.uuid == Uuid::default() {
        return Err(Refusal::invalid(format!(
            "{id} cannot boot: its number, location or store uuid makes no sense"
        )));
    }
    if let Some((other, _)) =
        draft.next.osds.iter().find(|(other, osd)| osd.uuid == boot.uuid && **other != id)
    {
        let text = format!("{id} shows the store of {other}; start it under that number");
        return Err(Refusal::new(RefusalKind::Exists, text));
    }
    let known = draft.next.osds.get(&id);
    let repeated = |osd: &OsdInfo| {
        osd.up && osd.nonce == boot.nonce && osd.uuid == boot.uuid && osd.addr == Some(boot.addr)
    };
    if known.is_some_and(repeated) {
        return Ok(Answer::Done);
    }
    let displaces = |osd: &OsdInfo| osd.up && osd.uuid != boot.uuid;
    if known.is_some_and(displaces) && draft.next.has(Feature::Guards) {
        // Two hosts with one token would take the number from each other for ever, each time voiding what the other
        // holds. A store that was really replaced gets in once its predecessor's silence was noticed.
        let text = format!(
            "{id} is up with another store; stop that one, or give this host a token of its own (`nacre cluster token`)"
        );
        return Err(Refusal::new(RefusalKind::Exists, text));
    }
    // Stop first, so that everything the old incarnation promised is void; then lose what is lost; then start.
    draft.take_down(id);
    let first = draft.next.osds.get(&id).is_none_or(|osd| osd.up_from.0 == 0);
    let replaced = draft.next.osds.get(&id).is_some_and(|osd| osd.uuid != boot.uuid);
    if boot.damaged || replaced {
        draft.lost.insert(id);
    }
    place(draft, boot)?;
    let (epoch, noin) = (draft.epoch(), draft.next.flags.has(Flag::NoIn));
    let osd = draft.next.osds.entry(id).or_insert_with(|| OsdInfo::new(boot.uuid));
    osd.uuid = boot.uuid;
    osd.addr = Some(boot.addr);
    osd.nonce = boot.nonce;
    osd.up = true;
    osd.up_from = epoch;
    if let Some(weight) = osd.auto_out.take() {
        osd.weight = weight;
    } else if first && !noin {
        osd.weight = WEIGHT_ONE;
    }
    Ok(Answer::Done)
}

/// Puts the OSD where it says it is. Its CRUSH weight is set only when it is new there: later it is the operator's.
fn place(draft: &mut Draft<'_>, boot: &OsdBoot) -> Result<(), Refusal> {
    let item = boot.id.0 as i32; // below OSDS_MAX
    // What the operator set centrally goes before what the OSD says; its host stands in where that names none.
    let set = draft.next.setting(&boot.id.to_string(), "crush_location").unwrap_or_default();
    let mut wanted = location::parse(set).map_err(Refusal::invalid)?;
    if wanted.is_empty() {
        wanted.clone_from(&boot.location);
    } else if !wanted.iter().any(|(kind, _)| kind == "host") {
        wanted.extend(boot.location.iter().find(|(kind, _)| kind == "host").cloned());
    }
    let mut location: Vec<(&str, &str)> =
        wanted.iter().map(|(kind, name)| (kind.as_str(), name.as_str())).collect();
    if !location.iter().any(|(kind, _)| *kind == "host") {
        return Err(Refusal::invalid(format!("{} does not say which host it is on", boot.id)));
    }
    if !location.iter().any(|(kind, _)| *kind == "root") {
        location.push(("root", ROOT));
    }
    let crush = &draft.next.crush;
    let class = boot.device_class.as_deref();
    let at_host = |found: &(String, String)| location.contains(&(found.0.as_str(), found.1.as_str()));
    let placed = crush.parent_of(item).is_some();
    let stays = placed && crush.location_of(item).first().is_some_and(at_host);
    let classed = class.is_none() || crush.device_class(item) == class;
    if stays && classed {
        return Ok(());
    }
    draft.next.crush.make_mut().edit(|edit| {
        if !placed {
            edit.insert_osd(item, boot.weight.max(1), &location)?;
        } else if !stays {
            edit.move_item(item, &location)?;
        }
        if !classed {
            edit.set_device_class(item, class)?;
        }
        Ok::<(), Refusal>(())
    })
}

pub(super) fn osd_rm(draft: &mut Draft<'_>, id: OsdId, force: bool) -> Result<Answer, Refusal> {
    let osd = draft.next.osds.get(&id).ok_or_else(|| no_osd(id))?;
    let unsafe_now = |text: String| Err(Refusal::new(RefusalKind::Unsafe, text));
    if osd.up {
        return unsafe_now(format!("{id} is up; stop it first (`nacre daemon stop {id}`)"));
    }
    let needed = draft.state.rows().filter(|(_, row)| row.in_sync.contains(&id)).count();
    if needed > 0 && !force {
        return unsafe_now(format!(
            "{needed} PGs wait for {id}: it may hold the only copy of acknowledged writes; start it and let them \
             recover, or give that data up with --force"
        ));
    }
    if needed > 0 {
        draft.lost.insert(id);
    }
    draft.next.osds.remove(&id);
    draft.next.config.remove(&(id.to_string(), "crush_location".to_owned()));
    let item = id.0 as i32; // below OSDS_MAX
    if draft.next.crush.item_name(item).is_some() {
        draft.next.crush.make_mut().remove_item(item)?;
    }
    draft.next.pg_upmap.retain(|_, set| !set.contains(&id));
    draft.next.pg_upmap_items.retain(|_, items| !items.iter().any(|(from, to)| *from == id || *to == id));
    keys::left(draft, id.to_string());
    Ok(Answer::Done)
}
