//! Operations: what a client asks of one object, as a list applied atomically.

use crate::hint::AllocHint;
use crate::snap::SnapId;
use crate::snapset::SnapSet;
use crate::view::{ObjectMeta, OmapPage, OmapRange};
use crate::watch::{Notified, WatchId, Watcher};
use bytes::Bytes;
use stdx::Errno;

/// Names one client request for ever, so that a replay is recognised instead of executed again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId {
    /// Drawn at random by each client instance.
    pub client: u64,
    /// Counts the client's requests, from 1.
    pub seq: u64,
}
stdx::codec_plain!(RequestId { client, seq });

impl std::fmt::Debug for RequestId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "client.{:x}:{}", self.client, self.seq)
    }
}

/// How a guard compares the stored value (left) with the given one (right).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Equal; an absent value is the empty string.
    Eq,
    /// Not equal.
    Ne,
    /// Greater, in byte order.
    Gt,
    /// Greater or equal.
    Ge,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
}
stdx::codec_enum!(Compare { 0 => Eq, 1 => Ne, 2 => Gt, 3 => Ge, 4 => Lt, 5 => Le });

impl Compare {
    /// Whether `stored OP given` holds.
    pub fn holds(self, stored: &[u8], given: &[u8]) -> bool {
        match self {
            Compare::Eq => stored == given,
            Compare::Ne => stored != given,
            Compare::Gt => stored > given,
            Compare::Ge => stored >= given,
            Compare::Lt => stored < given,
            Compare::Le => stored <= given,
        }
    }
}

/// One step of a compound operation. The list stops at the first step that fails, and then nothing of it
/// has happened. Reads of data see the object as it was before the operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Fails with ENOENT unless the object exists.
    AssertExists,
    /// Fails with ERANGE unless the object's version sequence is this.
    AssertVersion {
        /// The wanted `Version::seq`.
        seq: u64,
    },
    /// Fails with ECANCELED unless the attribute compares so.
    CmpXattr {
        /// Attribute.
        name: String,
        /// Comparison, stored value on the left.
        compare: Compare,
        /// Right side.
        value: Bytes,
    },
    /// Fails with ECANCELED unless the omap value compares so.
    CmpOmap {
        /// Key.
        key: Bytes,
        /// Comparison, stored value on the left.
        compare: Compare,
        /// Right side.
        value: Bytes,
    },
    /// Fails with EOLDSNAPC unless the operation's snapshot context knows of the newest snapshot that the OSD knows the
    /// pool to have given an id to. So nobody can write past a snapshot that was made without his knowledge.
    AssertSnapsKnown,
    /// Size, version, time. ENOENT if absent.
    Stat,
    /// Data of a range, cut at the object's end. `len` 0 means to the end.
    Read {
        /// First byte.
        offset: u64,
        /// Bytes.
        len: u64,
    },
    /// One attribute; ENODATA if absent.
    GetXattr {
        /// Its name.
        name: String,
    },
    /// All attributes.
    GetXattrs,
    /// Omap values of the given keys; absent ones are left out.
    OmapGet {
        /// Keys.
        keys: Vec<Bytes>,
    },
    /// A page of omap rows.
    OmapGetRange {
        /// The range.
        range: OmapRange,
    },
    /// The object exists from here on; `exclusive` fails with EEXIST if it did before.
    Create {
        /// Refuse an existing object.
        exclusive: bool,
    },
    /// Bytes at an offset.
    Write {
        /// Where, in bytes.
        offset: u64,
        /// What.
        data: Bytes,
    },
    /// The whole data, replacing what was there.
    WriteFull {
        /// What.
        data: Bytes,
    },
    /// Bytes at the object's end.
    Append {
        /// What.
        data: Bytes,
    },
    /// A range reads as zeros.
    Zero {
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        len: u64,
    },
    /// The size becomes `size`.
    Truncate {
        /// Bytes.
        size: u64,
    },
    /// The object is gone; ENOENT if it was not there.
    Delete,
    /// Sets an attribute.
    SetXattr {
        /// Its name.
        name: String,
        /// Its value.
        value: Bytes,
    },
    /// Removes an attribute.
    RmXattr {
        /// Its name.
        name: String,
    },
    /// Sets omap rows.
    OmapSet {
        /// Keys and values.
        rows: Vec<(Bytes, Bytes)>,
    },
    /// Removes omap rows.
    OmapRm {
        /// Keys.
        keys: Vec<Bytes>,
    },
    /// Removes all omap rows with `start <= key < end`.
    OmapRmRange {
        /// First key removed.
        start: Bytes,
        /// First key kept; none: to the end.
        end: Option<Bytes>,
    },
    /// The same bytes over and over, in `offset..offset + len`; the length must be a multiple of theirs.
    WriteSame {
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        len: u64,
        /// What is repeated; not empty.
        data: Bytes,
    },
    /// What is known of a new object. Taken only by the operation that makes the object, and then its first step: on one
    /// that exists it does nothing.
    SetAllocHint {
        /// What is known.
        hint: AllocHint,
    },
    /// The object becomes what it was at a snapshot; absent if it did not exist then. Only attributes may be set behind
    /// it.
    Rollback {
        /// The snapshot.
        snap: SnapId,
    },
    /// Which clones the object has for its snapshots. ENOENT if it has none and does not exist.
    ListSnaps,
    /// Its sender watches the object from here on (again, perhaps with another timeout): it hears of each notify, until it
    /// is silent for longer than its timeout. ENOENT if the object is not there, EBUSY if it has `WATCHERS_MAX` watchers,
    /// EINVAL for another client's watch or a timeout out of bounds.
    Watch {
        /// The watch.
        watcher: Watcher,
    },
    /// Its sender watches no more. Harmless if it did not.
    Unwatch {
        /// The watch.
        id: WatchId,
    },
    /// The watcher is there, and hears notifies where this came from. ENOTCONN if the watch is gone. The last step, behind
    /// nothing but guards.
    WatchPing {
        /// The watch.
        id: WatchId,
    },
    /// All watchers hear of this; answered with who acknowledged it once all did or the time is over. May reach a
    /// watcher again when the primary changes. The last step, behind nothing but guards. ENOENT if the object is not
    /// there, E2BIG for a payload above `NOTIFY_BYTES_MAX`, EBUSY if too many are under way in the PG.
    Notify {
        /// How long watchers have to acknowledge it, milliseconds.
        timeout_ms: u32,
        /// What they hear.
        payload: Bytes,
    },
    /// A watcher has heard a notify. Harmless if that is over. The last step, behind nothing but guards.
    NotifyAck {
        /// Which, as it was told.
        notify: u64,
        /// Which watcher.
        id: WatchId,
        /// What it says to that, for the notifier.
        reply: Bytes,
    },
    /// Who watches. ENOENT if the object is not there.
    ListWatchers,
    /// Runs a method of an object class inside the operation.
    Call {
        /// The class, as `index`.
        class: String,
        /// The method.
        method: String,
        /// Its input, in the method's own encoding.
        input: Bytes,
    },
}

