//! The steps of a split, of the parent and of the child (docs/formats/bucket-index.md, "Split").

use super::api::{
    ANY_GENERATION, Absorb, Delta, DeltaPage, KEY_BYTES_MAX, Refusal, RowPage, ShardStat, SplitAck,
    SplitDelta, SplitMark, SplitPage, SplitStep, SplitTake, SplitTakeAt,
};
use super::key;
use super::lifecycle::read_split;
use super::merge::give_up;
use super::middle::middle;
use super::rows::{Counters, Header, ObjectRow, Split, State};
use super::scan::Scan;
use super::shard::{Shard, refuse, stored};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use stdx::Errno;
use stdx::codec::to_bytes;

/// The commit is refused while more changes than this are on their way to the child: so many it gets within
/// a round trip or two, and only for so long is the range served by nobody.
const DELTAS_AT_COMMIT_MAX: usize = 64;
/// How many rows one call of `finish` drops.
const DROP_MAX: usize = 2048;

pub(super) fn put_split(shard: &mut Shard<'_, '_, '_>, split: &Split) {
    shard.set(Bytes::from_static(key::SPLIT), to_bytes(split));
}

/// Begins a split or takes one over.
pub(super) fn take(ctx: &mut MethodContext<'_, '_>, input: SplitTake) -> Result<ShardStat, ClassError> {
    begin(ctx, input, None)
}

/// The same, at a key that was looked for beforehand.
pub(super) fn take_at(ctx: &mut MethodContext<'_, '_>, input: SplitTakeAt) -> Result<ShardStat, ClassError> {
    begin(ctx, input.take, Some(input.at))
}

fn begin(
    ctx: &mut MethodContext<'_, '_>,
    input: SplitTake,
    at: Option<Bytes>,
) -> Result<ShardStat, ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    let split = match read_split(&shard)? {
        Some(split) => Split { driver: input.driver, ..split },
        None => {
            match shard.header.state {
                State::Active => {}
                State::Filling { parent, .. } => return Err(refuse(Refusal::NotYet { parent })),
                State::Retired { .. } => return Err(refuse(Refusal::Retired)),
            }
            let c = shard.counters;
            if c.entries() <= input.keys_max && c.row_bytes <= input.row_bytes_max {
                return Err(refuse(Refusal::Unsplittable));
            }
            // The range may be another one than that in which it was looked for.
            let within = |at: &Bytes| {
                let Header { from, to, .. } = &shard.header;
                at > from && to.as_ref().is_none_or(|to| at < to) && at.len() <= KEY_BYTES_MAX
            };
            let at = match at {
                Some(at) => Some(at).filter(within),
                None => middle(&shard)?,
            };
            let at = at.ok_or_else(|| refuse(Refusal::Unsplittable))?;
            give_up(&mut shard)?;
            shard.header.splitting = Some(at.clone());
            Split {
                child: input.child,
                at,
                driver: input.driver,
                cursor: Bytes::new(),
                copied: false,
                handed: false,
                merge: None,
            }
        }
    };
    put_split(&mut shard, &split);
    let stat = ShardStat { header: shard.header.clone(), counters: shard.counters, split: Some(split) };
    shard.close();
    Ok(stat)
}

/// The split, for its driver.
pub(super) fn driven(shard: &Shard<'_, '_, '_>, driver: u64) -> Result<Split, ClassError> {
    match read_split(shard)? {
        Some(split) if split.driver == driver => Ok(split),
        _ => Err(refuse(Refusal::NotDriver)),
    }
}

/// Where the moving rows of a section begin.
fn moving_start(section: u8, at: &[u8]) -> Bytes {
    if section == key::REVOKED { Bytes::from(vec![section]) } else { key::position(section, at).into() }
}

/// Rows of the moving range behind `cursor`, in row order, about `bytes_max` of them.
fn moving_rows(
    shard: &Shard<'_, '_, '_>,
    at: &[u8],
    cursor: &Bytes,
    rows_max: usize,
    bytes_max: usize,
    sections: &[u8],
) -> Result<Vec<(Bytes, Bytes)>, ClassError> {
    let mut rows = Vec::new();
    let mut bytes = 0;
    for section in sections {
        let end = key::section_end(*section);
        if *cursor >= end {
            continue;
        }
        let start = moving_start(*section, at);
        let start = if *cursor >= start { Bound::Excluded(cursor.clone()) } else { Bound::Included(start) };
        let mut scan = Scan::new(shard.draft(), start, end);
        while let Some((row, value)) = scan.next()? {
            bytes += row.len() + value.len();
            rows.push((row, value));
            if bytes >= bytes_max || rows.len() >= rows_max {
                return Ok(rows);
            }
        }
    }
    Ok(rows)
}

