//! Rules that operators make and remove.

use super::{find, kind_number, show};
use crate::apply::draft::Draft;
use crate::refusal::{Refusal, RefusalKind};
use crush::{Error, Mode};

pub(super) fn create(
    draft: &mut Draft<'_>,
    name: &str,
    root: &str,
    domain: &str,
    class: Option<&str>,
    erasure: bool,
) -> Result<(), Refusal> {
    if draft.next.crush.rule_id(name).is_some() {
        return Err(Refusal::new(RefusalKind::Exists, format!("rule {name} exists already")));
    }
    let (top, kind) = (find(&draft.next, root)?, kind_number(&draft.next, domain)?);
    if draft.next.crush.kind_of(top).is_none_or(|of| of <= kind) {
        let text = format!("{} has no {domain}s below it; name a bucket above them", show(&draft.next, top));
        return Err(Refusal::invalid(text));
    }
    let mode = if erasure { Mode::Indep } else { Mode::Firstn };
    let made = draft.next.crush.make_mut().add_simple_rule(name, root, domain, class, mode);
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
