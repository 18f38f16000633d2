//! What a write does to the shards of an object: which old bytes have to be read for it, what is encoded anew, and the
//! effects on each shard. Pure arithmetic, tested against the model store.

use super::overlay::Overlay;
use super::pieces::{Before, Change, Piece, Pieces};
use super::record;
use super::shape::Shape;
use super::sidecar::{Beside, removal, sidecar};
use super::tag::{TAG, Tag};
use bytes::Bytes;
use erasure::ChunkSet;
use osd_class::snapped::SNAPSET;
use osd_object::{Mutation, ObjectId, SnapId, Transaction, Version};
use placement_map::PgId;
use std::collections::BTreeMap;
use stdx::Errno;
use stdx::time::WallTime;

/// The most that a write may put into one shard to be put aside as a record, bytes: it is written twice then. What is
/// more goes to a clone of the shard, which costs something for each extent that it has.
const RECORD_BYTES_MAX: u64 = 64 << 10;
/// The most pieces of it: each names the object.
const RECORD_PIECES_MAX: usize = 16;

/// Old bytes of shards, by piece and position.
pub(crate) type OldBytes = BTreeMap<usize, BTreeMap<usize, Bytes>>;

/// A write, understood.
#[derive(Clone, Debug)]
pub(crate) struct WritePlan {
    /// What the object was.
    before: Before,
    /// What it was, if not itself: the clone that it goes back to. Nothing else is written then.
    back_to: Option<ObjectId>,
    /// Clones that come and go with it.
    beside: Beside,
    /// It exists afterwards.
    exists: bool,
    /// Its size then.
    size: u64,
    overlay: Overlay,
    /// Effects on attributes, in order.
    attributes: Vec<Mutation>,
    pieces: Pieces,
}

/// Where a write is put aside.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aside {
    pub(crate) pg: PgId,
    pub(crate) version: Version,
    /// Whether all members know records.
    pub(crate) records: bool,
}

/// A write that is about to happen on shards.
pub(crate) struct Planned {
    pub(crate) plan: WritePlan,
    pub(crate) old: OldBytes,
    /// The lock of its columns, if it has not the whole object.
    pub(crate) columns: Option<u64>,
}

impl WritePlan {
    /// `effects` are on one object and its clones. `before`: the object's size, if it exists; `available`: the shards that
    /// can be read now; `size_of` tells the size of a clone. EOPNOTSUPP for effects that shards cannot have, E2BIG for
    /// more than one write can carry, EIO if `size_of` knows no such clone.
    pub(crate) fn of(
        shape: &Shape,
        before: Option<u64>,
        effects: &[Mutation],
        available: ChunkSet,
        size_of: &dyn Fn(&ObjectId) -> Result<Option<u64>, Errno>,
    ) -> Result<WritePlan, Errno> {
        let size = before.unwrap_or(0);
        let mut plan = WritePlan {
            before: Before { there: before.is_some(), size, end: size },
            back_to: None,
            beside: Beside::default(),
            exists: before.is_some(),
            size,
            overlay: Overlay::default(),
            attributes: Vec::new(),
            pieces: Pieces::default(),
        };
        for effect in effects {
            if !plan.take_beside(effect, size_of)? {
                plan.take(effect)?;
            }
        }
        let WritePlan { before, size, overlay, .. } = &plan;
        let change = Change { shape, before: *before, size: *size, overlay, available };
        plan.pieces = change.pieces()?;
        Ok(plan)
    }