// What is large is read, what is written answers little: a PG remembers the answers of writes for replays.

pub(super) fn page(ctx: &mut MethodContext<'_, '_>, input: SplitPage) -> Result<RowPage, ClassError> {
    let shard = Shard::open_any(ctx)?;
    let split = driven(&shard, input.driver)?;
    let bytes_max = input.bytes_max.clamp(1, 8 << 20) as usize;
    let rows = moving_rows(&shard, &split.at, &input.after, usize::MAX, bytes_max, &key::MOVING)?;
    Ok(RowPage { done: rows.is_empty(), rows })
}

pub(super) fn mark(ctx: &mut MethodContext<'_, '_>, input: SplitMark) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    let mut split = driven(&shard, input.driver)?;
    split.cursor = input.cursor;
    split.copied |= input.copied;
    put_split(&mut shard, &split);
    shard.close();
    Ok(())
}

pub(super) fn delta(ctx: &mut MethodContext<'_, '_>, input: SplitDelta) -> Result<DeltaPage, ClassError> {
    let shard = Shard::open_any(ctx)?;
    driven(&shard, input.driver)?;
    let mut page = DeltaPage::default();
    let mut bytes = 0usize;
    let start = match input.after.is_empty() {
        true => Bound::Included(Bytes::from(vec![key::CHANGED])),
        false => Bound::Excluded(key::changed_row(&input.after)),
    };
    let mut scan = Scan::new(shard.draft(), start, key::section_end(key::CHANGED));
    while let Some((noted, stamp)) = scan.next()? {
        if page.changes.len() as u64 >= u64::from(input.max) || bytes >= input.bytes_max as usize {
            page.more = true;
            break;
        }
        let row = noted.slice(1..);
        let value = shard.draft().omap_get(&row)?;
        bytes += row.len() + value.as_ref().map_or(0, Bytes::len);
        page.changes.push(Delta { row, stamp: stored(stamp)?, value });
    }
    Ok(page)
}

pub(super) fn ack(ctx: &mut MethodContext<'_, '_>, input: SplitAck) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    driven(&shard, input.driver)?;
    for (row, stamp) in &input.absorbed {
        let noted = key::changed_row(row);
        // Changed again since: it has to go once more.
        if shard.draft().omap_get(&noted)?.is_some_and(|v| v == to_bytes(stamp)) {
            shard.remove(noted);
        }
    }
    shard.close();
    Ok(())
}

/// EAGAIN while too many changes are on their way.
pub(super) fn few_outstanding(shard: &Shard<'_, '_, '_>) -> Result<(), ClassError> {
    let mut scan = shard.scan_prefix(vec![key::CHANGED]);
    let mut outstanding = 0;
    while scan.next()?.is_some() {
        outstanding += 1;
        if outstanding > DELTAS_AT_COMMIT_MAX {
            return Err(Errno::EAGAIN.into());
        }
    }
    Ok(())
}

/// The commit point: one transaction on the parent. EAGAIN while too many changes are outstanding.
pub(super) fn commit(ctx: &mut MethodContext<'_, '_>, input: SplitStep) -> Result<(), ClassError> {
    let mut shard = Shard::open(ctx, ANY_GENERATION)?;
    let mut split = driven(&shard, input.driver)?;
    if split.handed {
        return Ok(());
    }
    if !split.copied || split.merge.is_some() {
        return Err(Errno::EINVAL.into());
    }
    few_outstanding(&shard)?;
    split.handed = true;
    put_split(&mut shard, &split);
    shard.header.to = Some(split.at);
    shard.header.right = Some(split.child);
    shard.header.generation += 1;
    shard.close();
    Ok(())
}

