//! A shard while a method works on it: its header and counters, and the rows the method changes.

use super::api::{ANY_GENERATION, KEY_BYTES_MAX, Refusal, Stat};
use super::key;
use super::rows::{Counters, Detail, GarbageRow, Header, ObjectRow, Part, State, Tag};
use super::scan::Scan;
use super::version::Place;
use crate::registry::{ClassError, MethodContext};
use bytes::Bytes;
use osd_object::draft::Draft;
use std::collections::BTreeMap;
use std::ops::Bound;
use stdx::Errno;
use stdx::codec::{Decode, from_bytes, to_bytes};

/// An object as its rows have it.
pub(super) struct Stored {
    pub(super) row: ObjectRow,
    pub(super) detail: Detail,
    pub(super) row_len: usize,
    pub(super) detail_len: Option<usize>,
}

impl Stored {
    /// Whether its bytes have a row.
    pub(super) fn is_inline(&self) -> bool {
        self.detail.runs.is_empty() && self.row.head.size > 0
    }
    /// Whether its bytes are these runs, however they are described. False of no runs.
    pub(super) fn is_of(&self, runs: &[Part]) -> bool {
        let tags = |runs: &[Part]| runs.iter().map(|run| run.tag).collect::<Vec<_>>();
        !runs.is_empty() && tags(&self.detail.runs) == tags(runs)
    }
    /// Whether its bytes are that run, or have it among them.
    pub(super) fn names(&self, tag: Tag) -> bool {
        self.detail.runs.iter().any(|run| run.tag == tag)
    }
}

/// A shard opened by a method. What the method sets takes effect with `close`.
pub(super) struct Shard<'c, 'd, 'v> {
    ctx: &'c mut MethodContext<'d, 'v>,
    pub(super) header: Header,
    pub(super) counters: Counters,
    before: (Header, Counters),
    changes: BTreeMap<Bytes, Option<Bytes>>,
}

/// A refusal with its code.
pub(super) fn refuse(refusal: Refusal) -> ClassError {
    let code = match refusal {
        Refusal::Elsewhere { .. } | Refusal::Retired | Refusal::NotDriver => Errno::ESTALE,
        Refusal::NotYet { .. } => Errno::EAGAIN,
        Refusal::Revoked | Refusal::Precondition | Refusal::Changed => Errno::ECANCELED,
        Refusal::Absent | Refusal::NoSuchUpload => Errno::ENOENT,
        Refusal::InvalidPart { .. } => Errno::EINVAL,
        Refusal::NotEmpty => Errno::ENOTEMPTY,
        Refusal::Unsplittable => Errno::ENODATA,
        Refusal::Locked => Errno::EACCES,
    };
    ClassError::with_detail(code, to_bytes(&refusal))
}

/// Decodes a stored value: damage is EIO.
pub(super) fn stored<T: Decode>(value: Bytes) -> Result<T, ClassError> {
    from_bytes(value).map_err(|_| Errno::EIO.into())
}

/// The header of a draft; none if it is no shard.
pub(super) fn read_header(draft: &Draft<'_>) -> Result<Option<Header>, ClassError> {
    draft.omap_get(key::HEADER)?.map(stored).transpose()
}

impl<'c, 'd, 'v> Shard<'c, 'd, 'v> {
    /// Opens the shard in whatever state it is. `Retired` if there is none.
    pub(super) fn open_any(ctx: &'c mut MethodContext<'d, 'v>) -> Result<Shard<'c, 'd, 'v>, ClassError> {
        let header = read_header(ctx.object())?.ok_or_else(|| refuse(Refusal::Retired))?;
        let counters = match ctx.object().omap_get(key::COUNTERS)? {
            Some(v) => stored(v)?,
            None => Counters::default(),
        };
        let before = (header.clone(), counters);
        Ok(Shard { ctx, header, counters, before, changes: BTreeMap::new() })
    }

    /// Opens the shard to serve a caller that believes in `generation`.
    pub(super) fn open(
        ctx: &'c mut MethodContext<'d, 'v>,
        generation: u64,
    ) -> Result<Shard<'c, 'd, 'v>, ClassError> {
        let shard = Shard::open_any(ctx)?;
        match shard.header.state {
            State::Active => {}
            State::Filling { parent, .. } => return Err(refuse(Refusal::NotYet { parent })),
            State::Retired { .. } => return Err(refuse(Refusal::Retired)),
        }
        if generation != ANY_GENERATION && generation != shard.header.generation {
            return Err(shard.elsewhere());
        }
        Ok(shard)
    }

    fn elsewhere(&self) -> ClassError {
        refuse(Refusal::Elsewhere { header: self.header.clone() })
    }

    /// Refuses a key that this shard does not serve.
    pub(super) fn own(&self, key: &[u8]) -> Result<(), ClassError> {
        if key.len() > KEY_BYTES_MAX {
            return Err(Errno::EINVAL.into());
        }
        if self.header.owns(key) { Ok(()) } else { Err(self.elsewhere()) }
    }
    /// Refuses the start of a listing that this shard does not serve. (A start may be longer than any key.)
    pub(super) fn own_start(&self, start: &[u8]) -> Result<(), ClassError> {
        if self.header.owns(start) { Ok(()) } else { Err(self.elsewhere()) }
    }

    /// Refuses runs whose writer was revoked or which were disowned: their data may be freed already.
    pub(super) fn alive(&self, key: &[u8], tags: impl Iterator<Item = Tag>) -> Result<(), ClassError> {
        for tag in tags {
            for row in [key::revoked_row(tag.instance), key::tag_row(key::DISOWNED, key, tag)] {
                if self.draft().omap_get(&row)?.is_some() {
                    return Err(refuse(Refusal::Revoked));
                }
            }
        }
        Ok(())
    }

