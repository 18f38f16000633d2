//! Methods on objects: put, get, delete, with their conditions.

use super::api::{
    BULK_MAX, Bulk, BulkReply, Conditions, DeleteRow, GetRow, GotRow, INLINE_BYTES_MAX, PutReply, PutRow,
    Refusal,
};
use super::key;
use super::rows::{Detail, Head, Part, Version, Versioning, Which};
use super::shard::{Shard, Stored, refuse};
use super::version::{self, New, make_room, newest, put_in};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use stdx::Errno;

/// Details up to so many bytes lie in the object's row, where listings pass over them; larger ones have a
/// row of their own, so that a page of a listing never drags manifests and long metadata along.
pub(super) const DETAIL_EMBEDDED_MAX: usize = 256;
/// 5 GiB in objects of 4 KiB, and some.
const RUN_OBJECTS_MAX: u64 = 2 << 20;

/// Checks conditions as S3 does: without an object `If-Match` finds nothing, `If-None-Match` holds.
pub(super) fn check(conditions: &Conditions, old: Option<&Head>) -> Result<(), ClassError> {
    match (&conditions.if_match, old) {
        (Some(_), None) => return Err(refuse(Refusal::Absent)),
        (Some(m), Some(head)) if !m.holds(head) => return Err(refuse(Refusal::Precondition)),
        _ => {}
    }
    match (&conditions.if_none_match, old) {
        (Some(m), Some(head)) if m.holds(head) => Err(refuse(Refusal::Precondition)),
        _ => Ok(()),
    }
}

/// Refuses a run of so many data objects that freeing it would never end.
pub(super) fn well_formed(run: &Part) -> Result<(), ClassError> {
    let objects = run.size.checked_div(u64::from(run.object_bytes));
    if objects.is_some_and(|n| n <= RUN_OBJECTS_MAX) { Ok(()) } else { Err(Errno::EINVAL.into()) }
}

pub(super) fn put(ctx: &mut MethodContext<'_, '_>, input: PutRow) -> Result<PutReply, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    let reply = put_one(&mut shard, input)?;
    shard.close();
    Ok(reply)
}

/// See `Bulk`.
pub(super) fn put_many(ctx: &mut MethodContext<'_, '_>, input: Bulk) -> Result<BulkReply, ClassError> {
    // Two rows of one key would not see each other: what a method sets takes effect at its end.
    let in_order = input.rows.is_sorted_by(|a, b| a.key < b.key);
    if input.rows.is_empty() || input.rows.len() > BULK_MAX || !in_order {
        return Err(Errno::EINVAL.into());
    }
    let mut shard = Shard::open(ctx, input.generation)?;
    let mut stored = 0;
    for row in input.rows {
        if stored > 0 && !shard.header.owns(&row.key) {
            break;
        }
        put_one(&mut shard, row)?;
        stored += 1;
    }
    let reply = BulkReply { stored, stat: shard.stat() };
    shard.close();
    Ok(reply)
}

fn put_one(shard: &mut Shard<'_, '_, '_>, input: PutRow) -> Result<PutReply, ClassError> {
    shard.own(&input.key)?;
    let runs = &input.detail.runs;
    let told = if runs.is_empty() {
        Some(input.inline.len() as u64).filter(|_| input.inline.len() <= INLINE_BYTES_MAX)
    } else {
        runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.size)).filter(|_| input.inline.is_empty())
    };
    if told != Some(input.head.size) {
        return Err(Errno::EINVAL.into());
    }
    runs.iter().try_for_each(well_formed)?;
    let latest = version::latest(shard, &input.key)?;
    // The same put again, whose first answer was lost: done as it was. To carry it out twice would make garbage of the
    // very run that the row names, and its conditions may not hold any more because it happened.
    if let Some((_, done)) = latest.as_ref().filter(|(_, l)| l.is_of(runs)) {
        let (head, version) = (Some(done.row.head.clone()), done.row.version);
        return Ok(PutReply { replaced: false, head, stat: shard.stat(), version, marker: false });
    }
    let nonce = if input.versioning == Versioning::Enabled { input.nonce } else { 0 };
    let before = version::made_before(shard, &input.key, latest.as_ref(), nonce)?;
    if before.is_some() || shard.was_named(&input.key, runs.iter().map(|r| r.tag))? {
        let version = before.unwrap_or_default();
        let (head, stat) = (Some(input.head), shard.stat());
        return Ok(PutReply { replaced: false, head, stat, version, marker: false });
    }
    shard.alive(&input.key, runs.iter().map(|r| r.tag))?;
    let old = latest.as_ref().map(|(_, l)| l).filter(|l| !l.row.marker);
    check(&input.conditions, old.map(|o| &o.row.head))?;
    let replaced = old.is_some();
    let due_ms = shard.now_ms().saturating_add(input.gc_delay_ms);
    let version = make_room(shard, &input.key, latest, input.versioning, input.nonce, due_ms)?;
    let head = input.head.clone();
    let new = New { head: input.head, detail: input.detail, inline: input.inline, version, marker: false };
    put_in(shard, &input.key, new, true);
    Ok(PutReply { replaced, head: Some(head), stat: shard.stat(), version, marker: false })
}

