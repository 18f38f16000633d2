//! How a PG's bookkeeping lies in the omap of its meta object: docs/formats/pg-meta.md.
//!
//! ```text
//! "d" + sort key of an object   (empty)     touched by a recovery that did not end
//! "i"                           Info
//! "l" + seq u64 big-endian      LogEntry
//! "p"                           SnapRuns    removed snapshots that nothing is kept for any more
//! "s"                           ScrubStamps
//! "w" + seq, interval u64 BE    Transaction    a write that is put aside (erasure_coded/record.rs)
//! ```

use super::Log;
use crate::erasure_coded::record::{RECORD, version_of};
use crate::names::meta_object;
use bytes::Bytes;
use osd_object::view::prefix_end;
use osd_object::{Mutation, ObjectId, ObjectRead, OmapRange, Transaction, Version};
use placement_map::{PgId, SnapRuns};
use std::collections::BTreeSet;
use stdx::Errno;
use stdx::codec::{DecodeError, from_bytes, to_bytes};
use wire_codec::pg::{Condition, LogEntry, ScrubStamps};

const INFO: &[u8] = b"i";
const LOG: u8 = b'l';
const DIRTY: u8 = b'd';
const PURGED: &[u8] = b"p";
const STAMPS: &[u8] = b"s";

/// The one row beside the log and the list of touched objects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    /// The latest interval this member took part in: it obeys none before it.
    pub(crate) interval: u64,
    /// Version of the last entry trimmed off the log.
    pub(crate) tail: Version,
    /// Whether the objects are what the log says.
    pub(crate) condition: Condition,
    /// In an erasure-coded PG: the shard that the objects are.
    pub(crate) shard: Option<u8>,
    /// The number of the pool's PGs that this copy was last divided for. 0: as the pool was made.
    pub(crate) pg_num: u32,
}
stdx::codec_versioned!(Info, 3 { interval, tail, condition } since 2 { shard } since 3 { pg_num });

/// Why a PG's bookkeeping could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadError {
    /// The store cannot read it.
    Unreadable(Errno),
    /// It is there, but makes no sense.
    Damaged {
        /// The PG.
        pg: PgId,
        /// Which row.
        what: &'static str,
        /// What is wrong with it.
        why: DecodeError,
    },
}

impl std::fmt::Display for LoadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            LoadError::Unreadable(e) => write!(f, "the PG's log cannot be read: {e}"),
            LoadError::Damaged { pg, what, why } => write!(
                f,
                "PG {pg}: {what} in its log is damaged ({why}); this OSD stays down. Once its other PGs are whole \
                 elsewhere (`nacre health detail`), give it a new store, and it is filled from its peers"
            ),
        }
    }
}
impl std::error::Error for LoadError {}
impl From<Errno> for LoadError {
    fn from(e: Errno) -> LoadError {
        LoadError::Unreadable(e)
    }
}

/// What was loaded.
pub(crate) struct Loaded {
    /// Default if the PG was never here.
    pub(crate) info: Info,
    /// Whether there was anything.
    pub(crate) existed: bool,
    pub(crate) log: Log,
    pub(crate) dirty: BTreeSet<ObjectId>,
    pub(crate) purged: SnapRuns,
    pub(crate) stamps: ScrubStamps,
    /// Writes that are put aside as records.
    pub(crate) records: Vec<(Version, Transaction)>,
}

/// Whether a PG's bookkeeping, if there is any, can be read: an OSD asks before it says that it serves.
pub fn check(view: &dyn ObjectRead, pg: PgId) -> Result<(), LoadError> {
    load(view, pg).map(drop)
}

/// What makes a member say of a PG that nothing of its copy is certain, so that every object is compared: for a store
/// that lost acknowledged writes. `None`: the PG was never here.
pub fn distrust(view: &dyn ObjectRead, pg: PgId) -> Result<Option<Transaction>, LoadError> {
    let loaded = load(view, pg)?;
    Ok(loaded.existed.then(|| {
        let mut t = Transaction::new();
        MetaRows::new(pg).info(&mut t, &Info { condition: Condition::Backfilling, ..loaded.info });
        t
    }))
}

/// Reads a PG's bookkeeping.
pub(crate) fn load(view: &dyn ObjectRead, pg: PgId) -> Result<Loaded, LoadError> {
    let meta = meta_object(pg);
    let damaged = |what| move |why| LoadError::Damaged { pg, what, why };
    let stored = view.omap_get(&meta, INFO)?;
    let existed = stored.is_some();
    let info: Info = stored.map_or(Ok(Info::default()), from_bytes).map_err(damaged("the info row"))?;
    let purged = view.omap_get(&meta, PURGED)?;
    let purged =
        purged.map_or(Ok(SnapRuns::default()), from_bytes).map_err(damaged("the purged snapshots"))?;
    let mut log = Log::new(info.tail);
    let mut dirty = BTreeSet::new();
    for_each_row(view, &meta, LOG, |_, value| {
        let entry: LogEntry = from_bytes(value).map_err(damaged("an entry"))?;
        if entry.version.seq != log.head().seq + 1 || entry.version.interval < log.head().interval {
            return Err(damaged("an entry")(DecodeError::Invalid("sequence of versions")));
        }
        log.push(entry);
        Ok(())
    })?;
    for_each_row(view, &meta, DIRTY, |key, _| {
        let object = ObjectId::from_sort_key(&key[1..]);
        dirty.insert(object.ok_or_else(|| damaged("a touched object")(DecodeError::Invalid("sort key")))?);
        Ok(())
    })?;
    let mut records = Vec::new();
    for_each_row(view, &meta, RECORD, |key, value| {
        let damaged = damaged("a write that is put aside");
        let version = version_of(key).ok_or_else(|| damaged(DecodeError::Invalid("key")))?;
        records.push((version, from_bytes(value).map_err(damaged)?));
        Ok(())
    })?;
    let stamps = view.omap_get(&meta, STAMPS)?;
    let stamps =
        stamps.map_or(Ok(ScrubStamps::default()), from_bytes).map_err(damaged("the time of its scrub"))?;
    Ok(Loaded { info, existed, log, dirty, purged, stamps, records })
}