    /// The omap as it was when the method began.
    pub(super) fn draft(&self) -> &Draft<'v> {
        self.ctx.object()
    }
    /// The object itself, to remove it. What was set before is forgotten.
    pub(super) fn remove_object(self) {
        self.ctx.object_mut().remove();
    }
    /// The time of day of the operation, nanoseconds since 1970.
    pub(super) fn now_ns(&self) -> u64 {
        self.ctx.mtime().0
    }
    /// The time of day of the operation, milliseconds since 1970.
    pub(super) fn now_ms(&self) -> u64 {
        self.ctx.mtime().millis()
    }
    /// Rows that begin with `prefix`.
    pub(super) fn scan_prefix(&self, prefix: Vec<u8>) -> Scan<'_, 'v> {
        let end = key::after_prefix(&prefix).expect("a row key begins with a section letter, never 0xff");
        Scan::new(self.draft(), Bound::Included(prefix.into()), end)
    }

    /// Sets a row, whatever it was.
    pub(super) fn set(&mut self, row: Bytes, value: Bytes) {
        self.note_change(&row);
        self.changes.insert(row, Some(value));
    }
    /// Removes a row.
    pub(super) fn remove(&mut self, row: Bytes) {
        self.note_change(&row);
        self.changes.insert(row, None);
    }
    /// Sets a row that counts as bytes of its key; `old` is the length of the value it replaces.
    pub(super) fn set_counted(&mut self, row: Bytes, value: Bytes, old: Option<usize>) {
        self.uncount(&row, old);
        self.counters.row_bytes += (row.len() + value.len()) as u64;
        self.set(row, value);
    }
    /// Removes a row that counts, if it is there.
    pub(super) fn remove_counted(&mut self, row: Bytes, old: Option<usize>) {
        if old.is_some() {
            self.uncount(&row, old);
            self.remove(row);
        }
    }
    fn uncount(&mut self, row: &Bytes, old: Option<usize>) {
        let bytes = old.map_or(0, |len| (row.len() + len) as u64);
        self.counters.row_bytes = self.counters.row_bytes.saturating_sub(bytes);
    }

    /// While the shard splits, the child must hear of each change in its half.
    fn note_change(&mut self, row: &Bytes) {
        self.counters.changes += 1;
        let Some(at) = &self.header.splitting else { return };
        let handed = self.header.to.as_ref() == Some(at);
        if !handed && key::moves(row, at) {
            let stamp = to_bytes(&self.counters.changes);
            self.changes.insert(key::changed_row(row), Some(stamp));
        }
    }

    /// What is at a place of a key.
    pub(super) fn object(&self, key: &[u8], place: Place) -> Result<Option<Stored>, ClassError> {
        let Some(value) = self.draft().omap_get(&place.object_row(key))? else { return Ok(None) };
        let row_len = value.len();
        let mut row: ObjectRow = stored(value)?;
        let (detail, detail_len) = match row.detail.take() {
            Some(detail) => (detail, None),
            None => {
                let value = self.draft().omap_get(&place.row(key::DETAIL, key))?.ok_or(Errno::EIO)?;
                let len = value.len();
                (stored(value)?, Some(len))
            }
        };
        Ok(Some(Stored { row, detail, row_len, detail_len }))
    }

    /// Queues a run to be freed once `due_ms` has passed.
    pub(super) fn discard(&mut self, key: &[u8], run: &Part, due_ms: u64) {
        if run.size == 0 {
            return;
        }
        let garbage = GarbageRow { due_ms, size: run.size, object_bytes: run.object_bytes };
        self.counters.garbage += 1;
        self.set(key::tag_row(key::GARBAGE, key, run.tag), to_bytes(&garbage));
    }

    /// Whether a run of these was named once and is not any more. What asks for it to be named was sent before, then,
    /// and has happened: the OSD remembers requests only for so long.
    pub(super) fn was_named(&self, key: &[u8], tags: impl Iterator<Item = Tag>) -> Result<bool, ClassError> {
        for tag in tags {
            if self.draft().omap_get(&key::tag_row(key::GARBAGE, key, tag))?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How full the shard is.
    pub(super) fn stat(&self) -> Stat {
        Stat {
            keys: self.counters.entries(),
            row_bytes: self.counters.row_bytes,
            splitting: self.header.splitting.is_some(),
        }
    }

    /// Carries the changes out.
    pub(super) fn close(mut self) {
        if self.header != self.before.0 {
            self.changes.insert(Bytes::from_static(key::HEADER), Some(to_bytes(&self.header)));
        }
        if self.counters != self.before.1 {
            self.changes.insert(Bytes::from_static(key::COUNTERS), Some(to_bytes(&self.counters)));
        }
        let mut set = Vec::with_capacity(self.changes.len());
        let mut removed = Vec::new();
        for (row, value) in self.changes {
            match value {
                Some(value) => set.push((row, value)),
                None => removed.push(row),
            }
        }
        let object = self.ctx.object_mut();
        object.omap_rm(removed);
        if !set.is_empty() {
            object.omap_set(set);
        }
    }

    /// Drops rows `first .. end` at once, outside the counted changes.
    pub(super) fn drop_range(&mut self, first: Bytes, end: Bytes) {
        self.ctx.object_mut().omap_rm_range(first, Some(end));
    }
    /// Drops rows `first ..= last` at once, outside the counted changes.
    pub(super) fn drop_rows(&mut self, first: Bytes, last: &[u8]) {
        self.ctx.object_mut().omap_rm_range(first, Some(key::after_key(last)));
    }
}