/// Checks the conditions of a delete. What is not there needs no deleting, whatever was expected of it.
fn check_delete(input: &DeleteRow, old: &Stored) -> Result<(), ClassError> {
    let head = &old.row.head;
    check(&input.conditions, Some(head))?;
    if input.if_mtime_s.is_some_and(|s| s != head.mtime_ms / 1000)
        || input.if_size.is_some_and(|n| n != head.size)
    {
        return Err(refuse(Refusal::Precondition));
    }
    let other = input.if_attrs.as_ref().is_some_and(|seen| *seen != old.detail.attrs)
        || input.if_seen.is_some_and(|seen| seen != (old.row.version, head.mtime_ms));
    if other { Err(refuse(Refusal::Changed)) } else { Ok(()) }
}

pub(super) fn delete(ctx: &mut MethodContext<'_, '_>, input: DeleteRow) -> Result<PutReply, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let found = version::find(&shard, &input.key, input.which)?;
    if let Some((_, old)) = &found {
        check_delete(&input, old)?;
    }
    let due_ms = shard.now_ms().saturating_add(input.gc_delay_ms);
    let replaced = found.is_some();
    let mut reply =
        PutReply { replaced, head: None, stat: shard.stat(), version: Version::default(), marker: false };
    let conditional = input.conditions.if_match.is_some()
        || input.if_mtime_s.is_some()
        || input.if_size.is_some()
        || input.if_seen.is_some();
    let hides = input.which == Which::Current
        && match (&found, input.versioning) {
            // A condition on what is not there asks for nothing.
            (None, _) if conditional => false,
            (None, versioning) => versioning != Versioning::Off,
            (Some((_, l)), Versioning::Off) => {
                l.row.marker
                    || !l.row.version.is_null()
                    // A bucket that never had versions pays nothing for this.
                    || (shard.counters.versions > 0 && newest(&shard, &input.key, None)?.is_some())
            }
            (Some(_), _) => true,
        };
    if hides {
        let marker = Head { mtime_ms: shard.now_ms(), ..Head::default() };
        let version = make_room(&mut shard, &input.key, found, input.versioning, input.nonce, due_ms)?;
        let new =
            New { head: marker, detail: Detail::default(), inline: Bytes::new(), version, marker: true };
        put_in(&mut shard, &input.key, new, false);
        (reply.version, reply.marker) = (version, true);
    } else if let Some((place, old)) = found {
        version::remove(&mut shard, &input.key, place, &old, due_ms, input.bypass)?;
        (reply.version, reply.marker) = (old.row.version, old.row.marker);
    }
    reply.stat = shard.stat();
    shard.close();
    Ok(reply)
}

pub(super) fn get(ctx: &mut MethodContext<'_, '_>, input: GetRow) -> Result<Option<GotRow>, ClassError> {
    let shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let Some((place, object)) = version::find(&shard, &input.key, input.which)? else { return Ok(None) };
    let inline = if input.inline && object.is_inline() {
        shard.draft().omap_get(&place.row(key::INLINE, &input.key))?.ok_or(Errno::EIO)?
    } else {
        Bytes::new()
    };
    let (version, marker) = (object.row.version, object.row.marker);
    Ok(Some(GotRow { head: object.row.head, detail: object.detail, inline, version, marker }))
}
