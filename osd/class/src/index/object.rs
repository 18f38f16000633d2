//! Methods on objects: put, get, delete, with their conditions.

use super::api::{Conditions, DeleteRow, GetRow, GotRow, PutReply, PutRow, Refusal};
use super::key;
use super::rows::{Detail, Head, ObjectRow, Part};
use super::shard::{Shard, Stored, refuse};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use stdx::Errno;
use stdx::codec::to_bytes;

/// Details up to so many bytes lie in the object's row, where listings pass over them; larger ones have a
/// row of their own, so that a page of a listing never drags manifests and long metadata along.
const DETAIL_EMBEDDED_MAX: usize = 256;
/// No gateway puts more than this inline, whatever its settings.
const INLINE_MAX: usize = 1 << 20;
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

/// Puts `new` in the place of `old`: rows, counters, and the garbage that comes of it.
pub(super) fn replace(
    shard: &mut Shard<'_, '_, '_>,
    key: &[u8],
    old: Option<&Stored>,
    new: Option<(Head, Detail, Bytes)>,
    due_ms: u64,
) {
    let (row_len, detail_len, inline_len) = Shard::lengths(old);
    if let Some(old) = old {
        for run in &old.detail.runs {
            shard.discard(key, run, due_ms);
        }
        // Saturating: what is damaged on disk must not stop the OSD.
        shard.counters.keys = shard.counters.keys.saturating_sub(1);
        shard.counters.object_bytes = shard.counters.object_bytes.saturating_sub(old.row.head.size);
    }
    let rows = [key::OBJECT, key::DETAIL, key::INLINE].map(|section| key::row_bytes(section, key));
    let [object_row, detail_row, inline_row] = rows;
    let Some((head, detail, inline)) = new else {
        shard.remove_counted(object_row, row_len);
        shard.remove_counted(detail_row, detail_len);
        shard.remove_counted(inline_row, inline_len);
        return;
    };
    shard.counters.keys += 1;
    shard.counters.object_bytes = shard.counters.object_bytes.saturating_add(head.size);
    let encoded = to_bytes(&detail);
    let embed = encoded.len() <= DETAIL_EMBEDDED_MAX;
    let row = ObjectRow { head, detail: embed.then_some(detail) };
    shard.set_counted(object_row, to_bytes(&row), row_len);
    if embed {
        shard.remove_counted(detail_row, detail_len);
    } else {
        shard.set_counted(detail_row, encoded, detail_len);
    }
    if inline.is_empty() {
        shard.remove_counted(inline_row, inline_len);
    } else {
        shard.set_counted(inline_row, inline, inline_len);
    }
}

/// Refuses a run of so many data objects that freeing it would never end.
pub(super) fn well_formed(run: &Part) -> Result<(), ClassError> {
    let objects = run.size.checked_div(u64::from(run.object_bytes));
    if objects.is_some_and(|n| n <= RUN_OBJECTS_MAX) { Ok(()) } else { Err(Errno::EINVAL.into()) }
}

pub(super) fn put(ctx: &mut MethodContext<'_, '_>, input: PutRow) -> Result<PutReply, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let runs = &input.detail.runs;
    let told = if runs.is_empty() {
        Some(input.inline.len() as u64).filter(|_| input.inline.len() <= INLINE_MAX)
    } else {
        runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.size)).filter(|_| input.inline.is_empty())
    };
    if told != Some(input.head.size) {
        return Err(Errno::EINVAL.into());
    }
    runs.iter().try_for_each(well_formed)?;
    shard.alive(&input.key, runs.iter().map(|r| r.tag))?;
    let old = shard.object(&input.key)?;
    check(&input.conditions, old.as_ref().map(|o| &o.row.head))?;
    let due_ms = shard.now_ms().saturating_add(input.gc_delay_ms);
    let head = input.head.clone();
    replace(&mut shard, &input.key, old.as_ref(), Some((input.head, input.detail, input.inline)), due_ms);
    let reply = PutReply { replaced: old.is_some(), head: Some(head), stat: shard.stat() };
    shard.close();
    Ok(reply)
}

pub(super) fn delete(ctx: &mut MethodContext<'_, '_>, input: DeleteRow) -> Result<PutReply, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let old = shard.object(&input.key)?;
    check(&input.conditions, old.as_ref().map(|o| &o.row.head))?;
    if old.is_some() {
        let due_ms = shard.now_ms().saturating_add(input.gc_delay_ms);
        replace(&mut shard, &input.key, old.as_ref(), None, due_ms);
    }
    let reply = PutReply { replaced: old.is_some(), head: None, stat: shard.stat() };
    shard.close();
    Ok(reply)
}

pub(super) fn get(ctx: &mut MethodContext<'_, '_>, input: GetRow) -> Result<Option<GotRow>, ClassError> {
    let shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let Some(object) = shard.object(&input.key)? else { return Ok(None) };
    let inline = if input.inline && object.is_inline() {
        shard.draft().omap_get(&key::row(key::INLINE, &input.key))?.ok_or(Errno::EIO)?
    } else {
        Bytes::new()
    };
    Ok(Some(GotRow { head: object.row.head, detail: object.detail, inline }))
}
