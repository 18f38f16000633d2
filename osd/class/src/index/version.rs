//! The versions of a key: the current object in the rows that listings walk, everything else (older objects and
//! all delete markers) in rows of its own, the newest first. A bucket without versions never looks at those.
//!
//! Two things always hold. The row in `k` is there exactly if the newest version is an object, so a listing of
//! current objects never meets any other version. And its number is higher than those of all other versions.

use super::api::{Refusal, Stat};
use super::key;
use super::object::DETAIL_EMBEDDED_MAX;
use super::rows::{Detail, Head, ObjectRow, Version, Versioning, Which};
use super::shard::{Shard, Stored, refuse, stored};
use super::version_api::SetAttrs;
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use stdx::Errno;
use stdx::codec::to_bytes;

/// Where the rows of a version are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At the key itself: the current object.
    Current,
    /// Behind it.
    Past(Version),
}

impl Place {
    /// Its row in a section that current objects have.
    pub(super) fn row(self, section: u8, key: &[u8]) -> Bytes {
        match self {
            Place::Current => key::row_bytes(section, key),
            Place::Past(version) => key::version_row(section, key, version),
        }
    }
    /// The row that says that it is there.
    pub(super) fn object_row(self, key: &[u8]) -> Bytes {
        let section = if self == Place::Current { key::OBJECT } else { key::VERSION };
        self.row(section, key)
    }
}

/// A version to be stored.
pub(super) struct New {
    pub(super) head: Head,
    pub(super) detail: Detail,
    pub(super) inline: Bytes,
    pub(super) version: Version,
    pub(super) marker: bool,
}

/// Takes the rows of a version away. What they name is left alone.
pub(super) fn take_out(shard: &mut Shard<'_, '_, '_>, key: &[u8], place: Place, old: &Stored) {
    let inline = old.is_inline().then_some(old.row.head.size as usize);
    shard.remove_counted(place.object_row(key), Some(old.row_len));
    shard.remove_counted(place.row(key::DETAIL, key), old.detail_len);
    shard.remove_counted(place.row(key::INLINE, key), inline);
    let c = &mut shard.counters;
    // Saturating: what is damaged on disk must not stop the OSD.
    c.object_bytes = c.object_bytes.saturating_sub(old.row.head.size);
    let n = if place == Place::Current { &mut c.keys } else { &mut c.versions };
    *n = n.saturating_sub(1);
    if place != Place::Current && old.row.version.is_null() {
        shard.remove_counted(key::row_bytes(key::NULL, key), Some(size_of::<u64>()));
    }
}

/// Stores a version at a place that is empty, or was emptied.
pub(super) fn put_in(shard: &mut Shard<'_, '_, '_>, key: &[u8], new: New, current: bool) {
    let New { head, detail, inline, version, marker } = new;
    let place = if current { Place::Current } else { Place::Past(version) };
    let c = &mut shard.counters;
    c.object_bytes = c.object_bytes.saturating_add(head.size);
    *(if current { &mut c.keys } else { &mut c.versions }) += 1;
    let encoded = to_bytes(&detail);
    let embed = encoded.len() <= DETAIL_EMBEDDED_MAX;
    let row = ObjectRow { head, detail: embed.then_some(detail), version, marker };
    shard.set_counted(place.object_row(key), to_bytes(&row), None);
    if !embed {
        shard.set_counted(place.row(key::DETAIL, key), encoded, None);
    }
    if !inline.is_empty() {
        shard.set_counted(place.row(key::INLINE, key), inline, None);
    }
    if !current && version.is_null() {
        shard.set_counted(key::row_bytes(key::NULL, key), to_bytes(&version.seq), None);
    }
}

/// Removes a version for good: its data becomes garbage. `Locked` if it is locked.
fn destroy(
    shard: &mut Shard<'_, '_, '_>,
    key: &[u8],
    place: Place,
    old: &Stored,
    due_ms: u64,
    bypass: bool,
) -> Result<(), ClassError> {
    if old.detail.lock.is_some_and(|lock| lock.keeps(shard.now_ms(), bypass)) {
        return Err(refuse(Refusal::Locked));
    }
    for run in &old.detail.runs {
        shard.discard(key, run, due_ms);
    }
    take_out(shard, key, place, old);
    Ok(())
}