fn for_each_row(
    view: &dyn ObjectRead,
    meta: &ObjectId,
    kind: u8,
    mut each: impl FnMut(&Bytes, Bytes) -> Result<(), LoadError>,
) -> Result<(), LoadError> {
    let mut range = OmapRange::prefix(&[kind]);
    loop {
        let page = view.omap_range(meta, &range)?;
        let last = page.rows.last().map(|(k, _)| k.clone());
        for (key, value) in page.rows {
            each(&key, value)?;
        }
        match last {
            Some(last) if page.more => range = range.after(&last),
            _ => return Ok(()),
        }
    }
}

/// About how much an entry takes, in the log and in memory.
pub(crate) fn bytes_of(entry: &LogEntry) -> usize {
    let n = &entry.object.name;
    let results = match &entry.outcome {
        Ok(results) => results.iter().map(crate::ops::result_bytes).sum(),
        Err(f) => f.detail.len(),
    };
    160 + n.name.len() + n.namespace.len() + n.locator.len() + results + 8 * entry.clones.len()
}

fn log_key(seq: u64) -> Bytes {
    let mut key = vec![LOG];
    key.extend(seq.to_be_bytes());
    key.into()
}

fn dirty_key(object: &ObjectId) -> Bytes {
    let mut key = vec![DIRTY];
    key.extend(object.sort_key());
    key.into()
}

/// Writes bookkeeping rows into transactions.
pub(crate) struct MetaRows {
    meta: ObjectId,
}

impl MetaRows {
    pub(crate) fn new(pg: PgId) -> MetaRows {
        MetaRows { meta: meta_object(pg) }
    }
    fn set(&self, t: &mut Transaction, rows: Vec<(Bytes, Bytes)>) {
        t.push(Mutation::OmapSet { object: self.meta.clone(), rows });
    }
    fn rm_range(&self, t: &mut Transaction, start: Bytes, end: Option<Bytes>) {
        t.push(Mutation::OmapRmRange { object: self.meta.clone(), start, end });
    }
    pub(crate) fn info(&self, t: &mut Transaction, info: &Info) {
        self.set(t, vec![(Bytes::from_static(INFO), to_bytes(info))]);
    }
    pub(crate) fn purged(&self, t: &mut Transaction, purged: &SnapRuns) {
        self.set(t, vec![(Bytes::from_static(PURGED), to_bytes(purged))]);
    }
    pub(crate) fn stamps(&self, t: &mut Transaction, stamps: &ScrubStamps) {
        self.set(t, vec![(Bytes::from_static(STAMPS), to_bytes(stamps))]);
    }
    /// The purged snapshots that a transaction notes, if it does.
    pub(crate) fn purged_in(&self, t: &Transaction) -> Option<SnapRuns> {
        let rows = t.mutations.iter().filter_map(|m| match m {
            Mutation::OmapSet { object, rows } if *object == self.meta => Some(rows),
            _ => None,
        });
        let noted = rows.flatten().find(|(key, _)| &key[..] == PURGED)?;
        from_bytes(noted.1.clone()).ok()
    }
    pub(crate) fn entries<'a>(&self, t: &mut Transaction, entries: impl IntoIterator<Item = &'a LogEntry>) {
        let rows: Vec<_> = entries.into_iter().map(|e| (log_key(e.version.seq), to_bytes(e))).collect();
        if !rows.is_empty() {
            self.set(t, rows);
        }
    }
    /// Removes the rows through `to`; the info row then has to say so too.
    pub(crate) fn trim(&self, t: &mut Transaction, to: Version) {
        self.rm_range(t, log_key(0), Some(log_key(to.seq + 1)));
    }
    /// Removes the rows behind `keep`.
    pub(crate) fn cut(&self, t: &mut Transaction, keep: Version) {
        self.rm_range(t, log_key(keep.seq + 1), prefix_end(&[LOG]));
    }
    pub(crate) fn clear_log(&self, t: &mut Transaction) {
        self.rm_range(t, log_key(0), prefix_end(&[LOG]));
    }
    pub(crate) fn clear_records(&self, t: &mut Transaction) {
        self.rm_range(t, Bytes::from_static(&[RECORD]), prefix_end(&[RECORD]));
    }
    pub(crate) fn dirty(&self, t: &mut Transaction, object: &ObjectId) {
        self.set(t, vec![(dirty_key(object), Bytes::new())]);
    }
    pub(crate) fn not_dirty(&self, t: &mut Transaction, objects: &[ObjectId]) {
        t.push(Mutation::OmapRm { object: self.meta.clone(), keys: objects.iter().map(dirty_key).collect() });
    }
    pub(crate) fn clear_dirty(&self, t: &mut Transaction) {
        self.rm_range(t, Bytes::from_static(&[DIRTY]), prefix_end(&[DIRTY]));
    }
}
