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
