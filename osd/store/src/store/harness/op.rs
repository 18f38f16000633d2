//! One change of a case, in numbers: small enough to be printed, and to be made smaller.

use super::machine::object;
use crate::buf::AlignedBuf;
use bytes::Bytes;
use osd_object::hint::HINT_XATTR;
use osd_object::{AllocHint, Compressible, Mutation, Transaction, Version};
use std::collections::BTreeSet;
use stdx::Rng;
use stdx::time::WallTime;

/// A mutation. Objects are numbers, and bytes come from the seed `fill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]

pub(super) enum Op {
    Touch { o: u64 },
    Write { o: u64, offset: u64, len: u64, fill: u64 },
    Zero { o: u64, offset: u64, len: u64 },
    Truncate { o: u64, size: u64 },
    Remove { o: u64 },
    SetXattr { o: u64, name: u64, len: u64, fill: u64 },
    RmXattr { o: u64, name: u64 },
    OmapSet { o: u64, first: u64, rows: u64, len: u64, fill: u64 },
    OmapRm { o: u64, first: u64, rows: u64 },
    OmapRmRange { o: u64, first: u64, end: Option<u64> },
    Clone { o: u64, to: u64 },
    Rename { o: u64, to: u64 },
    Stamp { o: u64, seq: u64 },
}

/// Objects of a case.
pub(super) const OBJECTS: u64 = 6;
/// The number of the attribute that is the object's hint.
const HINT: u64 = 5;
/// Omap keys of an object.
const KEYS: u64 = 90;

fn content(len: u64, fill: u64) -> Bytes {
    let mut rng = Rng::new(fill);
    // Noise up to a point, and behind it what can be packed: to nearly nothing, or hardly.
    let noise = if rng.chance(1, 3) { len } else { rng.below(len + 1) } as usize;
    // Half of it as the network hands it over: aligned, so that it is not copied on its way to the device.
    if fill.is_multiple_of(2) {
        let mut buf = AlignedBuf::zeroed(len as usize);
        buf.fill(fill as u8 | 1);
        rng.fill(&mut buf[..noise]);
        return Bytes::from_owner(buf);
    }
    let mut out = vec![fill as u8; len as usize];
    rng.fill(&mut out[..noise]);
    out.into()
}

fn key(n: u64) -> Bytes {
    Bytes::from(format!("k{:02}", n % KEYS))
}

impl Op {
    /// A change that a PG could ask for, biased towards the edges of units, chunks and write kinds.
    pub(super) fn random(rng: &mut Rng) -> Op {
        let o = rng.below(OBJECTS);
        let fill = rng.next_u64() >> 32;
        let offset = match rng.below(24) {
            0..=9 => rng.below(3) * 4096,
            10..=15 => rng.below(12 << 10),
            16..=22 => rng.below(64 << 10),
            // At the border of two chunks.
            _ => 62 * 4096 + rng.below(3) * 4096,
        };
        match rng.below(40) {
            0..=8 => Op::Write { o, offset, len: 1 + rng.below(9000), fill },
            9..=13 => Op::Write { o, offset: offset / 4096 * 4096, len: 4096, fill },
            14..=16 => Op::Write { o, offset, len: (32 << 10) + rng.below(24 << 10), fill },
            // Also runs that are long enough for a discard.
            17..=18 => Op::Write { o, offset: offset / 4096 * 4096, len: 4096 * (8 + rng.below(16)), fill },
            19..=20 => Op::Zero { o, offset, len: rng.below(30_000) },
            21..=22 => Op::Truncate { o, size: rng.below(70_000) },
            23..=24 => Op::Remove { o },
            25 => Op::SetXattr { o, name: rng.below(1 + HINT), len: rng.below(60), fill },
            26 => Op::RmXattr { o, name: rng.below(5) },
            27..=28 => {
                Op::OmapSet { o, first: rng.below(KEYS), rows: 1 + rng.below(6), len: rng.below(40), fill }
            }
            29 => Op::OmapSet { o, first: 0, rows: 1 + rng.below(KEYS), len: rng.below(9), fill },
            30 => Op::OmapRm { o, first: rng.below(KEYS), rows: rng.below(5) },
            31 => {
                let end = rng.chance(2, 3).then(|| rng.below(KEYS));
                Op::OmapRmRange { o, first: rng.below(KEYS), end }
            }
            32..=34 => Op::Clone { o, to: rng.below(OBJECTS) },
            35..=36 => Op::Rename { o, to: rng.below(OBJECTS) },
            37 => Op::Touch { o },
            _ => Op::Stamp { o, seq: rng.below(1000) },
        }
    }

