//! Another place for the bytes of a version: how objects change their storage class without becoming new ones.

use super::api::Refusal;
use super::object::well_formed;
use super::rows::{Detail, Head, Part, Tag, Version, Which};
use super::shard::{Shard, refuse};
use super::version::{New, Place, find, put_in, take_out};
use super::{Stat, api};
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use stdx::Errno;

/// `move_row`: the same version with the same bytes elsewhere. Runs that it does not name any more become garbage.
/// Answers `Stat`; `Absent` if there is no such version, `Changed` if it is not as the caller has seen it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MoveRow {
    /// Believed generation.
    pub generation: u64,
    /// The key.
    pub key: Bytes,
    /// Which version.
    pub which: Which,
    /// The version and the millisecond of its put, as the caller has seen them.
    pub seen: (Version, u64),
    /// The attributes that the caller has seen.
    pub seen_attrs: Bytes,
    /// Its storage class from now on; empty for STANDARD.
    pub storage_class: String,
    /// Its attributes from now on.
    pub attrs: Bytes,
    /// Its runs from now on, of the same sizes in the same order as its bytes.
    pub runs: Vec<Part>,
    /// As in `Detail`.
    pub sealed_as: Vec<Tag>,
    /// Its inline bytes from now on, if there are no runs.
    pub inline: Bytes,
    /// What is not named any more becomes garbage so much later.
    pub gc_delay_ms: u64,
}
stdx::codec_versioned!(MoveRow, 1 {
    generation, key, which, seen, seen_attrs, storage_class, attrs, runs, sealed_as, inline, gc_delay_ms
});

/// See `MoveRow`.
pub(super) fn move_row(ctx: &mut MethodContext<'_, '_>, input: MoveRow) -> Result<Stat, ClassError> {
    let mut shard = Shard::open(ctx, input.generation)?;
    shard.own(&input.key)?;
    // The same again, whose first answer was lost: it was replaced since ...
    if shard.was_named(&input.key, input.runs.iter().map(|run| run.tag))? {
        return Ok(shard.stat());
    }
    let found = find(&shard, &input.key, input.which)?.filter(|(_, object)| !object.row.marker);
    let (place, old) = found.ok_or_else(|| refuse(Refusal::Absent))?;
    if input.seen != (old.row.version, old.row.head.mtime_ms) || input.seen_attrs != old.detail.attrs {
        // ... or there it is.
        if old.is_of(&input.runs) && old.detail.attrs == input.attrs {
            return Ok(shard.stat());
        }
        return Err(refuse(Refusal::Changed));
    }
    let total = input.runs.iter().try_fold(0u64, |sum, run| sum.checked_add(run.size));
    let told = if input.runs.is_empty() { Some(input.inline.len() as u64) } else { total };
    let sealed_ok = input.sealed_as.is_empty() || input.sealed_as.len() == input.runs.len();
    let both = !input.runs.is_empty() && !input.inline.is_empty();
    if told != Some(old.row.head.size) || both || !sealed_ok || input.inline.len() > api::INLINE_BYTES_MAX {
        return Err(Errno::EINVAL.into());
    }
    input.runs.iter().try_for_each(well_formed)?;
    // Runs that it has already are its own, whatever became of their writers.
    let new = input.runs.iter().map(|run| run.tag).filter(|tag| !old.names(*tag));
    shard.alive(&input.key, new.collect::<Vec<_>>().into_iter())?;
    let due_ms = shard.now_ms().saturating_add(input.gc_delay_ms);
    for run in old.detail.runs.iter().filter(|run| !input.runs.iter().any(|new| new.tag == run.tag)) {
        shard.discard(&input.key, run, due_ms);
    }
    take_out(&mut shard, &input.key, place, &old);
    let head = Head { storage_class: input.storage_class, ..old.row.head };
    let detail = Detail {
        attrs: input.attrs,
        runs: input.runs,
        upload: old.detail.upload,
        lock: old.detail.lock,
        sealed_as: input.sealed_as,
    };
    let new = New { head, detail, inline: input.inline, version: old.row.version, marker: false };
    put_in(&mut shard, &input.key, new, place == Place::Current);
    let stat = shard.stat();
    shard.close();
    Ok(stat)
}