stdx::codec_enum!(Op {
    0 => AssertExists,
    1 => AssertVersion { seq },
    2 => CmpXattr { name, compare, value },
    3 => CmpOmap { key, compare, value },
    4 => AssertSnapsKnown,
    16 => Stat,
    17 => Read { offset, len },
    18 => GetXattr { name },
    19 => GetXattrs,
    20 => OmapGet { keys },
    21 => OmapGetRange { range },
    22 => ListSnaps,
    23 => ListWatchers,
    24 => WatchPing { id },
    25 => Notify { timeout_ms, payload },
    26 => NotifyAck { notify, id, reply },
    32 => Create { exclusive },
    33 => Write { offset, data },
    34 => WriteFull { data },
    35 => Append { data },
    36 => Zero { offset, len },
    37 => Truncate { size },
    38 => Delete,
    39 => SetXattr { name, value },
    40 => RmXattr { name },
    41 => OmapSet { rows },
    42 => OmapRm { keys },
    43 => OmapRmRange { start, end },
    44 => WriteSame { offset, len, data },
    45 => Rollback { snap },
    46 => SetAllocHint { hint },
    47 => Watch { watcher },
    48 => Unwatch { id },
    64 => Call { class, method, input },
});

/// What one step gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpResult {
    /// Done, nothing to say.
    Done,
    /// Of `Stat`.
    Meta(ObjectMeta),
    /// Of `Read`, `GetXattr`, `Call`.
    Data(Bytes),
    /// Of `GetXattrs`.
    Xattrs(Vec<(String, Bytes)>),
    /// Of `OmapGet`, `OmapGetRange`.
    Rows(OmapPage),
    /// Of `ListSnaps`.
    Snaps(Box<Snaps>),
    /// Of `ListWatchers`.
    Watchers(Vec<Watcher>),
    /// Of `Notify`.
    Notified(Box<Notified>),
}

/// An object and its clones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snaps {
    /// The clones.
    pub set: SnapSet,
    /// Bytes of the live object; none: there is none.
    pub head_bytes: Option<u64>,
}
stdx::codec_versioned!(Snaps, 1 { set, head_bytes });

stdx::codec_enum!(OpResult {
    0 => Done,
    1 => Meta(m),
    2 => Data(d),
    3 => Xattrs(x),
    4 => Rows(p),
    5 => Snaps(s),
    6 => Watchers(w),
    7 => Notified(n),
});

/// Why a compound operation failed: the code, which step, and bytes a class method may say with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpFailure {
    /// The code.
    pub code: Errno,
    /// Index of the failing step.
    pub step: u32,
    /// What a class method says besides (a redirect, say); else empty.
    pub detail: Bytes,
}
stdx::codec_plain!(OpFailure { code, step, detail });

/// What a compound operation gave: one result per step, or the failure.
pub type OpOutcome = Result<Vec<OpResult>, OpFailure>;