    fn mutation(self) -> Mutation {
        match self {
            Op::Touch { o } => Mutation::Touch { object: object(o) },
            Op::Write { o, offset, len, fill } => {
                Mutation::Write { object: object(o), offset, data: content(len, fill) }
            }
            Op::Zero { o, offset, len } => Mutation::Zero { object: object(o), offset, len },
            Op::Truncate { o, size } => Mutation::Truncate { object: object(o), size },
            Op::Remove { o } => Mutation::Remove { object: object(o) },
            Op::SetXattr { o, name: HINT, len, fill } => {
                let compressible =
                    [Compressible::Unknown, Compressible::Yes, Compressible::No][fill as usize % 3];
                let hint =
                    AllocHint { expected_object_bytes: len << 12, expected_write_bytes: 0, compressible };
                Mutation::SetXattr { object: object(o), name: HINT_XATTR.to_string(), value: hint.to_value() }
            }
            Op::SetXattr { o, name, len, fill } => Mutation::SetXattr {
                object: object(o),
                name: format!("x{name}"),
                value: content(len, fill | 1),
            },
            Op::RmXattr { o, name } => Mutation::RmXattr { object: object(o), name: format!("x{name}") },
            Op::OmapSet { o, first, rows, len, fill } => {
                let row = |i| (key(first + i), content(len, (fill + i) | 1));
                Mutation::OmapSet { object: object(o), rows: (0..rows).map(row).collect() }
            }
            Op::OmapRm { o, first, rows } => {
                Mutation::OmapRm { object: object(o), keys: (0..rows).map(|i| key(first + i)).collect() }
            }
            Op::OmapRmRange { o, first, end } => {
                Mutation::OmapRmRange { object: object(o), start: key(first), end: end.map(key) }
            }
            Op::Clone { o, to } => Mutation::Clone { from: object(o), to: object(to) },
            Op::Rename { o, to } => Mutation::Rename { from: object(o), to: object(to) },
            Op::Stamp { o, seq } => Mutation::Stamp {
                object: object(o),
                version: Version { interval: seq % 5, seq },
                mtime: WallTime(seq << 20),
            },
        }
    }

    /// Smaller versions of this change.
    pub(super) fn smaller(self) -> Vec<Op> {
        let mut out = Vec::new();
        match self {
            Op::Write { o, offset, len, fill } => {
                if offset > 0 {
                    out.push(Op::Write { o, offset: 0, len, fill });
                }
                for n in [1, 4096, 32 << 10, len / 2] {
                    if n > 0 && n < len {
                        out.push(Op::Write { o, offset, len: n, fill });
                    }
                }
            }
            Op::OmapSet { o, first, rows, len, fill } if rows > 1 => {
                out.push(Op::OmapSet { o, first, rows: 1, len, fill });
            }
            Op::Touch { .. } => return out,
            _ => {}
        }
        let (Op::Touch { o }
        | Op::Write { o, .. }
        | Op::Zero { o, .. }
        | Op::Truncate { o, .. }
        | Op::Remove { o }
        | Op::SetXattr { o, .. }
        | Op::RmXattr { o, .. }
        | Op::OmapSet { o, .. }
        | Op::OmapRm { o, .. }
        | Op::OmapRmRange { o, .. }
        | Op::Clone { o, .. }
        | Op::Rename { o, .. }
        | Op::Stamp { o, .. }) = self;
        out.push(Op::Touch { o });
        out
    }
}

/// The transaction of these changes in a store that holds `present`; clones and renames of nothing are left out, as no
/// PG asks for them.
pub(super) fn transaction(ops: &[Op], mut present: BTreeSet<osd_object::ObjectId>) -> Transaction {
    let mut t = Transaction::new();
    for op in ops {
        let m = op.mutation();
        match &m {
            Mutation::Clone { from, .. } | Mutation::Rename { from, .. } if !present.contains(from) => {
                continue;
            }
            Mutation::Remove { object } => {
                present.remove(object);
            }
            Mutation::Rename { from, to } => {
                present.remove(from);
                present.insert(to.clone());
            }
            m => {
                present.insert(m.object().clone());
            }
        }
        t.push(m);
    }
    t
}

impl std::fmt::Display for Op {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Op::Touch { o } => write!(f, "touch o{o}"),
            Op::Write { o, offset, len, fill } => write!(f, "write o{o} {offset}+{len} (fill {fill:x})"),
            Op::Zero { o, offset, len } => write!(f, "zero o{o} {offset}+{len}"),
            Op::Truncate { o, size } => write!(f, "truncate o{o} to {size}"),
            Op::Remove { o } => write!(f, "remove o{o}"),
            Op::SetXattr { o, name, len, .. } => write!(f, "set attribute x{name} of o{o}, {len} bytes"),
            Op::RmXattr { o, name } => write!(f, "remove attribute x{name} of o{o}"),
            Op::OmapSet { o, first, rows, len, .. } => {
                write!(f, "set {rows} rows of o{o} from k{first:02}, {len} bytes each")
            }
            Op::OmapRm { o, first, rows } => write!(f, "remove {rows} rows of o{o} from k{first:02}"),
            Op::OmapRmRange { o, first, end: Some(end) } => {
                write!(f, "remove rows k{first:02}..k{end:02} of o{o}")
            }
            Op::OmapRmRange { o, first, end: None } => write!(f, "remove rows of o{o} from k{first:02} on"),
            Op::Clone { o, to } => write!(f, "clone o{o} to o{to}"),
            Op::Rename { o, to } => write!(f, "rename o{o} to o{to}"),
            Op::Stamp { o, seq } => write!(f, "stamp o{o} with version {seq}"),
        }
    }
}
