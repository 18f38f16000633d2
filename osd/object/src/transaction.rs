//! Transactions: the effects of a write, resolved to plain facts that each replica applies alike.

use crate::name::ObjectId;
use crate::view::{ObjectMeta, Version};
use bytes::Bytes;
use stdx::time::WallTime;

/// One effect on one object. Effects say what is, never what to compute (no appends, no class calls), so
/// that applying one twice is the same as once, given the order of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The object exists from here on (empty if it did not).
    Touch {
        /// The object.
        object: ObjectId,
    },
    /// Bytes at an offset; the size grows to cover them.
    Write {
        /// The object.
        object: ObjectId,
        /// Where, in bytes.
        offset: u64,
        /// What.
        data: Bytes,
    },
    /// A range reads as zeros; whole units of it are freed. Does not change the size.
    Zero {
        /// The object.
        object: ObjectId,
        /// Where, in bytes.
        offset: u64,
        /// How much, in bytes.
        len: u64,
    },
    /// The size becomes `size`; what lies beyond is gone, what is new reads as zeros.
    Truncate {
        /// The object.
        object: ObjectId,
        /// The new size in bytes.
        size: u64,
    },
    /// The object with its attributes and omap is gone. Harmless if it was not there.
    Remove {
        /// The object.
        object: ObjectId,
    },
    /// An attribute has this value.
    SetXattr {
        /// The object.
        object: ObjectId,
        /// Its name.
        name: String,
        /// Its value.
        value: Bytes,
    },
    /// An attribute is gone.
    RmXattr {
        /// The object.
        object: ObjectId,
        /// Its name.
        name: String,
    },
    /// Omap rows have these values.
    OmapSet {
        /// The object.
        object: ObjectId,
        /// Keys and values.
        rows: Vec<(Bytes, Bytes)>,
    },
    /// Omap rows are gone.
    OmapRm {
        /// The object.
        object: ObjectId,
        /// Keys.
        keys: Vec<Bytes>,
    },
    /// All omap rows with `start <= key < end` are gone; without an end, all from `start` on.
    OmapRmRange {
        /// The object.
        object: ObjectId,
        /// The first key removed.
        start: Bytes,
        /// The first key kept.
        end: Option<Bytes>,
    },
    /// `to` becomes a copy of `from` (data shared copy-on-write, attributes and omap copied).
    Clone {
        /// The source, which must exist.
        from: ObjectId,
        /// The target, replaced if it exists.
        to: ObjectId,
    },
    /// `to` becomes what `from` was, and `from` is gone. Costs the same whatever the object's size.
    Rename {
        /// The source, which must exist; not `to`.
        from: ObjectId,
        /// The target, replaced if it exists.
        to: ObjectId,
    },
    /// Stamps the object with the version and time of the write that this transaction is.
    Stamp {
        /// The object, which exists after this transaction.
        object: ObjectId,
        /// Version of the write.
        version: Version,
        /// Time the write carried.
        mtime: WallTime,
    },
}

stdx::codec_enum!(Mutation {
    0 => Touch { object },
    1 => Write { object, offset, data },
    2 => Zero { object, offset, len },
    3 => Truncate { object, size },
    4 => Remove { object },
    5 => SetXattr { object, name, value },
    6 => RmXattr { object, name },
    7 => OmapSet { object, rows },
    8 => OmapRm { object, keys },
    9 => OmapRmRange { object, start, end },
    10 => Clone { from, to },
    11 => Stamp { object, version, mtime },
    12 => Rename { from, to },
});

impl Mutation {
    /// The object that changes (that a rename makes; the one that it takes away is not told).
    pub fn object(&self) -> &ObjectId {
        match self {
            Mutation::Touch { object }
            | Mutation::Write { object, .. }
            | Mutation::Zero { object, .. }
            | Mutation::Truncate { object, .. }
            | Mutation::Remove { object }
            | Mutation::SetXattr { object, .. }
            | Mutation::RmXattr { object, .. }
            | Mutation::OmapSet { object, .. }
            | Mutation::OmapRm { object, .. }
            | Mutation::OmapRmRange { object, .. }
            | Mutation::Clone { to: object, .. }
            | Mutation::Rename { to: object, .. }
            | Mutation::Stamp { object, .. } => object,
        }
    }
}

/// Effects that a store makes durable together or not at all, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The effects.
    pub mutations: Vec<Mutation>,
}
stdx::codec_versioned!(Transaction, 1 { mutations });

