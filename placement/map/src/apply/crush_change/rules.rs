//! Rules that operators make and remove.

use super::{find, kind_number, show};
use crate::apply::draft::Draft;
use crate::pool_placement::ZONES;
use crate::refusal::{Refusal, RefusalKind};
use crush::{Error, Mode, RuleShape};

/// The type of buckets that multi-AZ rules spread over.
const ZONE: &str = "datacenter";
/// More members in one datacenter than any pool has.
const ZONE_MEMBERS_MAX: u32 = 16;

/// Where the members of a rule go.
pub(super) struct Shape<'a> {
    pub(super) root: &'a str,
    pub(super) domain: &'a str,
    pub(super) class: Option<&'a str>,
    pub(super) erasure: bool,
}

pub(super) fn create(
    draft: &mut Draft<'_>,
    name: &str,
    shape: Shape<'_>,
    zone_members: u32,
) -> Result<(), Refusal> {
    let Shape { root, domain, class, erasure } = shape;
    if draft.next.crush.rule_id(name).is_some() {
        return Err(Refusal::new(RefusalKind::Exists, format!("rule {name} exists already")));
    }
    let (top, kind) = (find(&draft.next, root)?, kind_number(&draft.next, domain)?);
    if draft.next.crush.kind_of(top).is_none_or(|of| of <= kind) {
        let text = format!("{} has no {domain}s below it; name a bucket above them", show(&draft.next, top));
        return Err(Refusal::invalid(text));
    }
    let mode = if erasure { Mode::Indep } else { Mode::Firstn };
    let levels = match zone_members {
        0 => vec![(0, domain)],
        1..=ZONE_MEMBERS_MAX => {
            let zone = kind_number(&draft.next, ZONE)?;
            if kind >= zone || draft.next.crush.kind_of(top).is_none_or(|of| of <= zone) {
                let text = format!(
                    "a rule over datacenters goes from a bucket above them to a type below: {domain} of {}",
                    show(&draft.next, top)
                );
                return Err(Refusal::invalid(text));
            }
            vec![(ZONES as i32, ZONE), (zone_members as i32, domain)]
        }
        _ => {
            let text =
                format!("{zone_members} members in a datacenter: 1 to {ZONE_MEMBERS_MAX} are possible");
            return Err(Refusal::invalid(text));
        }
    };
    let shape = RuleShape { root, class, levels: &levels, mode };
    let made = draft.next.crush.make_mut().edit(|edit| edit.add_shaped_rule(name, shape));
    made.map(drop).map_err(|error| match error {
        Error::NoSuchClass(class) => Refusal::not_found(format!(
            "no OSD has device class {class:?}; `nacre crush set-device-class {class} OSD...` gives it"
        )),
        other => other.into(),
    })
}

pub(super) fn remove(draft: &mut Draft<'_>, name: &str) -> Result<(), Refusal> {
    let missing = || {
        Refusal::not_found(format!("there is no rule {name}; `nacre crush rule ls` shows those there are"))
    };
    let id = draft.next.crush.rule_id(name).ok_or_else(missing)?;
    let users: Vec<&str> = draft
        .next
        .pools
        .values()
        .filter(|pool| pool.crush_rule == id)
        .map(|pool| pool.name.as_str())
        .collect();
    if !users.is_empty() {
        let text = format!("rule {name} places the pools {}; give them another first", users.join(", "));
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    draft.next.crush.make_mut().remove_rule(id)?;
    Ok(())
}
