//! Methods on multipart uploads and their parts.

use super::api::{
    PartList, PartPage, PartPut, PutReply, Refusal, Stat, UploadAbort, UploadComplete, UploadCreate,
};
use super::key;
use super::object::{check, well_formed};
use super::rows::{Detail, Part, UploadRow};
use super::scan::Scan;
use super::shard::{Shard, refuse, stored};
use super::version::{self, New, make_room, put_in};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::ops::Bound;
use stdx::Errno;
use stdx::codec::to_bytes;

/// The highest part number S3 knows.
pub const PART_NUMBER_MAX: u16 = 10_000;

pub(super) fn create(ctx: &mut MethodContext<'_, '_>, input: UploadCreate) -> Result<Stat, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let row: Bytes = key::upload_row(key::UPLOAD, &input.key, input.upload).into();
    if shard.draft().omap_get(&row)?.is_some() {
        return Err(Errno::EEXIST.into());
    }
    shard.counters.uploads += 1;
    shard.set_counted(row, to_bytes(&input.row), None);
    let stat = shard.stat();
    shard.close();
    Ok(stat)
}

/// The upload's row and its length.
fn find(shard: &Shard<'_, '_, '_>, key: &[u8], upload: u128) -> Result<(UploadRow, usize), ClassError> {
    let row = key::upload_row(key::UPLOAD, key, upload);
    let value = shard.draft().omap_get(&row)?.ok_or_else(|| refuse(Refusal::NoSuchUpload))?;
    let len = value.len();
    Ok((stored(value)?, len))
}

pub(super) fn part_put(ctx: &mut MethodContext<'_, '_>, input: PartPut) -> Result<Stat, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let part = &input.part;
    if !(1..=PART_NUMBER_MAX).contains(&part.number) {
        return Err(Errno::EINVAL.into());
    }
    well_formed(part)?;
    find(&shard, &input.key, input.upload)?;
    let row = key::part_row(&input.key, input.upload, part.number);
    let old = shard.draft().omap_get(&row)?;
    let old_len = old.as_ref().map(Bytes::len);
    let old: Option<Part> = old.map(stored).transpose()?;
    // The same again, whose first answer was lost: there it is, or it was replaced since. (Empty ones have no run, and
    // all the same tag.)
    let again = part.size > 0 && old.as_ref().is_some_and(|old| old.tag == part.tag);
    if again || shard.was_named(&input.key, std::iter::once(part.tag))? {
        return Ok(shard.stat());
    }
    shard.alive(&input.key, std::iter::once(part.tag))?;
    if let Some(old) = old {
        // Nobody can be reading a part of an upload: it may go at once.
        let due_ms = shard.now_ms();
        shard.discard(&input.key, &old, due_ms);
    }
    shard.set_counted(row, to_bytes(part), old_len);
    let stat = shard.stat();
    shard.close();
    Ok(stat)
}

pub(super) fn part_list(ctx: &mut MethodContext<'_, '_>, input: PartList) -> Result<PartPage, ClassError> {
    let shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let (upload, _) = find(&shard, &input.key, input.upload)?;
    let prefix = key::upload_row(key::PART, &input.key, input.upload);
    let end = key::after_prefix(&prefix).expect("a row key begins with a section letter");
    let start = Bound::Excluded(key::part_row(&input.key, input.upload, input.after));
    let mut scan = Scan::new(shard.draft(), start, end);
    let mut page = PartPage { upload, parts: Vec::new(), more: false };
    // All parts of an upload fit an answer; a page of S3 is a tenth of that.
    let most = input.max.min(u32::from(PART_NUMBER_MAX)) as usize;
    while let Some((_, value)) = scan.next()? {
        if page.parts.len() == most {
            page.more = true;
            break;
        }
        page.parts.push(stored(value)?);
    }
    Ok(page)
}

/// All parts of an upload with the lengths of their rows' values.
fn parts_of(
    shard: &Shard<'_, '_, '_>,
    key: &[u8],
    upload: u128,
) -> Result<BTreeMap<u16, (Part, usize)>, ClassError> {
    let mut scan = shard.scan_prefix(key::upload_row(key::PART, key, upload));
    let mut parts = BTreeMap::new();
    while let Some((_, value)) = scan.next()? {
        let len = value.len();
        let part: Part = stored(value)?;
        parts.insert(part.number, (part, len));
    }
    Ok(parts)
}