/// Moves a version, with its bytes where they are inline.
fn relocate(shard: &mut Shard<'_, '_, '_>, key: &[u8], from: Place, old: Stored) -> Result<(), ClassError> {
    let inline = if old.is_inline() {
        shard.draft().omap_get(&from.row(key::INLINE, key))?.ok_or(Errno::EIO)?
    } else {
        Bytes::new()
    };
    take_out(shard, key, from, &old);
    let Stored { row, detail, .. } = old;
    let new = New { head: row.head, detail, inline, version: row.version, marker: row.marker };
    put_in(shard, key, new, from != Place::Current);
    Ok(())
}

/// The newest version but the current object and but `without`; none if there is no other.
pub(super) fn newest(
    shard: &Shard<'_, '_, '_>,
    key: &[u8],
    without: Option<Version>,
) -> Result<Option<Version>, ClassError> {
    let mut scan = shard.scan_prefix(key::row(key::VERSION, key)).few();
    while let Some((row, _)) = scan.next()? {
        let (_, rest) = key::parse(&row).ok_or(Errno::EIO)?;
        let version = key::parse_version(rest).ok_or(Errno::EIO)?;
        if Some(version) != without {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// The version called `null`, if it is not the current object.
fn null_past(shard: &Shard<'_, '_, '_>, key: &[u8]) -> Result<Option<Version>, ClassError> {
    let seq = shard.draft().omap_get(&key::row(key::NULL, key))?;
    seq.map(|seq| Ok(Version { seq: stored(seq)?, nonce: 0 })).transpose()
}

/// What is newest of a key, where it is.
pub(super) fn latest(shard: &Shard<'_, '_, '_>, key: &[u8]) -> Result<Option<(Place, Stored)>, ClassError> {
    if let Some(object) = shard.object(key, Place::Current)? {
        return Ok(Some((Place::Current, object)));
    }
    if shard.counters.versions == 0 {
        return Ok(None);
    }
    let Some(version) = newest(shard, key, None)? else { return Ok(None) };
    let place = Place::Past(version);
    Ok(shard.object(key, place)?.map(|marker| (place, marker)))
}

/// The version that a caller means, where it is.
pub(super) fn find(
    shard: &Shard<'_, '_, '_>,
    key: &[u8],
    which: Which,
) -> Result<Option<(Place, Stored)>, ClassError> {
    if which == Which::Current {
        return latest(shard, key);
    }
    let current = shard.object(key, Place::Current)?;
    let wanted = match which {
        Which::Current | Which::Null => None,
        Which::Version(version) => Some(version),
    };
    if let Some(object) = current {
        let it = object.row.version;
        if wanted.map_or(it.is_null(), |wanted| wanted == it) {
            return Ok(Some((Place::Current, object)));
        }
    }
    let past = match wanted {
        Some(version) => Some(version),
        None => null_past(shard, key)?,
    };
    let Some(version) = past else { return Ok(None) };
    let place = Place::Past(version);
    Ok(shard.object(key, place)?.map(|found| (place, found)))
}

/// The version that an earlier sending of the same request made, which may be an older one by now: a nonce is drawn for
/// each request, and a version made by it is no older than the request.
pub(super) fn made_before(
    shard: &Shard<'_, '_, '_>,
    key: &[u8],
    latest: Option<&(Place, Stored)>,
    nonce: u64,
) -> Result<Option<Version>, ClassError> {
    if nonce == 0 {
        return Ok(None);
    }
    if let Some((_, l)) = latest.filter(|(_, l)| l.row.version.nonce == nonce) {
        return Ok(Some(l.row.version));
    }
    if shard.counters.versions == 0 {
        return Ok(None);
    }
    let mut scan = shard.scan_prefix(key::row(key::VERSION, key)).few();
    while let Some((row, _)) = scan.next()? {
        let (_, rest) = key::parse(&row).ok_or(Errno::EIO)?;
        let version = key::parse_version(rest).ok_or(Errno::EIO)?;
        if version.seq < shard.now_ns() {
            break;
        }
        if version.nonce == nonce {
            return Ok(Some(version));
        }
    }
    Ok(None)
}

/// Makes room for a new version (an object, or a delete marker): keeps or removes what is current, as the bucket
/// has it. Gives the new one's name. `EINVAL` if versioning is enabled and `nonce` is 0.
///
/// A gateway that has not heard yet that a bucket has versions says `Off`. Where the key does have versions, that is
/// taken for `Suspended`, so that none is lost by it.
pub(super) fn make_room(
    shard: &mut Shard<'_, '_, '_>,
    key: &[u8],
    latest: Option<(Place, Stored)>,
    versioning: Versioning,
    nonce: u64,
    due_ms: u64,
) -> Result<Version, ClassError> {
    let named = latest.as_ref().is_some_and(|(_, l)| !l.row.version.is_null());
    if versioning == Versioning::Off && shard.counters.versions == 0 && !named {
        if let Some((place, old)) = &latest {
            destroy(shard, key, *place, old, due_ms, false)?;
        }
        return Ok(Version::default());
    }
    let enabled = versioning == Versioning::Enabled;
    if enabled && nonce == 0 {
        return Err(Errno::EINVAL.into());
    }
    let top = latest.as_ref().map_or(0, |(_, l)| l.row.version.seq);
    let seq = shard.now_ns().max(top.checked_add(1).ok_or(Errno::EIO)?);
    if !enabled && let Some(version) = null_past(shard, key)? {
        let place = Place::Past(version);
        let null = shard.object(key, place)?.ok_or(Errno::EIO)?;
        destroy(shard, key, place, &null, due_ms, false)?;
    }
    // A marker stays where it is, or was the one called `null` and is gone.
    if let Some((Place::Current, old)) = latest {
        if !enabled && old.row.version.is_null() {
            destroy(shard, key, Place::Current, &old, due_ms, false)?;
        } else {
            relocate(shard, key, Place::Current, old)?;
        }
    }
    Ok(Version { seq, nonce: if enabled { nonce } else { 0 } })
}

/// Removes one version for good. If it was the newest, the one before it becomes current.
pub(super) fn remove(
    shard: &mut Shard<'_, '_, '_>,
    key: &[u8],
    place: Place,
    old: &Stored,
    due_ms: u64,
    bypass: bool,
) -> Result<(), ClassError> {
    destroy(shard, key, place, old, due_ms, bypass)?;
    if shard.counters.versions == 0 {
        return Ok(());
    }
    let (was_newest, gone) = match place {
        Place::Current => (true, None),
        Place::Past(version) => {
            let hidden = shard.object(key, Place::Current)?.is_some();
            (!hidden && newest(shard, key, None)? == Some(version), Some(version))
        }
    };
    if !was_newest {
        return Ok(());
    }
    let Some(next) = newest(shard, key, gone)? else { return Ok(()) };
    let place = Place::Past(next);
    let next = shard.object(key, place)?.ok_or(Errno::EIO)?;
    if next.row.marker { Ok(()) } else { relocate(shard, key, place, next) }
}

/// See `SetAttrs`.
pub(super) fn set_attrs(ctx: &mut MethodContext<'_, '_>, input: SetAttrs) -> Result<Stat, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    let found = find(&shard, &input.key, input.which)?.filter(|(_, object)| !object.row.marker);
    let (place, mut object) = found.ok_or_else(|| refuse(Refusal::Absent))?;
    if object.detail.attrs != input.seen {
        return Err(refuse(Refusal::Changed));
    }
    object.detail.attrs = input.attrs;
    put_detail(&mut shard, &input.key, place, object);
    let stat = shard.stat();
    shard.close();
    Ok(stat)
}

/// Stores the changed detail of a version that stays where it is.
pub(super) fn put_detail(shard: &mut Shard<'_, '_, '_>, key: &[u8], place: Place, mut object: Stored) {
    let encoded = to_bytes(&object.detail);
    let detail_row = place.row(key::DETAIL, key);
    if encoded.len() <= DETAIL_EMBEDDED_MAX {
        shard.remove_counted(detail_row, object.detail_len);
        object.row.detail = Some(object.detail);
    } else {
        shard.set_counted(detail_row, encoded, object.detail_len);
    }
    shard.set_counted(place.object_row(key), to_bytes(&object.row), Some(object.row_len));
}
