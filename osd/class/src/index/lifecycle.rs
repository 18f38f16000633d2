//! A shard's birth and end: init, stat, and what the deletion of a bucket does to it.

use super::api::{Init, Refusal, Retire, ShardStat};
use super::key;
use super::merge::give_up;
use super::rows::{Header, Split, State};
use super::scan::Scan;
use super::shard::{Shard, read_header, refuse, stored};
use super::upload::discard_upload;
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use std::ops::Bound;
use stdx::Errno;
use stdx::codec::to_bytes;

/// How many uploads one call of `purge` discards.
const PURGE_MAX: usize = 16;

pub(super) fn init(ctx: &mut MethodContext<'_, '_>, input: Init) -> Result<(), ClassError> {
    let wanted = input.header;
    if matches!(wanted.state, State::Retired { .. }) || wanted.splitting.is_some() {
        return Err(Errno::EINVAL.into());
    }
    let header = match read_header(ctx.object())? {
        None => wanted,
        Some(stands) => match adopt(stands, &wanted)? {
            Some(header) => header,
            None => return Ok(()),
        },
    };
    ctx.object_mut().omap_set(vec![(Bytes::from_static(key::HEADER), to_bytes(&header))]);
    Ok(())
}

/// What becomes of a shard that stands already: nothing (the same was asked before), another driver, or
/// EEXIST.
fn adopt(stands: Header, wanted: &Header) -> Result<Option<Header>, ClassError> {
    let same = (stands.bucket, stands.shard, &stands.from) == (wanted.bucket, wanted.shard, &wanted.from);
    match (&stands.state, &wanted.state) {
        _ if !same => Err(Errno::EEXIST.into()),
        (State::Filling { parent: a, .. }, State::Filling { parent: b, .. }) if a == b => {
            Ok(Some(Header { state: wanted.state.clone(), ..stands }))
        }
        // Active already: of a split, its driver finds that out when it activates.
        (State::Active, _) => Ok(None),
        _ => Err(Errno::EEXIST.into()),
    }
}

/// The split that the parent remembers.
pub(super) fn read_split(shard: &Shard<'_, '_, '_>) -> Result<Option<Split>, ClassError> {
    shard.draft().omap_get(key::SPLIT)?.map(stored).transpose()
}

pub(super) fn stat(ctx: &mut MethodContext<'_, '_>) -> Result<ShardStat, ClassError> {
    let shard = Shard::open_any(ctx)?;
    let split = read_split(&shard)?;
    Ok(ShardStat { header: shard.header.clone(), counters: shard.counters, split })
}

/// Refuses everything from here on, if there are no objects. Uploads do not keep a bucket, as in S3. EBUSY
/// while it splits: finish the split first. A later attempt (a higher token) is not interfered with. One that is
/// retired already holds objects only if it was condemned: then they do not count.
pub(super) fn retire(ctx: &mut MethodContext<'_, '_>, input: Retire) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    match shard.header.state {
        State::Filling { parent, .. } => return Err(refuse(Refusal::NotYet { parent })),
        State::Active if shard.header.splitting.is_some() => return Err(Errno::EBUSY.into()),
        State::Retired { token } if token > input.token => return Err(refuse(Refusal::NotDriver)),
        State::Active | State::Retired { .. } => {}
    }
    if shard.header.state == State::Active && shard.counters.entries() > 0 {
        return Err(refuse(Refusal::NotEmpty));
    }
    give_up(&mut shard)?;
    shard.header.state = State::Retired { token: input.token };
    shard.close();
    Ok(())
}

/// Serves again, if it was retired by that attempt or an earlier one.
pub(super) fn unretire(ctx: &mut MethodContext<'_, '_>, input: Retire) -> Result<(), ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if matches!(shard.header.state, State::Retired { token } if token <= input.token) {
        shard.header.state = State::Active;
        shard.close();
    }
    Ok(())
}

/// Of a bucket that is gone: turns some uploads into garbage. Whether none is left.
pub(super) fn purge(ctx: &mut MethodContext<'_, '_>) -> Result<bool, ClassError> {
    let mut shard = Shard::open_any(ctx)?;
    if !matches!(shard.header.state, State::Retired { .. }) {
        return Err(Errno::EBUSY.into());
    }
    let mut found = Vec::new();
    let start = Bound::Included(Bytes::from(vec![key::UPLOAD]));
    let mut scan = Scan::new(shard.draft(), start, key::section_end(key::UPLOAD));
    while found.len() <= PURGE_MAX
        && let Some((row, value)) = scan.next()?
    {
        let (key, rest) = key::parse(&row).ok_or(Errno::EIO)?;
        let id: [u8; 16] = rest.try_into().map_err(|_| Errno::EIO)?;
        found.push((key, u128::from_be_bytes(id), value.len()));
    }
    for (key, upload, len) in found.iter().take(PURGE_MAX) {
        discard_upload(&mut shard, key, *upload, *len)?;
    }
    shard.close();
    Ok(found.len() <= PURGE_MAX)
}

/// Of a bucket that is gone: removes the shard, if no garbage and no upload is left. Whether it did.
pub(super) fn destroy(ctx: &mut MethodContext<'_, '_>) -> Result<bool, ClassError> {
    let shard = Shard::open_any(ctx)?;
    let c = shard.counters;
    if !matches!(shard.header.state, State::Retired { .. }) || c.entries() > 0 {
        return Err(Errno::EBUSY.into());
    }
    let empty = c.garbage == 0 && c.uploads == 0;
    if empty {
        shard.remove_object();
    }
    Ok(empty)
}
