//! What clients ask: compound operations over a few objects, many of which must not happen twice.

use bytes::Bytes;
use osd_class::{ClassError, Method, MethodContext, ObjectClass, Registry};
use osd_object::op::Compare;
use osd_object::{OmapRange, Op};
use stdx::Rng;

/// A class whose method must not happen twice.
struct Counter;

impl ObjectClass for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }
    fn methods(&self) -> &'static [Method] {
        const { &[Method::write("add")] }
    }
    fn call(&self, _: &str, ctx: &mut MethodContext<'_, '_>, input: Bytes) -> Result<Bytes, ClassError> {
        let old = ctx.object().omap_get(b"count")?;
        let old = old.and_then(|v| v[..].try_into().ok()).map_or(0, u64::from_le_bytes);
        let new = Bytes::copy_from_slice(&(old + input.len() as u64).to_le_bytes());
        ctx.object_mut().omap_set(vec![(Bytes::from_static(b"count"), new.clone())]);
        Ok(new)
    }
}

/// The classes of every OSD, and of the judge.
pub(crate) fn registry() -> Registry {
    Registry::new(&[&Counter])
}

fn bytes(rng: &mut Rng, max: u64) -> Bytes {
    let mut buf = vec![0; rng.below(max) as usize];
    if rng.chance(4, 5) {
        rng.fill(&mut buf);
    }
    buf.into()
}

fn row_key(rng: &mut Rng) -> Bytes {
    Bytes::from(vec![b'a' + rng.below(6) as u8])
}

fn read(rng: &mut Rng) -> Op {
    match rng.below(6) {
        0 => Op::Stat,
        1 => Op::OmapGetRange { range: OmapRange::all() },
        2 => Op::GetXattrs,
        3 => Op::OmapGet { keys: vec![row_key(rng), row_key(rng)] },
        _ => Op::Read { offset: 0, len: 0 },
    }
}

/// A compound operation, or one that only reads.
pub(crate) fn ops(rng: &mut Rng, only_reads: bool) -> Vec<Op> {
    let mut ops = Vec::new();
    if only_reads {
        return vec![read(rng)];
    }
    match rng.below(10) {
        0 => ops.push(Op::AssertExists),
        1 => ops.push(Op::AssertVersion { seq: rng.below(30) }),
        2 => ops.push(Op::CmpOmap { key: row_key(rng), compare: Compare::Lt, value: bytes(rng, 3) }),
        _ => {}
    }
    match rng.below(24) {
        0..=7 => ops.extend((0..=rng.below(2)).map(|_| read(rng))),
        8 | 9 => ops.push(Op::WriteFull { data: bytes(rng, 150) }),
        10..=12 => ops.push(Op::Append { data: bytes(rng, 30) }),
        13 | 14 => ops.push(Op::Write { offset: rng.below(100), data: bytes(rng, 60) }),
        15 => {
            let rows = (0..1 + rng.below(4)).map(|_| (row_key(rng), bytes(rng, 30))).collect();
            ops.push(Op::OmapSet { rows });
        }
        16 => match rng.below(3) {
            0 => ops.push(Op::SetXattr { name: "x".into(), value: bytes(rng, 20) }),
            1 => ops.push(Op::OmapRm { keys: vec![row_key(rng)] }),
            _ => ops.push(Op::OmapRmRange { start: row_key(rng), end: None }),
        },
        17 => ops.push(Op::Truncate { size: rng.below(120) }),
        18 => ops.push(Op::Delete),
        19 => ops.push(Op::Create { exclusive: true }),
        20 | 21 => {
            // Reads what it replaces.
            ops.push(Op::Read { offset: 0, len: 0 });
            ops.push(Op::WriteFull { data: bytes(rng, 50) });
        }
        _ => {
            let input = Bytes::from(vec![0; 1 + rng.below(3) as usize]);
            ops.push(Op::Call { class: "counter".into(), method: "add".into(), input });
            if rng.chance(1, 2) {
                ops.push(Op::Append { data: bytes(rng, 10) });
            }
        }
    }
    ops
}

/// The same for objects in shards, with so many data shards: there is no omap, and most writes change a part of some
/// stripes.
pub(crate) fn ops_on_shards(rng: &mut Rng, only_reads: bool, data_shards: u64) -> Vec<Op> {
    let scale = 40 * data_shards;
    let read = |rng: &mut Rng| match rng.below(5) {
        0 => Op::Stat,
        1 => Op::GetXattrs,
        2 | 3 => Op::Read { offset: rng.below(150 * scale), len: 1 + rng.below(60 * scale) },
        _ => Op::Read { offset: 0, len: 0 },
    };
    if only_reads {
        return vec![read(rng)];
    }
    let mut ops = Vec::new();
    match rng.below(10) {
        0 => ops.push(Op::AssertExists),
        1 => ops.push(Op::AssertVersion { seq: rng.below(30) }),
        2 => {
            let (name, value) = ("x".into(), bytes(rng, 3));
            ops.push(Op::CmpXattr { name, compare: Compare::Ge, value });
        }
        _ => {}
    }
    match rng.below(24) {
        0..=6 => ops.extend((0..=rng.below(2)).map(|_| read(rng))),
        7 | 8 => ops.push(Op::WriteFull { data: bytes(rng, 200 * scale) }),
        9 | 10 => ops.push(Op::Append { data: bytes(rng, 30 * scale) }),
        11..=15 => {
            let len = if rng.chance(1, 2) { 60 * scale } else { scale };
            ops.push(Op::Write { offset: rng.below(150 * scale), data: bytes(rng, len) });
        }
        16 => ops.push(Op::SetXattr { name: "x".into(), value: bytes(rng, 20) }),
        17 => ops.push(Op::Truncate { size: rng.below(200 * scale) }),
        18 => ops.push(Op::Delete),
        19 => ops.push(Op::Create { exclusive: true }),
        20 => {
            let (offset, len) = (rng.below(150 * scale), 1 + rng.below(100 * scale));
            ops.push(Op::Create { exclusive: false });
            ops.push(Op::Zero { offset, len });
        }
        _ => {
            // Reads what it replaces.
            ops.push(Op::Read { offset: 0, len: 0 });
            ops.push(Op::Write { offset: rng.below(100 * scale), data: bytes(rng, 20 * scale) });
        }
    }
    ops
}