pub(super) fn complete(
    ctx: &mut MethodContext<'_, '_>,
    input: UploadComplete,
) -> Result<PutReply, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let latest = version::latest(&shard, &input.key)?;
    let old = latest.as_ref().map(|(_, l)| l).filter(|l| !l.row.marker);
    let upload_len = match find(&shard, &input.key, input.upload) {
        Ok((_, len)) => len,
        Err(refused) => {
            // The answer to an earlier completion may have been lost: the same again is the same.
            let Some(done) = old.filter(|o| o.detail.upload == Some(input.upload)) else {
                return Err(refused);
            };
            if (done.row.head.md5, done.row.head.parts) != (input.head.md5, input.head.parts) {
                return Err(refused);
            }
            let (head, version) = (Some(done.row.head.clone()), done.row.version);
            return Ok(PutReply { replaced: false, head, stat: shard.stat(), version, marker: false });
        }
    };
    check(&input.conditions, old.map(|o| &o.row.head))?;
    let replaced = old.is_some();
    if input.parts.is_empty() || !input.parts.windows(2).all(|w| w[0].0 < w[1].0) {
        return Err(Errno::EINVAL.into());
    }
    let mut left = parts_of(&shard, &input.key, input.upload)?;
    let numbers: Vec<u16> = left.keys().copied().collect();
    for number in numbers {
        let len = left[&number].1;
        shard.remove_counted(key::part_row(&input.key, input.upload, number), Some(len));
    }
    let mut runs = Vec::with_capacity(input.parts.len());
    for (number, md5) in &input.parts {
        match left.remove(number) {
            Some((part, _)) if part.md5 == *md5 => runs.push(part),
            _ => return Err(refuse(Refusal::InvalidPart { number: *number })),
        }
    }
    let size = runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.size));
    if size != Some(input.head.size) || usize::from(input.head.parts) != runs.len() {
        return Err(Errno::EINVAL.into());
    }
    let now_ms = shard.now_ms();
    for (unused, _) in left.values() {
        shard.discard(&input.key, unused, now_ms);
    }
    shard.counters.uploads = shard.counters.uploads.saturating_sub(1);
    let upload_row: Bytes = key::upload_row(key::UPLOAD, &input.key, input.upload).into();
    shard.remove_counted(upload_row, Some(upload_len));
    let detail = Detail {
        attrs: input.attrs,
        runs,
        upload: Some(input.upload),
        lock: input.lock,
        ..Detail::default()
    };
    let due_ms = now_ms.saturating_add(input.gc_delay_ms);
    let head = input.head.clone();
    let version = make_room(&mut shard, &input.key, latest, input.versioning, input.nonce, due_ms)?;
    put_in(
        &mut shard,
        &input.key,
        New { head: input.head, detail, inline: Bytes::new(), version, marker: false },
        true,
    );
    let reply = PutReply { replaced, head: Some(head), stat: shard.stat(), version, marker: false };
    shard.close();
    Ok(reply)
}

pub(super) fn abort(ctx: &mut MethodContext<'_, '_>, input: UploadAbort) -> Result<Stat, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let (_, len) = find(&shard, &input.key, input.upload)?;
    discard_upload(&mut shard, &input.key, input.upload, len)?;
    let stat = shard.stat();
    shard.close();
    Ok(stat)
}

/// Removes an upload with its parts, whose runs become garbage that is due at once.
pub(super) fn discard_upload(
    shard: &mut Shard<'_, '_, '_>,
    key: &[u8],
    upload: u128,
    upload_len: usize,
) -> Result<(), ClassError> {
    let now_ms = shard.now_ms();
    for (number, (part, len)) in parts_of(shard, key, upload)? {
        shard.remove_counted(key::part_row(key, upload, number), Some(len));
        shard.discard(key, &part, now_ms);
    }
    shard.counters.uploads = shard.counters.uploads.saturating_sub(1);
    shard.remove_counted(key::upload_row(key::UPLOAD, key, upload).into(), Some(upload_len));
    Ok(())
}
