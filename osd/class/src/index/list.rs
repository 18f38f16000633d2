//! Listings: one page of a section by prefix and delimiter, at a cost that follows the page, not the shard.

use super::api::{List, ListItem, ListPage, PAGE_MAX, UploadItem, UploadList, UploadPage};
use super::key;
use super::rows::{Head, ObjectRow, UploadRow};
use super::scan::Scan;
use super::shard::{Shard, stored};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::cmp::{max, min};
use std::ops::Bound;
use stdx::Errno;

/// What a walk meets: a row, or keys rolled up.
enum Met {
    Row { key: Bytes, rest: Bytes, value: Bytes },
    Prefix(Bytes),
}

struct Wanted<'a> {
    section: u8,
    start: Bound<Bytes>,
    prefix: &'a Bytes,
    delimiter: &'a Bytes,
    max: u32,
}

/// Walks a section. Gives what it met, and where the listing goes on in keys, if it does.
fn walk(shard: &Shard<'_, '_, '_>, wanted: Wanted<'_>) -> Result<(Vec<Met>, Option<Bytes>), ClassError> {
    let Wanted { section, start, prefix, delimiter, max: most } = wanted;
    let prefix_end = key::after_prefix(prefix);
    let row_of = |key: &Option<Bytes>| {
        key.as_ref().map_or_else(|| key::section_end(section), |k| key::position(section, k).into())
    };
    let end = min(row_of(&prefix_end), row_of(&shard.header.to));
    // Keys behind this shard's range may still be wanted.
    let beyond = shard.header.to.clone().filter(|to| prefix_end.as_ref().is_none_or(|end| to < end));
    let goes_on = |at: Option<Bytes>| at.filter(|at| prefix_end.as_ref().is_none_or(|end| at < end));

    let mut scan = Scan::new(shard.draft(), start, end);
    let mut met = Vec::new();
    while let Some((row, value)) = scan.next()? {
        let (key, rest) = key::parse_shared(&row).ok_or(Errno::EIO)?;
        let rolled = if delimiter.is_empty() { None } else { find(&key[prefix.len()..], delimiter) };
        let after = match rolled {
            Some(at) => {
                let common = key.slice(..prefix.len() + at + delimiter.len());
                let after = key::after_prefix(&common);
                met.push(Met::Prefix(common));
                match &after {
                    Some(after) => scan.seek(&key::position(section, after)),
                    None => return Ok((met, None)),
                }
                after
            }
            None => {
                let rest = row.slice(row.len() - rest.len()..);
                // Only the last of a page is asked what follows it.
                let last = met.len() as u64 + 1 >= u64::from(most);
                let after = last.then(|| key::after_key(&key));
                met.push(Met::Row { key, rest, value });
                after
            }
        };
        if met.len() as u64 >= u64::from(most) {
            return Ok((met, goes_on(after)));
        }
    }
    // A common prefix may reach past the range: then its end is where to go on.
    let leap = match met.last() {
        Some(Met::Prefix(common)) => key::after_prefix(common),
        _ => None,
    };
    Ok((met, goes_on(max(beyond.clone(), leap.filter(|_| beyond.is_some())))))
}

/// The head of an object's row; the rest is not read.
fn head_of(row: Bytes) -> Result<Head, ClassError> {
    ObjectRow::decode_head(row).map_err(|_| Errno::EIO.into())
}

pub(super) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

pub(super) fn objects(ctx: &mut MethodContext<'_, '_>, input: List) -> Result<ListPage, ClassError> {
    let shard = Shard::open(ctx, input.generation)?;
    let start = max(&input.start, &input.prefix);
    shard.own_start(start)?;
    let wanted = Wanted {
        section: key::OBJECT,
        start: Bound::Included(key::position(key::OBJECT, start).into()),
        prefix: &input.prefix,
        delimiter: &input.delimiter,
        max: input.max.clamp(1, PAGE_MAX),
    };
    let (met, next) = walk(&shard, wanted)?;
    let mut items = Vec::with_capacity(met.len());
    for m in met {
        items.push(match m {
            Met::Row { key, value, .. } => ListItem::Object { key, head: head_of(value)? },
            Met::Prefix(prefix) => ListItem::Prefix { prefix },
        });
    }
    Ok(ListPage { items, next })
}

pub(super) fn uploads(ctx: &mut MethodContext<'_, '_>, input: UploadList) -> Result<UploadPage, ClassError> {
    let shard = Shard::open(ctx, input.generation)?;
    let start = max(&input.start, &input.prefix);
    shard.own_start(start)?;
    let first = match input.after.filter(|_| *start == input.start) {
        Some(upload) => Bound::Excluded(key::upload_row(key::UPLOAD, start, upload).into()),
        None => Bound::Included(key::position(key::UPLOAD, start).into()),
    };
    let wanted = Wanted {
        section: key::UPLOAD,
        start: first,
        prefix: &input.prefix,
        delimiter: &input.delimiter,
        max: input.max.clamp(1, PAGE_MAX),
    };
    let most = wanted.max as usize;
    let (met, next) = walk(&shard, wanted)?;
    let full = met.len() >= most;
    let mut next = next.map(|at| (at, None));
    let mut items = Vec::with_capacity(met.len());
    for m in met {
        items.push(match m {
            Met::Row { key, rest, value } => {
                let id: [u8; 16] = rest[..].try_into().map_err(|_| Errno::EIO)?;
                let upload = u128::from_be_bytes(id);
                if full {
                    // A key may have many uploads: the next page goes on within the key.
                    next = Some((key.clone(), Some(upload)));
                }
                UploadItem::Upload { key, upload, row: stored::<UploadRow>(value)? }
            }
            Met::Prefix(prefix) => {
                if full {
                    next = key::after_prefix(&prefix).map(|at| (at, None));
                }
                UploadItem::Prefix { prefix }
            }
        });
    }
    Ok(UploadPage { items, next })
}
