//! Pools change and go.

use super::draft::Draft;
use super::pool_create::check_sizes;
use super::pool_pgs;
use super::pool_rule::{Wish, check_id, rule_for};
use super::{Answer, ec};
use crate::feature::Feature;
use crate::ids::PoolId;
use crate::pool::{COMPANION_OPTION, FAST_READ_OPTION, Pool, default_min_size};
use crate::pool_compression;
use crate::pool_placement::PoolPlacement;
use crate::refusal::{Refusal, RefusalKind};
use crush::Mode;

/// Options kept for other parts, with what they say.
const OPTIONS: [(&str, &str); 2] =
    [("quota_bytes", "most bytes of objects; 0: no limit"), ("quota_objects", "most objects; 0: no limit")];

pub(super) fn set(draft: &mut Draft<'_>, name: &str, key: &str, value: &str) -> Result<Answer, Refusal> {
    let id = find(draft, name)?;
    let number = || {
        value
            .parse::<u32>()
            .map_err(|_| Refusal::invalid(format!("{key} of pool {name} is a whole number, not {value:?}")))
    };
    match key {
        "size" => {
            let size = number()?;
            if pool(draft, id)?.fewest_shards().is_some() {
                let text = format!(
                    "pool {name} is erasure-coded, and its number of shards is that of its profile; make another pool \
                     with the profile you want"
                );
                return Err(Refusal::new(RefusalKind::Impossible, text));
            }
            check_sizes(size, 1)?;
            let (before, rule) = (pool(draft, id)?.size, pool(draft, id)?.crush_rule);
            // Fewer are always possible, also on a map that lost members.
            if size > before {
                check_id(&draft.next, rule, size)?;
            }
            let pool = pool(draft, id)?;
            pool.size = size;
            pool.min_size = default_min_size(size);
        }
        "min_size" => {
            let (min_size, pool) = (number()?, pool(draft, id)?);
            match pool.fewest_shards() {
                Some(fewest) => ec::check_min_size(min_size, fewest, pool.size)?,
                None => check_sizes(pool.size, min_size)?,
            }
            pool.min_size = min_size;
        }
        "failure_domain" => {
            let rule = new_rule(draft, id, &PoolPlacement::Spread, Some(value))?;
            pool(draft, id)?.crush_rule = rule;
        }
        "crush_rule" => {
            let rule = new_rule(draft, id, &PoolPlacement::Rule { name: value.to_owned() }, None)?;
            pool(draft, id)?.crush_rule = rule;
        }
        "application" => pool(draft, id)?.application = short(value)?,
        "companion" => set_companion(draft, id, value)?,
        "pg_num" => pool_pgs::set_pg_num(draft, id, number()?)?,
        "pgp_num" => pool_pgs::set_pgp_num(draft, id, number()?)?,
        FAST_READ_OPTION => set_fast_read(draft, id, value)?,
        _ if pool_compression::OPTIONS.contains(&key) => {
            pool_compression::check(key, value).map_err(|wanted| {
                Refusal::invalid(format!("{key} of pool {name} is {wanted}, not {value:?}"))
            })?;
            pool(draft, id)?.options.insert(key.to_owned(), value.to_owned());
        }
        _ if OPTIONS.iter().any(|(option, _)| *option == key) => {
            number()?;
            pool(draft, id)?.options.insert(key.to_owned(), value.to_owned());
        }
        _ => {
            let known = OPTIONS.iter().map(|(option, _)| *option);
            let known: Vec<&str> = [
                "size",
                "min_size",
                "pg_num",
                "pgp_num",
                "failure_domain",
                "crush_rule",
                "application",
                "companion",
                FAST_READ_OPTION,
            ]
            .into_iter()
            .chain(pool_compression::OPTIONS)
            .chain(known)
            .collect();
            return Err(Refusal::not_found(format!(
                "a pool has no setting {key:?}; it has {}",
                known.join(", ")
            )));
        }
    }
    Ok(Answer::Done)
}

pub(super) fn remove(draft: &mut Draft<'_>, name: &str) -> Result<Answer, Refusal> {
    let id = find(draft, name)?;
    let served = draft.next.pools.values().find(|pool| pool.companion() == Some(name));
    if let Some(served) = served {
        let text = format!(
            "pool {name} keeps the metadata of the erasure-coded pool {}, which is worth nothing without it; remove {} first",
            served.name, served.name
        );
        return Err(Refusal::new(RefusalKind::Unsafe, text));
    }
    draft.next.pools.remove(&id);
    Ok(Answer::Done)
}

/// What lies in the companion is not moved, so it stays what it was once.
fn set_companion(draft: &mut Draft<'_>, id: PoolId, name: &str) -> Result<(), Refusal> {
    draft.next.too_new(Feature::ErasureSnapshots.level())?;
    let coded = pool(draft, id)?;
    if coded.fewest_shards().is_none() {
        let text = format!(
            "pool {} is replicated and keeps its metadata itself; only an erasure-coded pool has a companion",
            coded.name
        );
        return Err(Refusal::invalid(text));
    }
    if let Some(other) = coded.companion().filter(|other| *other != name) {
        let text = format!(
            "pool {} has the companion {other}, and what it keeps there is not moved; make another pool for another one",
            coded.name
        );
        return Err(Refusal::new(RefusalKind::Impossible, text));
    }
    ec::check_companion(draft, name)?;
    pool(draft, id)?.options.insert(COMPANION_OPTION.to_owned(), name.to_owned());
    Ok(())
}

/// Older programs know no such setting, and would refuse what others carry out.
fn set_fast_read(draft: &mut Draft<'_>, id: PoolId, value: &str) -> Result<(), Refusal> {
    draft.next.too_new(Feature::ErasureRecords.level())?;
    let pool = pool(draft, id)?;
    let text = |what: &str| Refusal::invalid(format!("fast_read of pool {} {what}", pool.name));
    let on = match value {
        "1" | "true" => true,
        "0" | "false" => false,
        _ => return Err(text(&format!("is true or false, not {value:?}"))),
    };
    if on && pool.fewest_shards().is_none() {
        return Err(text(
            "makes no sense: it has reads ask more shards than they need, and this pool has copies",
        ));
    }
    pool.options.insert(FAST_READ_OPTION.to_owned(), on.to_string());
    Ok(())
}

/// The rule that a pool which exists would get.
fn new_rule(
    draft: &mut Draft<'_>,
    id: PoolId,
    placement: &PoolPlacement,
    domain: Option<&str>,
) -> Result<u32, Refusal> {
    let pool = pool(draft, id)?;
    let mode = if pool.can_shift() { Mode::Firstn } else { Mode::Indep };
    let wish = Wish { placement, domain, class: None, size: pool.size, mode };
    rule_for(draft, wish)
}

fn find(draft: &Draft<'_>, name: &str) -> Result<PoolId, Refusal> {
    draft.next.pool_id(name).ok_or_else(|| {
        Refusal::not_found(format!("there is no pool {name}; `nacre pool ls` shows those there are"))
    })
}

fn pool<'d>(draft: &'d mut Draft<'_>, id: PoolId) -> Result<&'d mut Pool, Refusal> {
    draft.next.pools.get_mut(&id).ok_or_else(|| Refusal::not_found(format!("pool {id} does not exist")))
}

fn short(value: &str) -> Result<String, Refusal> {
    if value.len() <= 128 { Ok(value.to_owned()) } else { Err(Refusal::invalid("at most 128 bytes")) }
}
