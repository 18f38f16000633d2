//! Central settings and cluster-wide flags.

use super::Answer;
use super::draft::Draft;
use crate::config::{check, find, section_ok};
use crate::flags::Flag;
use crate::refusal::Refusal;

pub(super) fn set(draft: &mut Draft<'_>, section: &str, key: &str, value: &str) -> Result<Answer, Refusal> {
    if !section_ok(section) {
        let text = format!(
            "{section:?} is no section; use global, mon, osd, gateway, nbd, client, or a daemon such as osd.3"
        );
        return Err(Refusal::invalid(text));
    }
    let setting = find(key).ok_or_else(|| {
        Refusal::not_found(format!("there is no setting {key:?}; `nacre config ls` shows those there are"))
    })?;
    check(setting, value).map_err(Refusal::invalid)?;
    draft.next.config.insert((section.to_owned(), key.to_owned()), value.to_owned());
    Ok(Answer::Done)
}

pub(super) fn remove(draft: &mut Draft<'_>, section: &str, key: &str) -> Result<Answer, Refusal> {
    draft.next.config.remove(&(section.to_owned(), key.to_owned()));
    Ok(Answer::Done)
}

pub(super) fn set_flag(draft: &mut Draft<'_>, flag: &str, on: bool) -> Result<Answer, Refusal> {
    let known = Flag::named(flag).ok_or_else(|| {
        let names: Vec<&str> = Flag::names().collect();
        Refusal::not_found(format!("there is no flag {flag:?}; there are {}", names.join(", ")))
    })?;
    draft.next.flags.set(known, on);
    Ok(Answer::Done)
}
