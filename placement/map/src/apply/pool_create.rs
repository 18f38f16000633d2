//! New pools, and where their copies may lie.

use super::Answer;
use super::cluster::ROOT;
use super::draft::Draft;
use crate::cluster_map::ClusterMap;
use crate::command::PoolCreate;
use crate::ids::PoolId;
use crate::pool::{PG_NUM_MAX, Pool, PoolKind, SIZE_MAX, default_min_size};
use crate::refusal::{Refusal, RefusalKind};
use crush::Mode;
use std::collections::BTreeMap;

/// The longest pool name.
const NAME_BYTES_MAX: usize = 128;
/// The most pools.
const POOLS_MAX: usize = 4096;

pub(super) fn create(draft: &mut Draft<'_>, wanted: &PoolCreate) -> Result<Answer, Refusal> {
    let name = &wanted.name;
    let printable = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(printable) {
        let text =
            format!("{name:?} is no pool name: 1 to {NAME_BYTES_MAX} letters, digits, '.', '-' and '_'");
        return Err(Refusal::invalid(text));
    }
    if draft.next.pool_id(name).is_some() {
        return Err(Refusal::new(RefusalKind::Exists, format!("pool {name} exists already")));
    }
    if draft.next.pools.len() >= POOLS_MAX {
        return Err(Refusal::new(RefusalKind::Impossible, format!("there are {POOLS_MAX} pools already")));
    }
    let default = |key: &str| draft.next.setting("mon", key).and_then(|v| v.parse::<u32>().ok());
    let size = wanted.size.or_else(|| default("osd_pool_default_size")).unwrap_or(3);
    let pg_num = wanted.pg_num.or_else(|| default("osd_pool_default_pg_num")).unwrap_or(32);
    let min_size = wanted.min_size.unwrap_or_else(|| default_min_size(size));
    check_sizes(size, min_size)?;
    if !(1..=PG_NUM_MAX).contains(&pg_num) {
        return Err(Refusal::invalid(format!("pg_num goes from 1 to {PG_NUM_MAX}")));
    }
    let domain = match &wanted.failure_domain {
        Some(domain) => {
            check_domain(&draft.next, domain, size)?;
            domain.clone()
        }
        None => widest_domain(&draft.next, size).to_owned(),
    };
    let crush_rule = rule_for(draft, &domain)?;
    let id = draft.next.next_pool;
    let pool = Pool {
        name: name.clone(),
        kind: PoolKind::Replicated,
        size,
        min_size,
        pg_num,
        pgp_num: pg_num,
        crush_rule,
        hashpspool: true,
        application: wanted.application.clone(),
        options: BTreeMap::new(),
        created: draft.epoch(),
    };
    draft.next.pools.insert(id, pool);
    draft.next.next_pool = PoolId(id.0 + 1);
    Ok(Answer::Pool(id))
}

pub(super) fn check_sizes(size: u32, min_size: u32) -> Result<(), Refusal> {
    if !(1..=SIZE_MAX).contains(&size) {
        return Err(Refusal::invalid(format!("a pool keeps 1 to {SIZE_MAX} copies, not {size}")));
    }
    if !(1..=size).contains(&min_size) {
        return Err(Refusal::invalid(format!("min_size goes from 1 to size ({size}), not {min_size}")));
    }
    Ok(())
}

/// How many buckets of a type (or OSDs) below the root hold at least one OSD.
pub(crate) fn members(map: &ClusterMap, domain: &str) -> Option<u32> {
    let kind = map.crush.type_id(domain)?;
    let Some(root) = map.crush.item_id(ROOT) else { return Some(0) };
    let below = map.crush.under(root);
    let of_kind = below.iter().filter(|item| {
        map.crush.kind_of(**item) == Some(kind)
            && !map.crush.is_shadow(**item)
            && !map.crush.devices_under(**item).is_empty()
    });
    Some(u32::try_from(of_kind.count()).unwrap_or(u32::MAX))
}

/// The wider of host and osd that has `size` members.
pub(crate) fn widest_domain(map: &ClusterMap, size: u32) -> &'static str {
    if members(map, "host").is_some_and(|hosts| hosts >= size) { "host" } else { "osd" }
}

/// Whether a failure domain that somebody asked for can be had.
pub(super) fn check_domain(map: &ClusterMap, domain: &str, size: u32) -> Result<(), Refusal> {
    let Some(there) = members(map, domain) else {
        let types: Vec<&str> = map.crush.types().map(|(_, name)| name).collect();
        let text = format!("there is no failure domain {domain:?}; CRUSH knows {}", types.join(", "));
        return Err(Refusal::not_found(text));
    };
    if there < size {
        let text = format!(
            "{size} copies in different {domain}s need {size} of them, and below root {ROOT} there are {there}; add \
             OSDs in more {domain}s, ask for fewer copies, or for a narrower failure domain"
        );
        return Err(Refusal::new(RefusalKind::Impossible, text));
    }
    Ok(())
}

/// The rule for copies in different `domain`s; made when first asked for.
pub(super) fn rule_for(draft: &mut Draft<'_>, domain: &str) -> Result<u32, Refusal> {
    let name = format!("replicated_{domain}");
    match draft.next.crush.rule_id(&name) {
        Some(rule) => Ok(rule),
        None => Ok(draft.next.crush.make_mut().add_simple_rule(&name, ROOT, domain, None, Mode::Firstn)?),
    }
}
