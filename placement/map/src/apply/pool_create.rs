//! New pools.

use super::draft::Draft;
use super::pool_rule::{Wish, rule_for};
use super::{Answer, ec};
use crate::command::PoolCreate;
use crate::ids::PoolId;
use crate::pool::{PG_NUM_MAX, Pool, PoolKind, SIZE_MAX, default_min_size};
use crate::refusal::{Refusal, RefusalKind};
use crate::snaps::PoolSnaps;
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
    let pg_num = wanted.pg_num.or_else(|| default("osd_pool_default_pg_num")).unwrap_or(32);
    if !(1..=PG_NUM_MAX).contains(&pg_num) {
        return Err(Refusal::invalid(format!("pg_num goes from 1 to {PG_NUM_MAX}")));
    }
    let safety = match &wanted.erasure {
        Some(profile) => ec::safety(draft, wanted, profile)?,
        None if wanted.companion.is_some() => {
            return Err(Refusal::invalid(format!(
                "pool {name} would be replicated and keep its metadata itself; only an erasure-coded pool has a companion"
            )));
        }
        None => {
            let size = wanted.size.or_else(|| default("osd_pool_default_size")).unwrap_or(3);
            copies(draft, wanted, size)?
        }
    };
    let id = draft.next.next_pool;
    let pool = Pool {
        name: name.clone(),
        kind: safety.kind,
        size: safety.size,
        min_size: safety.min_size,
        pg_num,
        pgp_num: pg_num,
        crush_rule: safety.crush_rule,
        hashpspool: true,
        application: wanted.application.clone(),
        options: safety.options,
        created: draft.epoch(),
        snaps: PoolSnaps::default(),
    };
    draft.next.pools.insert(id, pool);
    draft.next.next_pool = PoolId(id.0 + 1);
    Ok(Answer::Pool(id))
}

/// How a new pool keeps its objects safe.
pub(super) struct Safety {
    pub(super) kind: PoolKind,
    pub(super) size: u32,
    pub(super) min_size: u32,
    pub(super) crush_rule: u32,
    pub(super) options: BTreeMap<String, String>,
}

fn copies(draft: &mut Draft<'_>, wanted: &PoolCreate, size: u32) -> Result<Safety, Refusal> {
    let min_size = wanted.min_size.unwrap_or_else(|| default_min_size(size));
    check_sizes(size, min_size)?;
    let wish = Wish {
        placement: &wanted.placement,
        domain: wanted.failure_domain.as_deref(),
        class: wanted.device_class.as_deref(),
        size,
        mode: Mode::Firstn,
    };
    let crush_rule = rule_for(draft, wish)?;
    Ok(Safety { kind: PoolKind::Replicated, size, min_size, crush_rule, options: BTreeMap::new() })
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