/// Drops rows that the child has, after it was activated. Whether the split is over.
pub(super) fn finish(ctx: &mut MethodContext<'_, '_>, input: SplitStep) -> Result<bool, ClassError> {
    let mut shard = Shard::open(ctx, ANY_GENERATION)?;
    let split = driven(&shard, input.driver)?;
    if !split.handed || split.merge.is_some() {
        return Err(Errno::EINVAL.into());
    }
    if shard.scan_prefix(vec![key::CHANGED]).next()?.is_some() {
        return Err(Errno::EAGAIN.into());
    }
    let sections: Vec<u8> = key::MOVING.into_iter().filter(|s| *s != key::REVOKED).collect();
    let rows = moving_rows(&shard, &split.at, &Bytes::new(), DROP_MAX, 4 << 20, &sections)?;
    if rows.is_empty() {
        shard.header.splitting = None;
        shard.remove(Bytes::from_static(key::SPLIT));
        shard.close();
        return Ok(true);
    }
    for (row, value) in &rows {
        account(&mut shard.counters, row, Some(value), None)?;
    }
    for of_section in rows.chunk_by(|a, b| a.0[0] == b.0[0]) {
        let (first, last) = (&of_section[0].0, &of_section[of_section.len() - 1].0);
        shard.drop_rows(first.clone(), last);
    }
    shard.close();
    Ok(false)
}

/// What a row's change does to the counters.
fn account(
    c: &mut Counters,
    row: &Bytes,
    old: Option<&Bytes>,
    new: Option<&Bytes>,
) -> Result<(), ClassError> {
    let size = |v: &Bytes| stored::<ObjectRow>(v.clone()).map(|o| o.head.size);
    let (plus, minus) = (u64::from(new.is_some()), u64::from(old.is_some()));
    let bytes = |v: Option<&Bytes>| v.map_or(0, |v| (row.len() + v.len()) as u64);
    let section = row.first().copied().unwrap_or(0);
    match section {
        key::OBJECT | key::VERSION => {
            let n = if section == key::OBJECT { &mut c.keys } else { &mut c.versions };
            *n = (*n + plus).saturating_sub(minus);
            let added = new.map(size).transpose()?.unwrap_or(0);
            let taken = old.map(size).transpose()?.unwrap_or(0);
            c.object_bytes = c.object_bytes.saturating_add(added).saturating_sub(taken);
        }
        key::UPLOAD => c.uploads = (c.uploads + plus).saturating_sub(minus),
        key::GARBAGE => c.garbage = (c.garbage + plus).saturating_sub(minus),
        _ => {}
    }
    use key::{DETAIL, INLINE, NULL, OBJECT, PART, UPLOAD, VERSION};
    if [OBJECT, VERSION, DETAIL, INLINE, NULL, UPLOAD, PART].contains(&section) {
        c.row_bytes = (c.row_bytes + bytes(new)).saturating_sub(bytes(old));
    }
    Ok(())
}

/// The child takes rows over as they are.
pub(super) fn absorb(ctx: &mut MethodContext<'_, '_>, input: Absorb) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    match shard.header.state {
        State::Filling { driver, .. } if driver == input.driver => {}
        _ => return Err(refuse(Refusal::NotDriver)),
    }
    let (from, mut counters) = (shard.header.from.clone(), shard.counters);
    absorb_rows(&mut shard, &from, &mut counters, input.rows)?;
    // What setting rows counts, it has counted in the shard's own.
    shard.counters = Counters { changes: shard.counters.changes, ..counters };
    shard.close();
    Ok(())
}

/// Takes over rows of keys from `from` on, and counts them.
pub(super) fn absorb_rows(
    shard: &mut Shard<'_, '_, '_>,
    from: &[u8],
    counters: &mut Counters,
    rows: Vec<(Bytes, Option<Bytes>)>,
) -> Result<(), ClassError> {
    // The last word on each row counts.
    let rows: BTreeMap<Bytes, Option<Bytes>> = rows.into_iter().collect();
    for (row, value) in rows {
        let known = row.first() == Some(&key::REVOKED) || key::parse(&row).is_some();
        if !known || !key::moves(&row, from) {
            return Err(Errno::EINVAL.into());
        }
        let old = shard.draft().omap_get(&row)?;
        account(counters, &row, old.as_ref(), value.as_ref())?;
        match value {
            Some(value) => shard.set(row, value),
            None if old.is_some() => shard.remove(row),
            None => {}
        }
    }
    Ok(())
}

/// The child serves from here on. Harmless when it does already.
pub(super) fn activate(ctx: &mut MethodContext<'_, '_>, input: SplitStep) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    match shard.header.state {
        State::Active => return Ok(()),
        State::Filling { driver, .. } if driver == input.driver => {}
        _ => return Err(refuse(Refusal::NotDriver)),
    }
    shard.header.state = State::Active;
    shard.close();
    Ok(())
}
