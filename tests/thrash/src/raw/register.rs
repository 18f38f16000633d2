//! Objects whose whole state follows from the number of their last change.

use crate::track::Track;
use bytes::Bytes;
use gateway_client::{OpError, Reply};
use osd_object::op::Compare;
use osd_object::view::OmapRange;
use osd_object::{Op, OpResult};
use std::collections::BTreeMap;
use stdx::Errno;
use tests_cluster::content;

/// Every so many versions the object is deleted, and begins anew with the next one.
const LIFE: u64 = 40;
/// Slots of an object of that shape, each written by every eighth version.
const SLOTS: u64 = 8;
/// Bytes of a slot: no multiple of the store's unit, so that writes cut units in two.
const SLOT_BYTES: u64 = 6_000;
/// Omap rows that are set and removed in turn.
const ROWS: u64 = 20;
/// The attribute, or row, that says which version it is.
const NUMBER: &str = "n";

/// How a register keeps its versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Overwrites in place, under a guard.
    Slots,
    /// Appends: one that happens twice shows.
    Log,
    /// Rows set and removed in one operation.
    Omap,
}

impl Shape {
    pub(super) const ALL: [Shape; 3] = [Shape::Slots, Shape::Log, Shape::Omap];

    pub(super) fn name(self) -> &'static str {
        match self {
            Shape::Slots => "write",
            Shape::Log => "append",
            Shape::Omap => "omap",
        }
    }

    /// The operation that reads all of it at once.
    pub(super) fn read(self) -> Vec<Op> {
        match self {
            Shape::Omap => vec![Op::OmapGetRange { range: OmapRange::prefix(b"") }],
            _ => vec![Op::Read { offset: 0, len: 0 }, Op::GetXattrs],
        }
    }
}

/// One object.
pub(super) struct Register {
    pub(super) name: String,
    pub(super) shape: Shape,
    seed: u64,
    pub(super) track: Track,
}

impl Register {
    pub(super) fn new(shape: Shape, number: u64, seed: u64) -> Register {
        let name = format!("{}-{number}", shape.name());
        Register { name, shape, seed: content::mix(&[seed, shape as u64, number]), track: Track::default() }
    }

    fn piece(&self, version: u64) -> Vec<u8> {
        let seed = content::mix(&[self.seed, version]);
        let len = match self.shape {
            Shape::Slots => SLOT_BYTES,
            Shape::Log => 1 + seed % 5_000,
            Shape::Omap => 8 + seed % 200,
        };
        content::bytes(seed, len as usize)
    }

    /// Makes `version` of the version before it.
    pub(super) fn ops(&self, version: u64) -> Vec<Op> {
        if version % LIFE == 0 {
            return vec![Op::Delete];
        }
        let number = |v: u64| Bytes::from(v.to_string());
        let piece = Bytes::from(self.piece(version));
        let before = if version % LIFE == 1 { Bytes::new() } else { number(version - 1) };
        let guard = Op::CmpXattr { name: NUMBER.into(), compare: Compare::Eq, value: before };
        let mark = Op::SetXattr { name: NUMBER.into(), value: number(version) };
        // An object that begins its life is not there yet, and a guard on it finds nothing.
        let guards = if version % LIFE == 1 { vec![Op::Create { exclusive: true }] } else { vec![guard] };
        let change = match self.shape {
            Shape::Slots => vec![Op::Write { offset: version % SLOTS * SLOT_BYTES, data: piece }, mark],
            Shape::Log => vec![Op::Append { data: piece }, mark],
            Shape::Omap => {
                let rows = vec![(row(version % ROWS), piece), (Bytes::from(NUMBER), number(version))];
                let gone = row((version + ROWS / 2) % ROWS);
                vec![Op::OmapSet { rows }, Op::OmapRm { keys: vec![gone] }, mark]
            }
        };
        [guards, change].concat()
    }

    /// Whether this is what reading `version` gives.
    pub(super) fn is(&self, version: u64, answer: &Result<Reply, OpError>) -> bool {
        let reply = match answer {
            Err(e) => return e.code == Errno::ENOENT && version % LIFE == 0,
            Ok(reply) => reply,
        };
        if version % LIFE == 0 || number_of(reply) != Some(version) {
            return false;
        }
        let born = version - version % LIFE + 1;
        match (self.shape, reply.results.first()) {
            (Shape::Omap, Some(OpResult::Rows(page))) => {
                let mut rows = BTreeMap::new();
                for v in born..=version {
                    rows.insert(row(v % ROWS), Bytes::from(self.piece(v)));
                    rows.remove(&row((v + ROWS / 2) % ROWS));
                }
                rows.insert(Bytes::from(NUMBER), Bytes::from(version.to_string()));
                !page.more && page.rows.iter().cloned().eq(rows)
            }
            (Shape::Log, Some(OpResult::Data(data))) => {
                let all: Vec<u8> = (born..=version).flat_map(|v| self.piece(v)).collect();
                data[..] == all[..]
            }
            (Shape::Slots, Some(OpResult::Data(data))) => {
                let mut all = Vec::new();
                for v in born..=version {
                    let at = (v % SLOTS * SLOT_BYTES) as usize;
                    let end = at + SLOT_BYTES as usize;
                    all.resize(all.len().max(end), 0);
                    all[at..end].copy_from_slice(&self.piece(v));
                }
                data[..] == all[..]
            }
            _ => false,
        }
    }

    /// What a read gave, for people.
    pub(super) fn describe(&self, answer: &Result<Reply, OpError>) -> String {
        match answer {
            Err(e) => e.to_string(),
            Ok(reply) => match number_of(reply) {
                Some(n) if self.is(n, answer) => {
                    format!("version {n}, whole (stored version {})", reply.version)
                }
                Some(n) => {
                    format!("what says that it is version {n}, but is not (stored version {})", reply.version)
                }
                None => format!("something without a number (stored version {})", reply.version),
            },
        }
    }
}

fn row(n: u64) -> Bytes {
    Bytes::from(format!("row{n:03}"))
}

fn number_of(reply: &Reply) -> Option<u64> {
    let text = match reply.results.last()? {
        OpResult::Xattrs(all) => &all.iter().find(|(name, _)| name == NUMBER)?.1,
        OpResult::Rows(page) => &page.rows.iter().find(|(key, _)| key == NUMBER.as_bytes())?.1,
        _ => return None,
    };
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gateway_client::{MemoryRados, Rados};
    use osd_object::ObjectName;

    #[tokio::test]
    async fn every_version_is_known_from_what_is_read_and_no_other() {
        let cluster = MemoryRados::new(&["p"]);
        for shape in Shape::ALL {
            let register = Register::new(shape, 1, 7);
            for version in 0..100 {
                if version > 0 {
                    let done = cluster.operate("p", ObjectName::new("o"), register.ops(version)).await;
                    done.unwrap_or_else(|e| panic!("{shape:?} {version}: {e}"));
                }
                let answer = cluster.operate("p", ObjectName::new("o"), shape.read()).await;
                let fits: Vec<u64> = (0..=version).filter(|v| register.is(*v, &answer)).collect();
                match version % LIFE {
                    0 => assert!(fits.contains(&version), "{shape:?} {version}"),
                    _ => assert_eq!(fits, [version], "{shape:?}"),
                }
            }
            cluster.operate("p", ObjectName::new("o"), vec![Op::Delete]).await.unwrap();
        }
    }
}