impl Transaction {
    /// No effects yet.
    pub fn new() -> Transaction {
        Transaction::default()
    }
    /// Adds an effect.
    pub fn push(&mut self, m: Mutation) {
        self.mutations.push(m);
    }
    /// Adds the effects of another transaction behind these.
    pub fn append(&mut self, other: Transaction) {
        self.mutations.extend(other.mutations);
    }
    /// Bytes of object data and rows carried, for admission and batching.
    pub fn payload_bytes(&self) -> u64 {
        self.mutations
            .iter()
            .map(|m| match m {
                Mutation::Write { data, .. } => data.len() as u64,
                Mutation::SetXattr { name, value, .. } => (name.len() + value.len()) as u64,
                Mutation::OmapSet { rows, .. } => rows.iter().map(|(k, v)| (k.len() + v.len()) as u64).sum(),
                _ => 0,
            })
            .sum()
    }
    /// No less than what it takes encoded, bytes, and little more: for keeping within what a message may hold.
    pub fn encoded_bytes_most(&self) -> u64 {
        self.bytes_most(|data| data.len())
    }
    /// No less than what a store's log takes of it, bytes: data of `fresh_bytes_min` or more goes to its place at once and only
    /// its ends through the log; of less, every unit of 4 KiB that it touches.
    pub fn logged_bytes_most(&self, fresh_bytes_min: u64) -> u64 {
        const ENDS_BYTES: usize = 2 * 4096;
        self.bytes_most(|data| {
            let fresh = data.len() as u64 >= fresh_bytes_min;
            ENDS_BYTES + if fresh { data.len() / 512 } else { data.len() }
        })
    }
    fn bytes_most(&self, of_data: impl Fn(&Bytes) -> usize) -> u64 {
        let name = |o: &ObjectId| 64 + o.name.name.len() + o.name.namespace.len() + o.name.locator.len();
        let own = |m: &Mutation| match m {
            Mutation::Write { data, .. } => of_data(data),
            Mutation::SetXattr { name, value, .. } => name.len() + value.len(),
            Mutation::RmXattr { name, .. } => name.len(),
            Mutation::OmapSet { rows, .. } => rows.iter().map(|(k, v)| 16 + k.len() + v.len()).sum(),
            Mutation::OmapRm { keys, .. } => keys.iter().map(|k| 8 + k.len()).sum(),
            Mutation::OmapRmRange { start, end, .. } => start.len() + end.as_ref().map_or(0, Bytes::len),
            Mutation::Clone { from, .. } | Mutation::Rename { from, .. } => name(from),
            Mutation::Touch { .. }
            | Mutation::Zero { .. }
            | Mutation::Truncate { .. }
            | Mutation::Remove { .. }
            | Mutation::Stamp { .. } => 0,
        };
        64 + self.mutations.iter().map(|m| (64 + name(m.object()) + own(m)) as u64).sum::<u64>()
    }
}

impl ObjectMeta {
    /// The meta of an object that was just touched.
    pub fn empty() -> ObjectMeta {
        ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::name::ObjectName;
    use placement_map::PoolId;

    #[test]
    fn the_bound_on_encoded_bytes_holds_and_is_near() {
        let object = ObjectId::head(PoolId(1), 7, ObjectName::new("n".repeat(2000)));
        let to = ObjectId::head(PoolId(1), 7, ObjectName::new("to"));
        let b = |n: usize| Bytes::from(vec![1; n]);
        let (name, version, mtime) = ("a".repeat(90), Version { interval: 1, seq: 2 }, WallTime(3));
        let all = [
            Mutation::Touch { object: object.clone() },
            Mutation::Write { object: object.clone(), offset: 1, data: b(5000) },
            Mutation::Zero { object: object.clone(), offset: 1, len: 2 },
            Mutation::Truncate { object: object.clone(), size: 1 },
            Mutation::Remove { object: object.clone() },
            Mutation::SetXattr { object: object.clone(), name: name.clone(), value: b(300) },
            Mutation::RmXattr { object: object.clone(), name },
            Mutation::OmapSet { object: object.clone(), rows: vec![(b(1), b(1)); 1000] },
            Mutation::OmapRm { object: object.clone(), keys: vec![b(1); 1000] },
            Mutation::OmapRmRange { object: object.clone(), start: b(40), end: Some(b(50)) },
            Mutation::Clone { from: object.clone(), to: to.clone() },
            Mutation::Rename { from: object.clone(), to },
            Mutation::Stamp { object, version, mtime },
        ];
        for m in all {
            let t = Transaction { mutations: vec![m] };
            let (most, real) = (t.encoded_bytes_most(), stdx::codec::to_bytes(&t).len() as u64);
            assert!(real <= most && most < 3 * real + 300, "{real} {most}: {:?}", t.mutations[0]);
        }
    }
}