    /// What clones have to do with: whether it was that.
    fn take_beside(
        &mut self,
        effect: &Mutation,
        size_of: &dyn Fn(&ObjectId) -> Result<Option<u64>, Errno>,
    ) -> Result<bool, Errno> {
        match effect {
            Mutation::Clone { from, to } if from.snap == SnapId::HEAD && to.snap != SnapId::HEAD => {
                self.beside.made = Some(to.snap);
            }
            Mutation::Clone { from, to } if from.snap != SnapId::HEAD && to.snap == SnapId::HEAD => {
                let size = size_of(from)?.ok_or(Errno::EIO)?;
                (self.exists, self.size) = (true, size);
                self.before = Before { there: true, size, end: size };
                (self.back_to, self.overlay) = (Some(from.clone()), Overlay::default());
                self.attributes.clear();
            }
            Mutation::Remove { object } if object.snap != SnapId::HEAD => {
                self.beside.removed.push(object.snap);
            }
            // A clone that is made leaves the attribute about clones away, whoever makes it.
            Mutation::RmXattr { object, name } if object.snap != SnapId::HEAD && name == SNAPSET => {}
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn take(&mut self, effect: &Mutation) -> Result<(), Errno> {
        match effect {
            Mutation::Touch { .. } => self.exists = true,
            Mutation::Write { offset, data, .. } => {
                let end = offset + data.len() as u64;
                self.exists = true;
                self.size = self.size.max(end);
                self.overlay.put(*offset, end, Some(data.clone()));
            }
            Mutation::Zero { offset, len, .. } => {
                let end = offset.saturating_add(*len).min(self.size);
                self.overlay.put(*offset, end, None);
            }
            Mutation::Truncate { size, .. } => {
                self.exists = true;
                self.overlay.clear(*size, u64::MAX);
                self.before.end = self.before.end.min(*size);
                self.size = *size;
            }
            Mutation::Remove { .. } => {
                (self.before.there, self.exists, self.size, self.before.end) = (false, false, 0, 0);
                self.overlay = Overlay::default();
                self.attributes.clear();
            }
            Mutation::SetXattr { .. } | Mutation::RmXattr { .. } => self.attributes.push(effect.clone()),
            Mutation::Stamp { .. } => {}
            Mutation::OmapSet { .. }
            | Mutation::OmapRm { .. }
            | Mutation::OmapRmRange { .. }
            | Mutation::Clone { .. }
            | Mutation::Rename { .. } => return Err(Errno::EOPNOTSUPP),
        }
        Ok(())
    }

    /// Old bytes that must be read first: of which piece, which range of which shards.
    pub(crate) fn reads(&self) -> impl Iterator<Item = (usize, &Piece)> {
        self.pieces.coded.iter().enumerate().filter(|(_, piece)| !piece.old.is_empty())
    }

    /// Whether it is put aside as what will change, rather than as a changed copy.
    fn is_small(&self) -> bool {
        let coded: u64 = self.pieces.coded.iter().map(|piece| piece.high - piece.low).sum();
        let attributes = Transaction { mutations: self.attributes.clone() }.payload_bytes();
        let pieces = self.pieces.coded.len() + self.pieces.zeros.len() + self.attributes.len();
        // What clones are made of and go back to is told by sidecars only.
        let no_clones = self.beside.is_empty() && self.back_to.is_none();
        let onto_old = self.before.there && self.exists && no_clones;
        onto_old && coded + attributes <= RECORD_BYTES_MAX && pieces <= RECORD_PIECES_MAX
    }

    /// The columns that it changes, if it changes nothing else of the object, so that writes of other columns may be
    /// under way at the same time.
    pub(crate) fn columns(&self) -> Option<Vec<(u64, u64)>> {
        let Before { there, size, end } = self.before;
        let same_outline = there && self.exists && end == size && self.size == size;
        let only_bytes = self.attributes.is_empty() && self.pieces.zeros.is_empty() && self.is_small();
        let columns = || self.pieces.coded.iter().map(|piece| (piece.low, piece.high)).collect();
        (same_outline && only_bytes).then(columns)
    }

    /// The effects on each shard, by position, put aside. `old` holds the bytes of `reads`.
    pub(crate) fn effects(
        &self,
        shape: &Shape,
        object: &ObjectId,
        aside: Aside,
        stamp: (Version, WallTime),
        old: &OldBytes,
    ) -> Vec<Transaction> {
        let side = sidecar(aside.pg, aside.version);
        if !self.exists {
            return vec![removal(&side, &self.beside); shape.shards()];
        }
        let small = aside.records && self.is_small();
        let on = if small { object } else { &side };
        let mut all: Vec<Transaction> = (0..shape.shards()).map(|_| Transaction::new()).collect();
        for (position, t) in all.iter_mut().enumerate() {
            if !small && self.before.there {
                let from = self.back_to.as_ref().unwrap_or(object).clone();
                t.push(Mutation::Clone { from, to: on.clone() });
            } else if !small {
                t.push(Mutation::Touch { object: on.clone() });
            }
            self.outline(shape, on, position, t);
            if !small {
                t.mutations.extend(self.beside.on(&side));
            }
        }
        for (index, piece) in self.pieces.coded.iter().enumerate() {
            let none = BTreeMap::new();
            for (position, data) in self.code(shape, piece, old.get(&index).unwrap_or(&none)) {
                all[position].push(Mutation::Write { object: on.clone(), offset: piece.low, data });
            }
        }
        for t in &mut all {
            t.push(Mutation::Stamp { object: on.clone(), version: stamp.0, mtime: stamp.1 });
            if small {
                *t = record::put_aside(aside.pg, aside.version, t);
            }
        }
        all
    }

    /// What happens to a shard beside the pieces.
    fn outline(&self, shape: &Shape, on: &ObjectId, position: usize, t: &mut Transaction) {
        let (before, on) = (self.before, || on.clone());
        let shard_bytes = shape.shard_bytes(self.size);
        let kept_bytes = if before.there { shape.shard_bytes(before.end) } else { 0 };
        if before.there && kept_bytes < shape.shard_bytes(before.size) {
            // First away with what a later growth must not bring back.
            t.push(Mutation::Truncate { object: on(), size: kept_bytes });
        }
        if shard_bytes != kept_bytes {
            t.push(Mutation::Truncate { object: on(), size: shard_bytes });
        }
        for (first, count) in &self.pieces.zeros {
            let (offset, len) = (first * shape.unit(), count * shape.unit());
            t.push(Mutation::Zero { object: on(), offset, len });
        }
        t.mutations.extend(self.attributes.iter().map(|m| moved(m, &on())));
        if !before.there || before.size != self.size {
            let tag = Tag { size: self.size, shard: position as u8 };
            t.push(Mutation::SetXattr { object: on(), name: TAG.into(), value: tag.bytes() });
        }
    }

    /// The new bytes of a piece, of the shards that change, by position.
    fn code(&self, shape: &Shape, piece: &Piece, old: &BTreeMap<usize, Bytes>) -> Vec<(usize, Bytes)> {
        let len = (piece.high - piece.low) as usize;
        let places = shape.code.data_positions();
        let old_of = |data: usize| old.get(&places[data]).map(|bytes| &bytes[..]);
        let new: BTreeMap<usize, Vec<u8>> = piece
            .changed
            .iter()
            .map(|data| (data, self.new_bytes(shape, piece, data, old_of(data))))
            .collect();
        let zeros = vec![0; if new.len() < places.len() { len } else { 0 }];
        let parity = if piece.delta {
            let changes = new.iter().map(|(data, new)| (places[*data], old_of(*data), &new[..]));
            shape.parity_by_deltas(changes, old)
        } else {
            let data = |data| new.get(&data).map(|new| &new[..]).or(old_of(data)).unwrap_or(&zeros);
            let data: Vec<&[u8]> = (0..places.len()).map(data).collect();
            shape.parity_of(&data)
        };
        let data = new.into_iter().map(|(data, bytes)| (places[data], bytes));
        data.chain(parity).map(|(position, bytes)| (position, bytes.into())).collect()
    }

    /// What a data chunk holds in the columns of a piece once the write happened.
    fn new_bytes(&self, shape: &Shape, piece: &Piece, data: usize, old: Option<&[u8]>) -> Vec<u8> {
        let (unit, width) = (shape.unit(), shape.width());
        let mut out = Vec::with_capacity((piece.high - piece.low) as usize);
        let mut at = piece.low;
        while at < piece.high {
            // Up to the end of this stripe's chunk.
            let to = piece.high.min((at / unit + 1) * unit);
            let start = at / unit * width + data as u64 * unit + at % unit;
            self.fill(&mut out, start, start + (to - at), old);
            at = to;
        }
        out
    }

    /// Appends the object's bytes `start .. end` as the write leaves them; `old` are those that were.
    fn fill(&self, out: &mut Vec<u8>, start: u64, end: u64, old: Option<&[u8]>) {
        let zeros = |out: &mut Vec<u8>, count: u64| out.resize(out.len() + count as usize, 0);
        let stays = |out: &mut Vec<u8>, from: u64, to: u64| {
            let kept = to.min(self.before.end).max(from);
            match old {
                Some(old) => out.extend_from_slice(&old[(from - start) as usize..(kept - start) as usize]),
                None => zeros(out, kept - from),
            }
            zeros(out, to - kept);
        };
        let mut at = start;
        for (from, range) in self.overlay.within(start, end) {
            stays(out, at, from);
            match &range.data {
                Some(data) => out.extend_from_slice(data),
                None => zeros(out, range.end - from),
            }
            at = range.end;
        }
        stays(out, at, end);
    }
}

/// The same effect on an attribute of another object.
fn moved(effect: &Mutation, to: &ObjectId) -> Mutation {
    match effect {
        Mutation::SetXattr { name, value, .. } => {
            Mutation::SetXattr { object: to.clone(), name: name.clone(), value: value.clone() }
        }
        Mutation::RmXattr { name, .. } => Mutation::RmXattr { object: to.clone(), name: name.clone() },
        other => unreachable!("{other:?} is no effect on an attribute"),
    }
}
