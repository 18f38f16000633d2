//! A listing of all versions: current objects and the other versions, woven together by key.

use super::api::PAGE_MAX;
use super::key;
use super::list::find;
use super::rows::{ObjectRow, Version, Which};
use super::scan::Scan;
use super::shard::{Shard, stored};
use super::version;
use super::version_api::{VersionItem, VersionList, VersionPage};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::cmp::{max, min};
use std::ops::Bound;
use stdx::Errno;

/// A walk over one section that can be looked at before it goes on.
struct Walk<'a, 'v> {
    scan: Scan<'a, 'v>,
    section: u8,
    front: Option<(Bytes, Bytes)>,
}

impl<'a, 'v> Walk<'a, 'v> {
    fn new(mut scan: Scan<'a, 'v>, section: u8) -> Result<Walk<'a, 'v>, ClassError> {
        let front = take(&mut scan)?;
        Ok(Walk { scan, section, front })
    }
    fn key(&self) -> Option<&Bytes> {
        self.front.as_ref().map(|(key, _)| key)
    }
    /// The row at the front, and goes on.
    fn next(&mut self) -> Result<Option<ObjectRow>, ClassError> {
        let next = take(&mut self.scan)?;
        std::mem::replace(&mut self.front, next).map(|(_, value)| stored(value)).transpose()
    }
    fn leap(&mut self, key: &Bytes) -> Result<(), ClassError> {
        if self.key().is_some_and(|at| at < key) {
            self.scan.seek(&key::position(self.section, key));
            self.front = take(&mut self.scan)?;
        }
        Ok(())
    }
}

fn take(scan: &mut Scan<'_, '_>) -> Result<Option<(Bytes, Bytes)>, ClassError> {
    let Some((row, value)) = scan.next()? else { return Ok(None) };
    let (key, _) = key::parse(&row).ok_or(Errno::EIO)?;
    Ok(Some((key, value)))
}

/// The number that versions of the key must stay below; none for all of them.
fn below(shard: &Shard<'_, '_, '_>, key: &[u8], after: Option<Which>) -> Result<Option<u64>, ClassError> {
    Ok(match after {
        None | Some(Which::Current) => None,
        Some(Which::Version(version)) => Some(version.seq),
        Some(Which::Null) => {
            Some(version::find(shard, key, Which::Null)?.map_or(0, |(_, null)| null.row.version.seq))
        }
    })
}

pub(super) fn versions(
    ctx: &mut MethodContext<'_, '_>,
    input: VersionList,
) -> Result<VersionPage, ClassError> {
    let shard = Shard::open(ctx, input.generation)?;
    let VersionList { start, after, prefix, delimiter, max: most, .. } = input;
    let after = after.filter(|_| start >= prefix);
    let start = max(start, prefix.clone());
    shard.own_start(&start)?;
    let below = below(&shard, &start, after)?;

    let prefix_end = key::after_prefix(&prefix);
    let row_of = |section, key: &Option<Bytes>| -> Bytes {
        key.as_ref().map_or_else(|| key::section_end(section), |k| key::position(section, k).into())
    };
    let to = &shard.header.to;
    let scan = |section, first| {
        let end = min(row_of(section, &prefix_end), row_of(section, to));
        Walk::new(Scan::new(shard.draft(), first, end), section)
    };
    let position = |section| Bound::Included(Bytes::from(key::position(section, &start)));
    let mut objects = scan(key::OBJECT, position(key::OBJECT))?;
    let first = match below {
        Some(seq) => {
            Bound::Excluded(key::version_row(key::VERSION, &start, Version { seq, nonce: u64::MAX }))
        }
        None => position(key::VERSION),
    };
    let mut others = scan(key::VERSION, first)?;

    let most = most.clamp(1, PAGE_MAX) as usize;
    let mut page = VersionPage::default();
    // The key whose newest version was shown already.
    let mut shown: Option<Bytes> = None;
    while let Some(key) = min_of(objects.key(), others.key()) {
        if !delimiter.is_empty()
            && let Some(at) = find(&key[prefix.len()..], &delimiter)
        {
            let common = key.slice(..prefix.len() + at + delimiter.len());
            let behind = key::after_prefix(&common);
            page.items.push(VersionItem::Prefix { prefix: common });
            let Some(behind) = behind else { return Ok(page) };
            objects.leap(&behind)?;
            others.leap(&behind)?;
            if page.items.len() >= most {
                page.next = goes_on(behind, &prefix_end).map(|at| (at, None));
                return Ok(page);
            }
            continue;
        }
        let current = objects.key() == Some(&key);
        let walk = if current { &mut objects } else { &mut others };
        let Some(row) = walk.next()? else { break };
        let resumed = below.filter(|_| key == start);
        if resumed.is_some_and(|seq| row.version.seq >= seq) {
            continue;
        }
        let latest = match resumed {
            _ if current => true,
            // What was newer when the last page was made may be gone by now.
            Some(_) if row.marker && shown.as_ref() != Some(&key) => {
                let (_, newest) = version::latest(&shard, &key)?.ok_or(Errno::EIO)?;
                newest.row.version == row.version
            }
            _ => shown.as_ref() != Some(&key) && resumed.is_none(),
        };
        shown = Some(key.clone());
        let ObjectRow { head, version, marker, .. } = row;
        page.items.push(VersionItem::Version { key: key.clone(), version, head, marker, latest });
        if page.items.len() >= most {
            page.next = Some((key, Some(version)));
            return Ok(page);
        }
    }
    // Keys behind this shard's range may still be wanted; a common prefix may reach past its end.
    let leap = match page.items.last() {
        Some(VersionItem::Prefix { prefix }) => key::after_prefix(prefix),
        _ => None,
    };
    page.next = to
        .clone()
        .and_then(|to| goes_on(max(to, leap.unwrap_or_default()), &prefix_end))
        .map(|at| (at, None));
    Ok(page)
}

fn min_of(a: Option<&Bytes>, b: Option<&Bytes>) -> Option<Bytes> {
    match (a, b) {
        (Some(a), Some(b)) => Some(min(a, b).clone()),
        (a, b) => a.or(b).cloned(),
    }
}

fn goes_on(at: Bytes, prefix_end: &Option<Bytes>) -> Option<Bytes> {
    Some(at).filter(|at| prefix_end.as_ref().is_none_or(|end| at < end))
}
