//! Garbage: runs that nothing refers to any more, until they are freed; and fences against late commits.

use super::api::{Fence, Garbage, GarbageList, GarbagePage};
use super::key;
use super::rows::{GarbageRow, Part, State, Tag};
use super::scan::Scan;
use super::shard::{Shard, stored};
use super::version::Place;
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::collections::BTreeSet;
use std::ops::Bound;
use stdx::Errno;

/// How many rows one call looks at, due or not.
const LOOK_MAX: usize = 4096;

/// Garbage is served by active shards and by those of a bucket that is being deleted.
fn open<'c, 'd, 'v>(ctx: &'c mut MethodContext<'d, 'v>) -> Result<Shard<'c, 'd, 'v>, ClassError> {
    let shard = Shard::open_any(ctx)?;
    match shard.header.state {
        // The parent still answers for these rows, or will hand over what it has of them.
        State::Filling { .. } => Err(Errno::EAGAIN.into()),
        State::Active | State::Retired { .. } => Ok(shard),
    }
}

fn take_apart(row: &Bytes) -> Result<(Bytes, Tag), ClassError> {
    let (key, rest) = key::parse(row).ok_or(Errno::EIO)?;
    let (instance, seq) = rest.split_at_checked(8).ok_or(Errno::EIO)?;
    let number = |b: &[u8]| b.try_into().map(u64::from_be_bytes).map_err(|_| Errno::EIO);
    Ok((key, Tag { instance: number(instance)?, seq: number(seq)? }))
}

pub(super) fn list(ctx: &mut MethodContext<'_, '_>, input: GarbageList) -> Result<GarbagePage, ClassError> {
    let shard = open(ctx)?;
    let mut page = GarbagePage { right: shard.header.right, ..GarbagePage::default() };
    if shard.counters.garbage == 0 {
        return Ok(page);
    }
    let start = if input.after.is_empty() {
        Bound::Included(Bytes::from(vec![key::GARBAGE]))
    } else {
        Bound::Excluded(input.after)
    };
    let mut scan = Scan::new(shard.draft(), start, key::section_end(key::GARBAGE));
    let mut looked = 0;
    while let Some((row, value)) = scan.next()? {
        let (key, tag) = take_apart(&row)?;
        if !shard.header.owns(&key) {
            // Handed over by a split that is not finished: the child frees it.
            break;
        }
        let value: GarbageRow = stored(value)?;
        looked += 1;
        if value.due_ms <= input.now_ms {
            page.due.push(Garbage { row: row.clone(), tag, value });
        }
        if page.due.len() as u64 >= u64::from(input.max.max(1)) || looked >= LOOK_MAX {
            page.next = Some(row);
            break;
        }
    }
    Ok(page)
}

/// Forgets garbage that was freed. Rows that are not here (any more) are passed over.
pub(super) fn done(ctx: &mut MethodContext<'_, '_>, rows: Vec<Bytes>) -> Result<(), ClassError> {
    let mut shard = open(ctx)?;
    let rows: BTreeSet<Bytes> = rows.into_iter().collect();
    for row in rows {
        if row.first() != Some(&key::GARBAGE) {
            return Err(Errno::EINVAL.into());
        }
        let (key, _) = take_apart(&row)?;
        if shard.header.owns(&key) && shard.draft().omap_get(&row)?.is_some() {
            shard.counters.garbage = shard.counters.garbage.saturating_sub(1);
            shard.remove(row);
        }
    }
    shard.close();
    Ok(())
}

/// See `Fence`. In one transaction the fence stands and the question is answered: what is not referred to
/// now can never be.
pub(super) fn fence(ctx: &mut MethodContext<'_, '_>, input: Fence) -> Result<bool, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let referred = refers(&shard, &input.key, input.tag)?;
    if input.instance {
        shard.set(key::revoked_row(input.tag.instance), Bytes::new());
    } else if !referred {
        shard.set(key::tag_row(key::DISOWNED, &input.key, input.tag), Bytes::new());
    }
    shard.close();
    Ok(referred)
}

/// The question of `fence` alone: for a run whose commit was answered, so that no other sending of it is under way.
pub(super) fn referred(ctx: &mut MethodContext<'_, '_>, input: Fence) -> Result<bool, ClassError> {
    let shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    refers(&shard, &input.key, input.tag)
}

fn refers(shard: &Shard<'_, '_, '_>, key: &[u8], tag: Tag) -> Result<bool, ClassError> {
    if shard.draft().omap_get(&key::tag_row(key::GARBAGE, key, tag))?.is_some() {
        return Ok(true);
    }
    if shard.object(key, Place::Current)?.is_some_and(|o| o.names(tag)) {
        return Ok(true);
    }
    // Keys with very many versions make this slow; it is asked only where a gateway died or an answer was lost.
    let mut versions = shard.scan_prefix(key::row(key::VERSION, key));
    while let Some((row, _)) = versions.next()? {
        let (_, rest) = key::parse(&row).ok_or(Errno::EIO)?;
        let version = key::parse_version(rest).ok_or(Errno::EIO)?;
        if shard.object(key, Place::Past(version))?.is_some_and(|o| o.names(tag)) {
            return Ok(true);
        }
    }
    let mut parts = shard.scan_prefix(key::row(key::PART, key));
    while let Some((_, value)) = parts.next()? {
        if stored::<Part>(value)?.tag == tag {
            return Ok(true);
        }
    }
    Ok(false)
}
