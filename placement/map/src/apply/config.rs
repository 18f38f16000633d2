//! Central settings and cluster-wide flags.

use super::Answer;
use super::draft::Draft;
use crate::config::{check, check_bounds, check_section, find, ratios_in_order, section_ok};
use crate::feature::Feature;
use crate::flags::Flag;
use crate::refusal::{Refusal, RefusalKind};

/// Settings that one command may change.
const CHANGES_MAX: usize = 1000;

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
    draft.next.too_new(setting.level)?;
    check(setting, value).map_err(Refusal::invalid)?;
    if draft.next.has(Feature::Guards) {
        check_section(&draft.next, section, setting).map_err(Refusal::invalid)?;
        check_bounds(setting, value).map_err(Refusal::invalid)?;
    }
    draft.next.config.insert((section.to_owned(), key.to_owned()), value.to_owned());
    Ok(Answer::Done)
}

pub(super) fn remove(draft: &mut Draft<'_>, section: &str, key: &str) -> Result<Answer, Refusal> {
    draft.next.config.remove(&(section.to_owned(), key.to_owned()));
    Ok(Answer::Done)
}

/// What settings must be beside each other. Whoever finds them wrong already may still mend them one by one.
pub(super) fn fits(draft: &Draft<'_>) -> Result<(), Refusal> {
    let (before, after) = (&draft.state.map().config, &draft.next.config);
    if !draft.next.has(Feature::Guards) || ratios_in_order(after) || !ratios_in_order(before) {
        return Ok(());
    }
    let text = "mon_osd_nearfull_ratio would be above mon_osd_full_ratio: OSDs would be full before anybody was warned";
    Err(Refusal::invalid(text))
}

/// Several at once, all or none, in somebody's name.
pub(super) fn change(
    draft: &mut Draft<'_>,
    who: &str,
    changes: &[(String, String, Option<String>)],
) -> Result<Answer, Refusal> {
    if changes.len() > CHANGES_MAX {
        return Err(Refusal::invalid(format!("at most {CHANGES_MAX} settings are changed at once")));
    }
    for (section, key, value) in changes {
        match value {
            Some(value) => set(draft, section, key, value)?,
            None => remove(draft, section, key)?,
        };
    }
    fits(draft)?;
    draft.configured_by = Some(who.to_owned());
    Ok(Answer::Done)
}

/// Back to how it was after a change.
pub(super) fn reset(draft: &mut Draft<'_>, who: &str, version: u64) -> Result<Answer, Refusal> {
    let log = draft.state.config_log();
    let then = log.as_of(version, &draft.next.config).ok_or_else(|| {
        let text = format!(
            "how the settings were after change {version} is not known; `nacre config log` shows the changes that are kept"
        );
        Refusal::new(RefusalKind::NotFound, text)
    })?;
    draft.next.config = then;
    draft.configured_by = Some(who.to_owned());
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
