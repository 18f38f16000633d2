//! The key in the middle of a shard, where it is to be split: found in one walk, or step by step, so that no operation
//! on a large shard takes long.

use super::key;
use super::lifecycle::read_split;
use super::rows::State;
use super::scan::Scan;
use super::shard::Shard;
use super::split_api::{MiddleStep, SplitMiddle};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::ops::Bound;
use stdx::Errno;

/// The most rows of one step.
const ROWS_MAX: u32 = 8192;

/// The key in the middle of what there is most of: objects, other versions, or uploads. None if all rows belong
/// to one key.
pub(super) fn middle(shard: &Shard<'_, '_, '_>) -> Result<Option<Bytes>, ClassError> {
    for (n, section) in sections(shard) {
        if let Some(at) = middle_of(shard, section, n)? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

/// The kinds of rows that have keys, what there is most of first.
fn sections(shard: &Shard<'_, '_, '_>) -> [(u64, u8); 3] {
    let c = shard.counters;
    let mut sections = [(c.keys, key::OBJECT), (c.versions, key::VERSION), (c.uploads, key::UPLOAD)];
    sections.sort_by(|a, b| b.cmp(a));
    sections
}

/// The rows of a section, but for those behind the range: they are being taken in by a merge.
fn rows_of<'a, 'v>(shard: &'a Shard<'_, '_, 'v>, section: u8, start: Bound<Bytes>) -> Scan<'a, 'v> {
    let end = shard
        .header
        .to
        .as_ref()
        .map_or_else(|| key::section_end(section), |to| key::position(section, to).into());
    Scan::new(shard.draft(), start, end)
}

/// Goes on with the search.
pub(super) fn step(ctx: &mut MethodContext<'_, '_>, input: SplitMiddle) -> Result<MiddleStep, ClassError> {
    let shard = Shard::open_any(ctx)?;
    let sections = sections(&shard);
    let mut at = input.from;
    if at.section == 0 {
        at = MiddleStep { section: sections[0].1, ..MiddleStep::default() };
    }
    let Some((n, section)) = sections.into_iter().find(|(_, section)| *section == at.section) else {
        return Err(Errno::EINVAL.into());
    };
    let none = MiddleStep { over: true, at: None, ..at.clone() };
    if shard.header.state != State::Active || read_split(&shard)?.is_some() {
        return Ok(none);
    }
    let start = Bound::Included(Bytes::from(vec![section]));
    let Some((first, _)) = rows_of(&shard, section, start.clone()).few().next()? else { return Ok(none) };
    let (first, _) = key::parse(&first).ok_or(Errno::EIO)?;
    let start = if at.after.is_empty() { start } else { Bound::Excluded(at.after.clone()) };
    let mut scan = rows_of(&shard, section, start);
    for _ in 0..input.rows_max.clamp(1, ROWS_MAX) {
        let Some((row, _)) = scan.next()? else { return Ok(none) };
        let (key, _) = key::parse(&row).ok_or(Errno::EIO)?;
        at.seen += 1;
        if at.seen > n / 2 && key > first {
            return Ok(MiddleStep { over: true, at: Some(key), ..at });
        }
        at.after = row;
    }
    Ok(at)
}

fn middle_of(shard: &Shard<'_, '_, '_>, section: u8, n: u64) -> Result<Option<Bytes>, ClassError> {
    let within = || rows_of(shard, section, Bound::Included(Bytes::from(vec![section])));
    let mut scan = within().few();
    let Some((row, _)) = scan.next()? else { return Ok(None) };
    let (key, _) = key::parse(&row).ok_or(Errno::EIO)?;
    scan.seek(&key::position(section, &key::after_key(&key)));
    if scan.next()?.is_none() {
        // One key, of however many versions: not worth a walk, for it is asked again and again.
        return Ok(None);
    }
    let mut scan = within();
    let mut first: Option<Bytes> = None;
    let mut seen = 0;
    while let Some((row, _)) = scan.next()? {
        let (key, _) = key::parse(&row).ok_or(Errno::EIO)?;
        seen += 1;
        match &first {
            None => first = Some(key),
            Some(first) if seen > n / 2 && key > *first => return Ok(Some(key)),
            Some(_) => {}
        }
    }
    Ok(None)
}
